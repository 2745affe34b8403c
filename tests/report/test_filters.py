"""The filters: chosen by norm, measured against what random weights would give, drawn in place."""

import numpy as np
import pytest
import torch

from analysis import filters
from analysis.maths import network as cnn
from analysis.maths.feature_maps import Answers, answers


def kernels(seed=0, shape=(6, 5, 3, 3)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_convolutions_come_in_the_order_of_the_network_and_nothing_else_does():
    weights = {f"{i}.weight": np.full((1, 1, 2, 2), i) for i in (10, 2, 0)}
    weights |= {"12.weight": np.zeros((3, 4)), "2.bias": np.zeros(1)}
    assert [w[0, 0, 0, 0] for w in filters.convolutions(weights)] == [0, 2, 10]


def test_the_kernels_with_the_largest_norm_are_drawn():
    w = kernels()
    w[4, [1, 3]] = -10  # by norm, so a negative kernel too
    drawn = filters.choose(w, 2)
    assert drawn.kernels.shape == (6, 2, 3, 3) and drawn.scale == 10
    np.testing.assert_array_equal(drawn.kernels[4], w[4, [1, 3]])
    assert filters.choose(w, 99).kernels.shape == w.shape


def answered(largest) -> Answers:
    return Answers(
        *(np.asarray(part) for part in (largest, np.zeros_like(largest), np.zeros_like(largest)))
    )


def test_a_channel_stands_for_a_digit_where_its_strongest_images_are_all_of_it():
    labels = np.repeat([3, 8], 10)
    of_three, mixed, few = (
        (labels == 3) + 0.5,
        np.arange(20.0),
        np.where(np.arange(20) < 9, 1.0, 0.0),
    )
    mixed[3] = 99  # a three among the strongest of the eights
    found = answered(np.stack([of_three, mixed, few], axis=1))
    assert filters.of_one_digit(found, labels).tolist() == [True, False, False]


def test_a_patch_is_what_the_cell_with_the_largest_answer_sees():
    images = np.random.default_rng(0).random((3, 1, 28, 28)).astype(np.float32)
    network = cnn.build({"channels": [4, 5], "kernels": [3, 3], "pool": [2, 1], "hidden": 4})
    cnn.initialise(network, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network[0].weight[1], network[0].bias[1] = 0, -1  # a channel that never answers
    fields = [f for f in cnn.receptive_field(network)[0] if "Conv2d" in f.layer]
    for layer, (found, field) in enumerate(zip(answers(network, images), fields, strict=True)):
        cut = filters.patches(found, field, images)
        assert cut.shape == (4 + layer, field.size, field.size)
        for channel, patch in enumerate(cut):
            if found.largest[:, channel].max() == 0:
                assert np.isnan(patch).all() and (layer or channel == 1)
                continue
            # By itself the patch gives the channel's largest answer to any image.
            alone = network[: 2 if layer == 0 else 5](torch.from_numpy(patch)[None, None])
            assert alone[0, channel].item() == pytest.approx(
                found.largest[:, channel].max(), rel=1e-5
            )


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
    w = np.zeros((2, 2, 2, 2))
    w[0, 1] = [[3, 0], [0, -4]]
    w[1, 0] = [[0, 0], [0, 12]]
    w[1, 1] = [[0, 0], [1, 0]]
    layer = filters.measure_layer(w, filters.choose(w, 1))
    assert (layer["smallest_norm"], layer["largest_norm"]) == (5, 145**0.5)
    assert layer["share_near_zero"] == 12 / 16
    assert layer["share_of_squared_weight_drawn"] == 169 / 170
    assert layer["share_of_kernels_drawn"] == 1 / 2


def test_a_layer_is_judged_by_what_it_was_before_its_training():
    even = np.random.default_rng(2).uniform(-1, 1, (60, 60, 3, 3)).astype(np.float32)
    sparse = np.where(kernels(1, even.shape) > 0, even, 0)  # the planted differences
    smooth = even + 0.5
    drawn = [filters.choose(w, 4) for w in (sparse, smooth)]
    labels, silent = np.repeat([3, 8], 10), np.zeros((20, 60))
    threes = answered(np.tile((labels == 3)[:, None] + 0.5, 60))
    excited = [answered(silent), threes], [threes, answered(silent)]
    values = filters.measure([sparse, smooth], [even, even], drawn, *excited, labels)
    first, second = values["layers"]
    # Of numbers spread evenly, 0.1 / √3 lie within a tenth of their root mean square.
    assert first["share_near_zero_before"] == pytest.approx(0.1 / np.sqrt(3), abs=0.003)
    assert first["share_of_mean_before"] == pytest.approx(1 / 9, rel=0.05)
    assert first["share_near_zero"] > 0.5 and values["largest_growth_near_zero"] > 8
    assert values["layers_with_more_mean"] == [2] and second["share_of_mean"] > 0.4
    assert (first["silent"], first["of_one_digit"], first["of_one_digit_before"]) == (60, 0, 60)
    assert (second["silent"], second["of_one_digit"], second["of_one_digit_before"]) == (0, 60, 0)


@pytest.mark.parametrize("channels", [(1, 1, 1), (70, 2, 3), (5, 40, 33)])
def test_any_widths_can_be_drawn(channels, tmp_path):
    layers = [kernels(shape=(channels[0], 1, 3, 3))]
    layers += [kernels(shape=(channels[i], channels[i - 1], k, k)) for i, k in ((1, 5), (2, 1))]
    cut = [np.full((count, 8, 8), np.nan) for count in channels]
    figure = filters.draw([filters.choose(w, 4) for w in layers], cut)
    assert figure.get_size_inches()[1] * 25.4 <= filters.TALLEST
    filters.figures.save(figure, tmp_path / "filters.pdf")
    assert (tmp_path / "filters.pdf").stat().st_size > 1000


@pytest.mark.parametrize("channels", [(1, 1, 1), (32, 64, 64), (512, 512, 512)])
def test_all_channels_fit_a_page(channels):
    columns, rows, side = filters.grid(list(channels))
    assert all(r * columns >= c for r, c in zip(rows, channels, strict=True)) and side > 1
