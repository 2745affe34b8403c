"""Occlusion maps against brute force in double precision, paper and captum."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from analysis.maths import network as net
from analysis.maths.occlusion import (
    MARGIN,
    Occluder,
    OcclusionError,
    OcclusionWarning,
    PatchSearch,
    SizeSweep,
    attribution,
    engine,
    layers,
    occlude,
    occlude_dense,
    occlude_into,
    plan,
    smallest_flipping_patch,
    smallest_flipping_patch_dense,
)

DEFAULT = {"channels": [32, 64, 64], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 64}
TOLERANCE = 2e-6


# -- the oracle: a loop, in double precision -------------------------------------------------------


def brute(network, image, patch=(8, 8), stride=(1, 1), fill=0.0, outside=False):
    """Probabilities (R, C, classes), pixel by pixel and position by position."""
    double = _double(network)
    x = torch.as_tensor(image).double()
    cover = torch.as_tensor(fill).double()
    cover = cover.view(-1, 1, 1).expand_as(x) if cover.ndim < 3 else cover
    (h, w), (down, right), (rows, columns) = patch, stride, x.shape[1:]
    tops = range(1 - h, rows, down) if outside else range(0, rows - h + 1, down)
    lefts = range(1 - w, columns, right) if outside else range(0, columns - w + 1, right)
    images = []
    for top in tops:
        for left in lefts:
            covered = x.clone()
            for i in range(max(top, 0), min(top + h, rows)):
                for j in range(max(left, 0), min(left + w, columns)):
                    covered[:, i, j] = cover[:, i, j]
            images.append(covered)
    with torch.no_grad():
        p = torch.cat([double(b) for b in torch.stack(images).split(256)]).softmax(1)
    return p.reshape(len(tops), len(lefts), -1).numpy()


def _double(network):
    import copy

    return copy.deepcopy(network).double().eval()


def check(o, p):
    """An Occlusion with its probabilities kept agrees with the oracle's (R, C, classes)."""
    assert o.probabilities.shape == p.shape
    assert np.abs(o.probabilities - p).max() <= TOLERANCE
    np.testing.assert_array_equal(o.p_true, o.probabilities[..., o.label])
    np.testing.assert_array_equal(o.p_max, o.probabilities.max(-1))
    top = np.sort(p, axis=-1)
    sure = top[..., -1] - top[..., -2] > 2 * TOLERANCE
    np.testing.assert_array_equal(o.predicted[sure], p.argmax(-1)[sure])


def strokes(n, seed=0, size=28):
    """Digit-like images, a few thick strokes on black, labelled by their number of strokes."""
    generator = np.random.default_rng(seed)
    images = np.zeros((n, 1, size, size), np.float32)
    labels = generator.integers(0, 4, n)
    grid = np.stack(np.mgrid[:size, :size], axis=-1)
    for image, label in zip(images, labels, strict=True):
        for _ in range(label + 1):
            ends = generator.uniform(0.2 * size, 0.8 * size, (2, 2))
            along = np.clip(
                ((grid - ends[0]) @ (ends[1] - ends[0])) / ((ends[1] - ends[0]) ** 2).sum(), 0, 1
            )
            away = np.linalg.norm(grid - ends[0] - along[..., None] * (ends[1] - ends[0]), axis=-1)
            image[0] = np.maximum(image[0], np.clip(2 - away, 0, 1))
    return images, labels


@pytest.fixture(scope="module")
def trained():
    """The report's network, trained on strokes, and images that it was not trained on."""
    network = net.build(DEFAULT)
    images, labels = strokes(600)
    net.train(network, images, labels, epochs=3, batch=32, rate=2e-3, seed=0)
    return network, *strokes(40, seed=1)


# -- random architectures --------------------------------------------------------------------------


