"""The filters: chosen by norm, measured against what random weights would give, drawn in place."""

import numpy as np
import pytest

from analysis import filters


def kernels(seed=0, shape=(6, 5, 3, 3)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_convolutions_come_in_the_order_of_the_network_and_nothing_else_does():
    weights = {f"{i}.weight": np.full((1, 1, 2, 2), i) for i in (10, 2, 0)}
    weights |= {"12.weight": np.zeros((3, 4)), "2.bias": np.zeros(1)}
    assert [w[0, 0, 0, 0] for w in filters.convolutions(weights)] == [0, 2, 10]


def test_channels_with_the_largest_norm_are_chosen():
    w = kernels()
    w[4] *= 10  # an output channel
    w[:, 2] *= 10  # an input channel
    drawn = filters.choose(w, 1, 1)
    assert (drawn.outputs.tolist(), drawn.inputs.tolist()) == ([4], [2])
    # A selection by the largest single sum instead of the norm would miss a negative channel.
    negative = np.ones((3, 1, 2, 2))
    negative[1] = -2
    assert filters.choose(negative, 1, 1).outputs.tolist() == [1]


def test_more_channels_asked_than_there_are_gives_all():
    drawn = filters.choose(kernels(), 99, 99)
    assert len(drawn.outputs) == 6 and len(drawn.inputs) == 5


@pytest.mark.parametrize(
    ("value", "rounded"), [(0.51, 0.6), (0.3, 0.3), (0.301, 0.4), (8.1, 10), (1e-4, 1e-4), (0, 1)]
)
def test_scale_is_the_next_round_number(value, rounded):
    assert filters.rounded_up(value) == rounded


@pytest.mark.parametrize("power", range(-8, 5))
def test_scale_never_clips(power):
    for value in np.random.default_rng(power + 8).uniform(1, 10, 50) * 10.0**power:
        assert value <= filters.rounded_up(value) <= 1.51 * value


def test_share_of_mean_splits_the_squared_weight():
    even, edge = np.full((2, 3, 3, 3), -0.7), kernels(shape=(2, 3, 3, 3))
    edge = edge - edge.mean(axis=(2, 3), keepdims=True)
    assert filters.share_of_mean(even) == pytest.approx(1)
    assert filters.share_of_mean(edge) == pytest.approx(0, abs=1e-12)
    # Orthogonal parts: the shares add up, as Pythagoras has it.
    mixed = filters.share_of_mean(even + edge)
    parts = [(x.astype(float) ** 2).sum() for x in (even, edge)]
    assert mixed == pytest.approx(parts[0] / sum(parts), rel=1e-6)
    random = filters.share_of_mean(kernels(shape=(100, 100, 3, 3)))
    assert random == pytest.approx(1 / 9, rel=0.05)


def test_measurements_of_known_weights():
    w = np.zeros((2, 1, 2, 2))
    w[0] = [[[3, 0], [0, -4]]]
    w[1] = [[[0, 0], [0, 12]]]
    layer = filters.measure_layer(w, filters.choose(w, 1, 1))
    assert (layer["smallest_norm"], layer["largest_norm"]) == (5, 12)
    assert layer["share_near_zero"] == 5 / 8
    assert layer["share_negative"] == 1 / 8
    assert layer["share_of_squared_weight_drawn"] == 144 / 169
    assert layer["share_of_kernels_drawn"] == 1 / 2


def test_a_layer_is_judged_by_what_it_was_before_its_training():
    even = np.random.default_rng(2).uniform(-1, 1, (60, 60, 3, 3)).astype(np.float32)
    sparse = np.where(kernels(1, even.shape) > 0, even, 0)  # the planted differences
    smooth = even + 0.5
    drawn = [filters.choose(w, 4, 4) for w in (sparse, smooth)]
    values = filters.measure([sparse, smooth], [even, even], drawn)
    first, second = values["layers"]
    # Of numbers spread evenly, 0.1 / √3 lie within a tenth of their root mean square.
    assert first["share_near_zero_before"] == pytest.approx(0.1 / np.sqrt(3), abs=0.003)
    assert first["share_of_mean_before"] == pytest.approx(1 / 9, rel=0.05)
    assert first["share_near_zero"] > 0.5 and values["largest_growth_near_zero"] > 8
    assert values["layers_with_more_mean"] == [2] and second["share_of_mean"] > 0.4
    assert [layer["number"] for layer in values["layers"]] == [1, 2]


@pytest.mark.parametrize("channels", [(1, 1, 1), (70, 2, 3), (5, 40, 33), (512, 1, 40)])
def test_any_widths_can_be_drawn(channels, tmp_path):
    first = kernels(shape=(channels[0], 1, 3, 3))
    deep = [kernels(shape=(channels[i], channels[i - 1], k, k)) for i, k in ((1, 5), (2, 1))]
    drawn = [filters.choose(w, 32, 16) for w in deep]
    for name, figure in (
        ("first", filters.draw_first(first, 3.0)),
        ("deep", filters.draw_deep(deep, drawn)),
    ):
        filters.figures.save(figure, tmp_path / f"{name}.pdf")
        assert (tmp_path / f"{name}.pdf").stat().st_size > 1000
