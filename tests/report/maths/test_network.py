"""The classifier: layers, receptive field, training, prediction."""

import subprocess
import sys

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
    ],
)
def test_bad_config_names_the_key(change, told):
    with pytest.raises(NetworkError, match=told):
        build(DEFAULT | change)


# -- the receptive field ---------------------------------------------------------------------------


def test_receptive_field_of_the_default():
    fields, unread = receptive_field(build(DEFAULT))
    assert [f.size for f in fields] == [3, 4, 8, 10, 18]
    assert [f.stride for f in fields] == [1, 2, 2, 4, 4]
    assert [f.cells for f in fields] == [26, 13, 11, 5, 3]
    assert unread == (26, 27)


@st.composite
def chains(draw):
    layers, size = [], draw(st.integers(9, 17))
    cells = size
    for _ in range(draw(st.integers(1, 3))):
        k, s = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        if cells < k:
            break
        cells = (cells - k) // s + 1
        layers.append(nn.Conv2d(1, 1, k, s) if draw(st.booleans()) else nn.AvgPool2d(k, s))
    return nn.Sequential(*layers), size


def _read_by_gradient(network, size):
    """(cells, size) bool: the columns on which each cell of the last map's first row depends."""
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
    jacobian = torch.autograd.functional.jacobian(network, torch.rand(1, 1, size, size))
    return (jacobian[0, 0, 0, :, 0, 0] != 0).any(1).numpy()


@settings(max_examples=40, deadline=None)
@given(chains())
def test_receptive_field_against_the_gradient(case):
    network, size = case
    (*_, last), unread = receptive_field(network, size)
    reads = _read_by_gradient(network, size)
    assert last.cells == len(reads)
    assert unread == tuple(np.flatnonzero(~reads.any(axis=0)).tolist())
    for cell, window in enumerate(reads):
        touched = np.flatnonzero(window)
        assert touched.min() == cell * last.stride
        assert touched.max() == cell * last.stride + last.size - 1


def test_the_gradient_check_sees_a_wrong_field():
    """A kernel one wider reads one pixel more, and the oracle says so."""
    narrow, wide = nn.Sequential(nn.Conv2d(1, 1, 2)), nn.Sequential(nn.Conv2d(1, 1, 3))
    field = receptive_field(narrow, 9)[0][-1]
    assert np.flatnonzero(_read_by_gradient(wide, 9)[0]).max() >= field.size


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


def test_import_does_not_load_the_optimisers():
    code = "import sys, analysis.maths.network; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