@st.composite
def cases(draw):
    """A small network, an image with much background, and what covers it."""
    integers = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    shape = channels, rows, columns = integers(1, 3), integers(5, 11), integers(5, 11)
    built, seed = [], integers(0, 2**31)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(integers(0, 3)):
            layer = draw(st.sampled_from(["conv", "conv", "max", "mean"]))
            kernel = integers(1, 4), integers(1, 3)
            stride = draw(st.sampled_from([(1, 1), (2, 2), (1, 2), kernel]))
            widest = kernel if layer == "conv" else (kernel[0] // 2, kernel[1] // 2)
            padding = integers(0, widest[0]), integers(0, widest[1])
            dilation = draw(st.sampled_from([1, 1, 2])) if layer != "mean" else 1
            width = channels * integers(1, 3)
            if layer == "conv":
                groups = draw(st.sampled_from([1, channels]))
                options = {"groups": groups, "bias": draw(st.booleans()), "dilation": dilation}
                made = nn.Conv2d(channels, width, kernel, stride, padding, **options)
            elif layer == "max":
                made = nn.MaxPool2d(kernel, stride, padding, dilation)
            else:
                made = nn.AvgPool2d(kernel, stride, padding)
            try:
                after = made(torch.zeros(1, channels, rows, columns)).shape[1:]
            except RuntimeError:
                continue
            if min(after) < 1:
                continue
            channels, rows, columns = after
            built.append(made)
            built += draw(st.lists(_pointwise(channels), max_size=2))
        built.append(nn.Flatten())
        features = channels * rows * columns
        if draw(st.booleans()):
            built += [nn.Linear(features, 6), draw(_pointwise(6, flat=True))]
            features = 6
        built.append(nn.Linear(features, integers(2, 4)))
        network = nn.Sequential(*built).eval()
        image = torch.rand(shape) * (torch.rand(shape[1:]) < draw(st.sampled_from([0.2, 0.9])))
        if draw(st.booleans()):
            image[:, :, : shape[2] // 2] = 0
        fill = draw(
            st.sampled_from([0.0, 0.5, torch.rand(shape[0]), torch.rand(shape).round(decimals=1)])
        )
    patch = integers(1, min(shape[1], 5)), integers(1, min(shape[2], 5))
    return network, image, patch, (integers(1, 3), integers(1, 3)), fill, draw(st.booleans())


def _pointwise(channels, flat=False):
    def norm():
        layer = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(channels)
        nn.init.uniform_(layer.weight, -1, 1)
        nn.init.uniform_(layer.bias, -1, 1)
        layer.running_mean.uniform_(-1, 1)
        layer.running_var.uniform_(0.5, 2)
        return layer

    makers = [nn.ReLU, nn.Tanh, nn.LeakyReLU, lambda: nn.LeakyReLU(-0.5), nn.Dropout, norm]
    return st.sampled_from(makers).map(lambda make: make())


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_architectures_against_brute_force(case):
    network, image, patch, stride, fill, outside = case
    with warnings.catch_warnings():  # the engine itself, not its fallback
        warnings.simplefilter("error", OcclusionWarning)
        warnings.filterwarnings("ignore", "a map whose cells see nothing but padding")
        o = occlude(network, image, 0, patch, stride, fill, outside, keep=["probabilities"])
    p = brute(network, image, patch, stride, fill, outside)
    check(o, p)
    check(occlude_dense(network, image, 0, patch, stride, fill, outside, keep=["probabilities"]), p)


def test_a_larger_image_of_three_channels():
    torch.manual_seed(6)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(12, 6, 1),
        nn.LeakyReLU(),
        nn.Flatten(),
        nn.Linear(6 * 6 * 7, 5),
    ).eval()
    image, fill = torch.rand(3, 50, 60), torch.rand(3)
    o = occlude(network, image, 2, (16, 11), 4, fill, keep=["probabilities"])
    check(o, brute(network, image, (16, 11), (4, 4), fill))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_architectures_smallest_patch(case):
    network, image, _, stride, fill, outside = case
    sizes = range(1, min(image.shape[1:]) + 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a map whose cells see nothing but padding")
        fast = smallest_flipping_patch(network, image, None, stride, fill, outside)
    slow = smallest_flipping_patch_dense(network, image, sizes, stride, fill, outside)
    _same_patch(fast, slow)


def _same_patch(fast, slow):
    assert (fast is None) == (slow is None)
    if fast is not None:
        same = ("size", "was")
        assert [getattr(fast, k) for k in same] == [getattr(slow, k) for k in same]
        assert abs(fast.p - slow.p) <= MARGIN
        if abs(fast.p - slow.p) <= TOLERANCE:
            assert (fast.label, fast.positions) == (slow.label, slow.positions)


# -- the report's network --------------------------------------------------------------------------


def test_trained_network_against_brute_force(trained):
    network, images, labels = trained
    occluder = Occluder(network)
    for image, label in zip(images[:12], labels, strict=False):
        check(occluder(image, label, keep=["probabilities"]), brute(network, image))


@pytest.mark.parametrize("fill", [0.5, 1.0, "mean"])
def test_other_fills_on_the_trained_network(trained, fill):
    network, images, labels = trained
    fill = images.mean(0) if fill == "mean" else fill
    o = occlude(network, images[0], labels[0], (5, 9), (2, 3), fill, keep=["probabilities"])
    check(o, brute(network, images[0], (5, 9), (2, 3), fill))


def test_a_sweep_over_all_sizes(trained):
    """Equal to the maps one by one, and these to the oracle for a few sizes."""
    network, images, labels = trained
    maps = SizeSweep(network)(images[2], labels[2], keep=["probabilities"])
    assert [o.patch for o in maps] == [(k, k) for k in range(1, 29)]
    for o in maps:
        alone = occlude(network, images[2], labels[2], o.patch, keep=["probabilities"])
        np.testing.assert_allclose(o.probabilities, alone.probabilities, atol=TOLERANCE)
        np.testing.assert_array_equal(o.predicted, alone.predicted)
        assert o.recomputed == alone.recomputed
    for size in (1, 3, 14, 27, 28):
        check(maps[size - 1], brute(network, images[2], (size, size)))


def test_far_fewer_products_than_dense(trained):
    """Dense needs 2,794,816 multiplications at each position."""
    network, images, labels = trained
    occluder = Occluder(network)
    occluder(images[0], labels[0])
    assert occluder.products < 441 * 2_794_816 / 8


def test_clean_and_idle(trained):
    network, images, labels = trained
    o = occlude(network, images[3], labels[3])
    assert np.abs(o.clean - net.predict(network, images[3:4])[0]).max() <= TOLERANCE
    covers = np.lib.stride_tricks.sliding_window_view(images[3, 0] != 0, (8, 8)).any((2, 3))
    np.testing.assert_array_equal(o.idle, ~covers)
    np.testing.assert_array_equal(occlude_dense(network, images[3], 0).idle, ~covers)
    assert 0.01 < o.idle.mean() < 0.99
    assert np.ptp(o.p_true[o.idle]) == 0


def test_smallest_patch_on_the_trained_network(trained):
    network, images, _ = trained
    search = PatchSearch(network)
    for image in images[:2]:
        fast, slow = search(image), smallest_flipping_patch_dense(network, image)
        assert fast is not None
        _same_patch(fast, slow)
        for size in range(1, fast.size):  # and by the oracle: no smaller square does it
            p = brute(network, image, (size, size))
            top = np.sort(p, axis=-1)
            sure = top[..., -1] - top[..., -2] > 2 * TOLERANCE
            assert (p.argmax(-1) == fast.was)[sure].all()


def test_occlude_into_memory_maps(trained, tmp_path):
    network, images, labels = trained
    arrays = [
        np.memmap(tmp_path / name, dtype=kind, mode="w+", shape=(3, 11, 11))
        for name, kind in (("p", "f4"), ("m", "f4"), ("k", "u1"))
    ]
    count = occlude_into(network, images[:3], labels[:3], *arrays, stride=2)
    for n in range(3):
        o = occlude_dense(network, images[n], labels[n], stride=2)
        np.testing.assert_allclose(arrays[0][n], o.p_true, atol=TOLERANCE)
        np.testing.assert_allclose(arrays[1][n], o.p_max, atol=TOLERANCE)
        np.testing.assert_array_equal(arrays[2][n], o.predicted)
    assert count >= 0


# -- maps known on paper ---------------------------------------------------------------------------


def _one_pixel(i, j, size=7, gain=3.0):
    """Logits (gain * image[i, j], 0), through a convolution that does nothing and a ReLU."""
    identity = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    last = nn.Linear(size * size, 2)
    with torch.no_grad():
        identity.weight.zero_()[0, 0, 1, 1] = 1
        last.weight.zero_()[0, i * size + j] = gain
        last.bias.zero_()
    return nn.Sequential(identity, nn.ReLU(), nn.Flatten(), last)


def test_one_pixel_decides():
    """p(0) is 1 / (1 + exp(-gain x)) unless the patch covers the pixel, where it is 1/2."""
    image = np.full((7, 7), 0.5, np.float32)
    o = occlude(_one_pixel(2, 4), image, 0, (3, 2))
    seen = 1 / (1 + np.exp(-1.5))
    r, c = np.mgrid[:5, :6]
    covered = (r <= 2) & (r > 2 - 3) & (c <= 4) & (c > 4 - 2)
    np.testing.assert_allclose(o.p_true, np.where(covered, 0.5, seen), atol=1e-7)
    assert o.recomputed == covered.sum() == 6, "even odds are a close call"


def test_a_pool_keeps_the_larger_pixel():
    """max(x[0, 0], x[0, 1]) falls to the smaller when the larger is covered, to 0 with both."""
    last = nn.Linear(4, 2)
    with torch.no_grad():
        last.weight.zero_()[0, 0] = 1
        last.bias.zero_()
    image = torch.zeros(1, 4, 4)
    image[0, 0, :2] = torch.tensor([2.0, 1.0])
    network = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), last)
    o = occlude(network, image, 0, (1, 1), keep=["logits"])
    expected = np.full((4, 4), 2.0)
    expected[0, 0] = 1
    np.testing.assert_allclose(o.logits[..., 0], expected, atol=1e-7)
    assert occlude(network, image, 0, (1, 2), keep=["logits"]).logits[0, 0, 0] == 0


