"""The classifier: layers, receptive field, training, accuracy and its interval."""

import subprocess
import sys
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from analysis.maths.network import (
    NetworkError,
    build,
    parameters,
    predict,
    receptive_field,
    train,
    wilson_interval,
)

DEFAULT = {"channels": [32, 64, 64], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 64}
SMALL = {"channels": [4, 6], "kernels": [3, 3], "pool": [2, 1], "hidden": 8}


def strokes(n, seed=0, size=12):
    """Images with one bright bar, class 0 upright and class 1 lying, and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    images = 0.1 * generator.random((n, 1, size, size), dtype=np.float32)
    for image, label, place in zip(images, labels, generator.integers(1, size - 1, n), strict=True):
        image[0][(slice(None), place) if label == 0 else (place, slice(None))] = 1
    return images, labels


# -- the layers ------------------------------------------------------------------------------------


def test_default_is_chollets_network():
    network = build(DEFAULT)
    names = " ".join(type(layer).__name__ for layer in network)
    block = "Conv2d ReLU MaxPool2d "
    assert names == 2 * block + "Conv2d ReLU Flatten Linear ReLU Linear"
    assert parameters(network) == 93_322
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_parameters_by_hand_and_frozen_ones_do_not_count():
    network = build(SMALL, (1, 12, 12), classes=2)
    # 4 (9 + 1) + 6 (36 + 1) + (6 3 3 8 + 8) + (8 2 + 2)
    assert parameters(network) == 40 + 222 + 440 + 18
    network[0].weight.requires_grad_(False)
    assert parameters(network) == 4 + 222 + 440 + 18


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kernels": [3, 3, 30]}, r"classifier\.kernels\[2\] = 30 leaves no pixel"),
        ({"pool": [2, 20, 1]}, r"classifier\.pool\[1\] = 20 leaves no pixel"),
        ({"kernels": [3, 3]}, r"classifier\.kernels has 2 entries"),
        ({"channels": [32, 0, 64]}, r"classifier\.channels\[1\] is 0"),
        ({"channels": [32, True, 64]}, r"classifier\.channels\[1\] is True"),
        ({"hidden": 6.5}, r"classifier\.hidden is 6\.5"),
        ({"kernels": "333"}, r"classifier\.kernels is '333'"),
        ({"dropout": 0.5}, r"unknown: dropout"),
    ],
)
def test_bad_config_names_the_key(change, told):
    with pytest.raises(NetworkError, match=told):
        build(DEFAULT | change)


def test_missing_key_is_named():
    with pytest.raises(NetworkError, match="missing: pool"):
        build({key: value for key, value in DEFAULT.items() if key != "pool"})


# -- the receptive field ---------------------------------------------------------------------------


def test_receptive_field_of_the_default():
    field = receptive_field(build(DEFAULT))
    assert [f.size for f in field.layers] == [(3, 3), (4, 4), (8, 8), (10, 10), (18, 18)]
    assert [f.stride for f in field.layers] == [(1, 1), (2, 2), (2, 2), (4, 4), (4, 4)]
    assert [f.cells for f in field.layers] == [(26, 26), (13, 13), (11, 11), (5, 5), (3, 3)]
    assert field.unread_rows == field.unread_columns == (26, 27)


@st.composite
def chains(draw):
    layers, size = [], draw(st.integers(9, 17))
    cells = size
    for _ in range(draw(st.integers(1, 3))):
        k, s, d = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        p = draw(st.integers(0, k // 2))
        convolves = draw(st.booleans())
        d = d if convolves else 1
        after = (cells + 2 * p - d * (k - 1) - 1) // s + 1
        if after < 1:
            break
        cells = after
        layers.append(nn.Conv2d(1, 1, k, s, p, d) if convolves else nn.AvgPool2d(k, s, p))
    return nn.Sequential(*layers), size


def _read_by_gradient(network, size):
    """(cells, cells, size, size) bool: the pixels on which each cell of the last map depends."""
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
    jacobian = torch.autograd.functional.jacobian(network, torch.rand(1, 1, size, size))
    return (jacobian[0, 0, :, :, 0, 0] != 0).numpy()


@settings(max_examples=40, deadline=None)
@given(chains())
def test_receptive_field_against_the_gradient(case):
    network, size = case
    if len(network) == 0:
        return
    field = receptive_field(network, (1, size, size))
    reads = _read_by_gradient(network, size)
    last = field.layers[-1]
    assert last.cells == reads.shape[:2]
    for axis in (0, 1):
        seen = reads.any(axis=(0, 1)).any(axis=1 - axis)
        unread = (field.unread_rows, field.unread_columns)[axis]
        assert unread == tuple(np.flatnonzero(~seen).tolist())
        for cell in range(last.cells[axis]):
            window = np.take(reads, cell, axis=axis).any(axis=0).any(axis=1 - axis)
            first = last.offset[axis] + cell * last.stride[axis]
            touched = np.flatnonzero(window)
            assert first <= touched.min() if len(touched) else True
            assert touched.max() < first + last.size[axis] if len(touched) else True


def test_the_gradient_check_sees_a_wrong_field():
    """A kernel one wider reads one pixel more, and the oracle says so."""
    narrow, wide = nn.Sequential(nn.Conv2d(1, 1, 2)), nn.Sequential(nn.Conv2d(1, 1, 3))
    field = receptive_field(narrow, (1, 9, 9)).layers[-1]
    window = np.flatnonzero(_read_by_gradient(wide, 9)[0, 0].any(axis=1))
    assert window.max() >= field.offset[0] + field.size[0]


def test_receptive_field_refuses_what_it_cannot_follow():
    with pytest.raises(NetworkError, match="too small for this network"):
        receptive_field(build(DEFAULT), (1, 12, 12))
    with pytest.raises(NetworkError, match="ceil_mode"):
        receptive_field(nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)), (1, 9, 9))


# -- training and prediction -----------------------------------------------------------------------


def _trained(seed=3, **change):
    network = build(SMALL, (1, 12, 12), classes=2)
    images, labels = strokes(160)
    settings = {"epochs": 4, "batch": 16, "rate": 0.01, "seed": seed} | change
    return network, train(network, images, labels, **settings)


def test_training_learns_and_reports_each_epoch():
    seen = []
    network, history = _trained(progress=seen.append)
    assert seen == history and [e.epoch for e in history] == [1, 2, 3, 4]
    assert history[-1].loss < 0.5 * history[0].loss
    images, labels = strokes(60, seed=9)
    assert (predict(network, images).argmax(1) == labels).mean() > 0.95


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    network = build(SMALL, (1, 12, 12), classes=2)
    torch.set_rng_state(before)
    images, labels = strokes(40)
    runs = []
    for seed in (5, 5, 6):
        train(network, images, labels, epochs=1, batch=7, rate=0.01, seed=seed)
        runs.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_predict_gives_probabilities_whatever_the_batch():
    network = build(SMALL, (1, 12, 12), classes=2)
    images, _ = strokes(20)
    p = predict(network, images, batch=7)
    assert p.dtype == np.float32 and p.shape == (20, 2)
    with torch.no_grad():
        exact = network.double()(torch.as_tensor(images).double()).softmax(1).numpy()
    np.testing.assert_allclose(p, exact, atol=1e-6)
    assert np.abs(p[::-1] - exact).max() > 1e-3, "the comparison would not see a wrong order"


def test_predict_uses_eval_mode_and_restores_the_mode():
    network = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 2)).train()
    images, _ = strokes(30)
    assert np.array_equal(predict(network, images), predict(network, images))
    assert network.training


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((3, 12, 12), np.float32), "give .N, channels, rows, columns."),
        (np.zeros((0, 1, 12, 12), np.float32), "empty"),
        (np.zeros((3, 1, 12, 12), np.uint8), "scale the pixels"),
        (np.full((3, 1, 12, 12), np.nan, np.float32), r"NaN.*first at index \[0, 0, 0, 0\]"),
        (np.zeros((3, 1, 16, 12), np.float32), "does not take images of shape"),
    ],
)
def test_bad_images_are_told(images, told):
    with pytest.raises(NetworkError, match=told):
        predict(build(SMALL, (1, 12, 12), classes=2), images)


def test_bad_labels_and_settings_are_told():
    network = build(SMALL, (1, 12, 12), classes=2)
    images, labels = strokes(8)
    good = {"epochs": 1, "batch": 4, "rate": 0.01, "seed": 0}
    for wrong, change, told in [
        (labels[:5], {}, "one for each image"),
        (labels + 1, {}, "labels run from"),
        (labels.astype(float), {}, "integers"),
        (labels, {"rate": 0}, "rate is 0"),
        (labels, {"epochs": 0}, "epochs is 0"),
        (labels, {"batch": 0}, "batch is 0"),
    ]:
        with pytest.raises(NetworkError, match=told):
            train(network, images, wrong, **(good | change))


def test_import_does_not_load_the_optimisers():
    code = "import sys, analysis.maths.network; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- Wilson's interval -----------------------------------------------------------------------------


def test_wilson_against_the_score_equation():
    """Its ends are the p at which (p_hat - p)^2 = z^2 p (1 - p) / n."""
    for k, n in [(968, 1000), (1, 7), (991, 1000), (5, 10)]:
        for p in wilson_interval(k, n):
            assert (k / n - p) ** 2 == pytest.approx(1.959963984540054**2 * p * (1 - p) / n)


def test_wilson_ends_stay_inside_and_widen_with_the_level():
    assert wilson_interval(0, 20)[0] == pytest.approx(0, abs=1e-15)
    assert wilson_interval(20, 20)[1] == pytest.approx(1, abs=1e-15)
    narrow, wide = wilson_interval(9, 20, 0.5), wilson_interval(9, 20, 0.99)
    assert wide[0] < narrow[0] < 9 / 20 < narrow[1] < wide[1]


def test_wilson_covers_about_as_often_as_it_says():
    n, p = 50, 0.3
    covered = sum(
        comb(n, k) * p**k * (1 - p) ** (n - k)
        for k in range(n + 1)
        if wilson_interval(k, n)[0] <= p <= wilson_interval(k, n)[1]
    )
    assert 0.93 < covered < 0.97


@pytest.mark.parametrize("arguments", [(1, 0), (5, 4), (-1, 4), (1, 4, 1.0), (1, 4, 0.0)])
def test_wilson_refuses_nonsense(arguments):
    with pytest.raises(NetworkError):
        wilson_interval(*arguments)