def test_a_larger_patch_need_not_flip():
    """Covering the left pixel alone flips; covering both together does not."""
    last = nn.Linear(9, 2)
    with torch.no_grad():
        last.weight.zero_()
        last.weight[1, 0], last.weight[1, 1] = -2.0, 2.0
        last.bias.copy_(torch.tensor([0.5, 0.0]))
    network = nn.Sequential(nn.Flatten(), last)  # logits (1/2, 2 (right - left))
    image = np.ones((3, 3), np.float32)
    found = smallest_flipping_patch(network, image)
    assert (found.size, found.row, found.column, found.label, found.positions) == (1, 0, 0, 1, 1)
    assert found.p == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert smallest_flipping_patch(network, image, sizes=[2, 3]) is None
    assert smallest_flipping_patch(network, image, sizes=[3, 1]).size == 1


def test_nothing_flips_a_constant_network():
    last = nn.Linear(16, 3)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    network = nn.Sequential(nn.Flatten(), last)
    assert smallest_flipping_patch(network, torch.rand(1, 4, 4)) is None


def test_close_calls_are_the_references():
    """Two equal classes: every position is a close call, and its logits are the dense ones."""
    torch.manual_seed(0)
    network = net.build(
        {"channels": [3], "kernels": [3], "pool": [2], "hidden": 5}, (1, 10, 10), classes=2
    )
    with torch.no_grad():
        network[-1].weight[1] = network[-1].weight[0] + 1e-7
        network[-1].bias[1] = network[-1].bias[0]
    image = torch.rand(1, 10, 10)
    o = occlude(network, image, 0, 3, keep=["logits"])
    reference = occlude_dense(network, image, 0, 3, keep=["logits"])
    assert o.recomputed == o.p_true.size == 64
    np.testing.assert_allclose(o.logits, reference.logits, atol=1e-7)
    search = PatchSearch(network, (1, 10, 10), sizes=[3])
    search(image)
    assert search.recomputed == 64, "whether it finds a square or not"


# -- captum ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patch", "stride"), [((8, 8), 1), ((4, 6), 2)])
def test_captums_average_from_ours(trained, patch, stride):
    captum = pytest.importorskip("captum.attr")
    network, images, labels = trained
    probabilities = nn.Sequential(network, nn.Softmax(1))
    image, label = torch.as_tensor(images[5:6]), int(labels[5])
    theirs = (
        captum.Occlusion(probabilities)
        .attribute(
            image, (1, *patch), strides=(1, stride, stride), target=label, perturbations_per_eval=64
        )[0]
        .numpy()
    )
    o = occlude(network, image[0], label, patch, stride)
    ours = attribution(o.clean[label] - o.p_true, o, (28, 28))
    assert np.abs(ours - theirs).max() <= 1e-5 < 1e-3 < np.abs(theirs).max()
    shifted = attribution(o.clean[label] - np.roll(o.p_true, 1, axis=0), o, (28, 28))
    assert np.abs(shifted - theirs).max() > 1e-3, "the comparison would not see a shifted map"


# -- planted faults: each of these the comparison with brute force must see ------------------------


def _disagrees(network=None):
    torch.manual_seed(4)
    network = network or nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.LeakyReLU(-0.5),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, (3, 2), padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2, padding=1),
        nn.Flatten(),
        nn.Linear(36, 3),
    )
    image = torch.rand(1, 12, 12) * (torch.rand(12, 12) < 0.5)
    plan.plan.cache_clear()
    try:
        o = occlude(network, image, 0, (3, 4), keep=["probabilities"])
        check(o, brute(network, image, (3, 4)))
    except AssertionError:
        return True
    finally:
        plan.plan.cache_clear()
    return False


def test_without_a_fault_they_agree():
    assert not _disagrees()


def test_fault_a_window_one_pixel_short(monkeypatch):
    def short(pixels, windows, axis, true=plan._reads):
        reads = true(pixels, windows, axis)
        for axis in reads[1:]:
            axis.window[:, 1] = np.maximum(axis.window[:, 1] - 1, axis.window[:, 0] + 1)
        return reads

    monkeypatch.setattr(plan, "_reads", short)
    assert _disagrees()


def test_fault_a_mirrored_kernel(monkeypatch):
    true = layers._sum
    monkeypatch.setattr(layers, "_sum", lambda w, b, window: true(w.flip(3), b, window))
    assert _disagrees()


def test_fault_a_maximum_before_a_falling_function(monkeypatch):
    true = layers._pointwise
    monkeypatch.setattr(layers, "_pointwise", lambda *a, **k: (true(*a, **k)[0], True))
    assert _disagrees()


def test_fault_boxes_that_forget_their_last_row(monkeypatch):
    def alike(differs, layout, true=engine.boxes):
        top, bottom, left, right = true(differs, layout)
        return [top, bottom // 2 * 2, left, right]

    monkeypatch.setattr(engine, "boxes", alike)
    assert _disagrees()


def test_fault_padding_that_is_not_zero(monkeypatch):
    def ones(x, stage, above, true=engine._padded):
        padded = true(x, stage, above)
        if above.padded:
            padded[-1] = 1
        return padded

    monkeypatch.setattr(engine, "_padded", ones)
    assert _disagrees()


@pytest.mark.parametrize("limits", [(0, 0, 0), (10**6, 10**6, 10**9)])
def test_tables_and_gathers_agree(monkeypatch, limits):
    """Both ways to a sum, whatever their supposed cost, and contents matched by sorting."""
    for name, value in zip(("_ROW", "_GATHER", "_CALL"), limits, strict=True):
        monkeypatch.setattr(engine, name, value)
    assert not _disagrees()
    monkeypatch.setattr(engine, "_TABLE", 0)
    assert not _disagrees()


# -- what the engine does not know -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("strange", "told"),
    [
        (nn.GELU(), "GELU"),
        (nn.MaxPool2d(2, ceil_mode=True), "ceil_mode"),
        (nn.Conv2d(1, 1, 3, padding="same"), "pads in a way of its own"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "pads in a way of its own"),
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), "count_include_pad"),
    ],
)
def test_unknown_layers_fall_back_with_a_notice(strange, told):
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(1, 1, 2), strange, nn.Flatten(), nn.LazyLinear(3))
    image = torch.rand(1, 9, 9)
    network(image[None])
    with pytest.warns(OcclusionWarning, match=told):
        o = occlude(network, image, 1, 3, keep=["probabilities"])
    check(o, brute(network, image, (3, 3)))
    assert o.recomputed == 0
    with pytest.warns(OcclusionWarning):
        fast = smallest_flipping_patch(network, image)
    _same_patch(fast, smallest_flipping_patch_dense(network, image))


def test_a_map_of_padding_falls_back():
    conv = nn.Conv2d(1, 1, 1, stride=9, padding=1)  # its one cell reads the corner of the padding
    network = nn.Sequential(conv, nn.Flatten(), nn.Linear(1, 2))
    with pytest.warns(OcclusionWarning, match="nothing but padding"):
        o = occlude(network, torch.rand(1, 6, 6), 0, 2, keep=["probabilities"])
    assert np.ptp(o.probabilities, axis=(0, 1)).max() == 0


def test_another_kind_of_network_falls_back():
    class Own(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean((1, 2, 3)), x.amax((1, 2, 3))], dim=1)

    image = torch.rand(1, 6, 6)
    with pytest.warns(OcclusionWarning, match="Own is not a plain nn.Sequential"):
        o = occlude(Own(), image, 1, 2, keep=["probabilities"])
    check(o, brute(Own(), image, (2, 2)))


def test_nested_sequences_and_hooks():
    torch.manual_seed(2)
    inner = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    network = nn.Sequential(inner, nn.Sequential(nn.Flatten(), nn.Linear(32, 2)))
    image = torch.rand(1, 6, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OcclusionWarning)
        check(occlude(network, image, 0, 2, keep=["probabilities"]), brute(network, image, (2, 2)))
    for module in (inner[1], inner, network):
        hook = module.register_forward_hook(lambda module, given, made: 2 * made)
        with pytest.warns(OcclusionWarning, match="has a forward hook"):
            o = occlude(network, image, 0, 2, keep=["probabilities"])
        check(o, brute(network, image, (2, 2)))
        hook.remove()


# -- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [occlude, occlude_dense])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patch": (8, 29)}, "larger than the image of 28x28"),
        ({"patch": 0}, "patch is 0"),
        ({"patch": (3, 3, 3)}, "patch is"),
        ({"stride": 0}, "stride is 0"),
        ({"stride": 1.5}, "stride is 1.5"),
        ({"image": np.zeros((1, 20, 28), np.float32)}, "does not take an image of shape"),
        ({"image": np.zeros((2, 28, 28), np.float32)}, "does not take an image of shape"),
        ({"image": np.zeros((5, 1, 28, 28), np.float32)}, "give one image"),
        ({"image": np.zeros((28, 28), np.uint8)}, "scale the pixels"),
        ({"image": np.full((28, 28), np.nan, np.float32)}, "NaN"),
        ({"fill": float("nan")}, "fill holds NaN"),
        ({"fill": [0.0, 1.0]}, "fill has shape"),
        ({"fill": np.zeros((1, 27, 28))}, "fill is an image of shape"),
        ({"label": 10}, "classes 0..9"),
        ({"label": 1.5}, "label is 1.5"),
        ({"keep": ["gradients"]}, "it may name"),
    ],
)
def test_bad_arguments_are_told(function, change, told):
    good = {"image": np.zeros((28, 28), np.float32), "label": 0}
    with pytest.raises(net.NetworkError, match=told):
        function(net.build(DEFAULT), **(good | change))


@pytest.mark.parametrize("sizes", [[], [0], [29], [-1, 3]])
def test_bad_sizes_are_told(sizes):
    image = np.zeros((28, 28), np.float32)
    for function in (smallest_flipping_patch, smallest_flipping_patch_dense):
        with pytest.raises(OcclusionError, match="sizes are"):
            function(net.build(DEFAULT), image, sizes=sizes)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm2d(2), nn.RReLU()])
@pytest.mark.filterwarnings("ignore::analysis.maths.occlusion.OcclusionWarning")
def test_training_mode_is_refused_where_it_matters(layer):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), layer, nn.Flatten(), nn.Linear(32, 2))
    image = torch.rand(1, 6, 6)
    for function in (occlude, occlude_dense):
        with pytest.raises(OcclusionError, match=r"layer 1 .* call network.eval\(\)"):
            function(network.train(), image, 0, 2)
    check(
        occlude(network.eval(), image, 0, 2, keep=["probabilities"]), brute(network, image, (2, 2))
    )


def test_statistics_of_the_batch_are_refused_in_either_mode():
    norm = nn.BatchNorm2d(2, track_running_stats=False)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), norm, nn.Flatten(), nn.Linear(32, 2)).eval()
    for function in (occlude, occlude_dense):
        with pytest.raises(OcclusionError, match=r"layer 1 .* keeps no running statistics"):
            function(network, torch.rand(1, 6, 6), 0, 2)


def test_training_mode_without_such_layers_is_the_same():
    network = net.build(DEFAULT).train()
    image = torch.rand(1, 28, 28)
    o = occlude(network, image, 0, stride=10)
    np.testing.assert_array_equal(o.p_true, occlude(network.eval(), image, 0, stride=10).p_true)


def test_empty_and_unfit_sets_are_told():
    network, image = net.build(DEFAULT), np.zeros((2, 1, 28, 28), np.float32)
    good = [np.zeros((2, 21, 21)) for _ in range(3)]
    with pytest.raises(OcclusionError, match="images is empty"):
        occlude_into(network, image[:0], [], *good)
    with pytest.raises(OcclusionError, match="1 labels for 2 images"):
        occlude_into(network, image, [0], *good)
    with pytest.raises(OcclusionError, match=r"p_max has shape \(2, 20, 21\)"):
        occlude_into(network, image, [0, 0], good[0], np.zeros((2, 20, 21)), good[2])
    with pytest.raises(OcclusionError, match="it must be"):
        Occluder(network)(np.zeros((1, 27, 28), np.float32), 0)
    o = occlude(network, image[0], 0)
    with pytest.raises(OcclusionError, match="drop has shape"):
        attribution(np.zeros((3, 3)), o, (28, 28))


# -- memory ----------------------------------------------------------------------------------------

_MEMORY = """
import re, sys
import numpy as np, torch
torch.set_num_threads(1)
from analysis.maths.network import build
from analysis.maths.occlusion import Occluder
torch.manual_seed(0)
network = build({"channels": [32, 64, 64], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 64})
images = np.load(sys.argv[2])
network(torch.from_numpy(images[:16]))  # torch loads what it needs
def peak(key="VmHWM"):  # in MB, since the last forgetting
    with open("/proc/self/status") as status:
        return int(re.search(key + r":\\s*(\\d+)", status.read())[1]) / 1024
occluder = Occluder(network)
with open("/proc/self/clear_refs", "w") as forget:
    forget.write("5")
before, kept = peak("VmRSS"), []
for turn in range(8):
    for image in images:
        o = occluder(image, 0, keep=["logits", "probabilities"])
        if sys.argv[1] == "hoard":
            kept.append(o)
    if turn == 0:
        early = peak()
print(early - before, peak() - early)
"""

# What an array frees goes back to the system at once, instead of staying in a heap whose size
# depends on the order of things: the process holds what the program holds.
_HONEST_HEAP = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "16384",
    "MALLOC_TRIM_THRESHOLD_": "16384",
    "OMP_NUM_THREADS": "1",
}


def _memory(kind, images):
    """Peaks in MB: of the first 50 images over what was there before, and of 350 more over that."""
    ran = subprocess.run(
        [sys.executable, "-c", _MEMORY, kind, str(images)],
        capture_output=True,
        text=True,
        env=os.environ | _HONEST_HEAP,
    )
    assert ran.returncode == 0, ran.stderr
    return [float(word) for word in ran.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_work_memory_is_one_images(tmp_path):
    """At most 32 MB, and none of it grows with the number of images; a hoarder is seen."""
    np.save(tmp_path / "images.npy", strokes(50)[0])
    work, growth = _memory("plain", tmp_path / "images.npy")
    assert work <= 32 and growth <= 3
    assert _memory("hoard", tmp_path / "images.npy")[1] > 10
