"""Occlusion maps against brute force in double precision, paper and captum."""

import copy

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
    PatchSearch,
    SizeSweep,
    engine,
    layers,
    occlude_dense,
    plan,
)

DEFAULT = {"channels": [32, 64, 64], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 64}
TOLERANCE = 2e-6


# -- the oracle: a loop, in double precision -------------------------------------------------------


def occlude(network, image, label, *where):
    size = np.shape(image)[-1]
    channels = len(image) if np.ndim(image) == 3 else 1
    return Occluder(network, (channels, size, size), *where)(image, label)


def pictures(image, patch=8, stride=1, fill=0.0, outside=False):
    """The image under the patch, pixel by pixel, at each of R x R positions, (R * R, C, n, n)."""
    x = torch.as_tensor(image)
    pixels = x.shape[-1]
    starts = range(1 - patch, pixels, stride) if outside else range(0, pixels - patch + 1, stride)
    images = []
    for top in starts:
        for left in starts:
            covered = x.clone()
            for i in range(max(top, 0), min(top + patch, pixels)):
                for j in range(max(left, 0), min(left + patch, pixels)):
                    covered[:, i, j] = fill
            images.append(covered)
    return torch.stack(images)


def brute(network, image, *where, **options):
    """Probabilities (R, R, classes), position by position."""
    double, images = copy.deepcopy(network).double().eval(), pictures(image, *where, **options)
    with torch.no_grad():
        p = torch.cat([double(b.double()) for b in images.split(256)]).softmax(1)
    side = int(len(p) ** 0.5)
    return p.reshape(side, side, -1).numpy()


def check(o, p):
    """An Occlusion agrees with the oracle's probabilities (R, R, classes)."""
    assert o.probabilities.shape == p.shape
    assert np.abs(o.probabilities - p).max() <= TOLERANCE
    np.testing.assert_allclose(o.p_true, p[..., o.label], atol=TOLERANCE)
    np.testing.assert_allclose(o.p_max, p.max(-1), atol=TOLERANCE)
    np.testing.assert_array_equal(o.predicted[sure(p)], p.argmax(-1)[sure(p)])


def sure(p):
    """Where rounding does not decide the label."""
    top = np.sort(p, axis=-1)
    return top[..., -1] - top[..., -2] > 2 * TOLERANCE


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
    channels, cells = shape = integers(1, 3), integers(5, 11)
    built = []
    with torch.random.fork_rng():
        torch.manual_seed(integers(0, 2**31))
        for _ in range(integers(0, 3)):
            kernel, stride = integers(1, 4), integers(1, 2)
            pool, width = integers(1, 3), channels * integers(1, 3)
            after = (cells - kernel) // stride + 1
            if after < pool:
                continue
            built += [nn.Conv2d(channels, width, kernel, stride), nn.ReLU()]
            built += [nn.MaxPool2d(pool)] * (pool > 1)
            channels, cells = width, after // pool
        built.append(nn.Flatten())
        features = channels * cells**2
        if draw(st.booleans()):
            built += [nn.Linear(features, 6), nn.ReLU()]
            features = 6
        built.append(nn.Linear(features, integers(2, 4)))
        network = nn.Sequential(*built).eval()
        ink = torch.rand(shape[1], shape[1]) < draw(st.sampled_from([0.2, 0.9]))
        image = torch.rand(*shape, shape[1]) * ink
        if draw(st.booleans()):
            image[:, :, : shape[1] // 2] = 0
    fill = draw(st.sampled_from([0.0, 0.5]))
    return network, image, integers(1, 5), integers(1, 3), fill, draw(st.booleans())


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_architectures_against_brute_force(case):
    network, image, *where = case
    p = brute(network, image, *where)
    check(occlude(network, image, 0, *where), p)
    check(occlude_dense(network, image, 0, *where), p)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_what_the_patch_changes_and_where_it_never_lies_are_told_by_the_pixels(case):
    network, image, patch, stride, fill, outside = case
    same = pictures(image, patch, stride, fill, outside) == image  # (R * R, C, n, n)
    ever = pictures(torch.zeros_like(image), patch, stride, 1.0, outside).amax((0, 1)) > 0  # (n, n)
    for make in (occlude, occlude_dense):
        o = make(network, image, 0, patch, stride, fill, outside)
        np.testing.assert_array_equal(o.idle.ravel(), same.flatten(1).all(1))
        assert o.uncovered.tolist() == np.flatnonzero(~ever.any(1).numpy()).tolist()
        assert o.uncovered.tolist() == np.flatnonzero(~ever.any(0).numpy()).tolist()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_random_architectures_smallest_patch(case):
    network, image, _, _, fill, _ = case
    check_search(PatchSearch(network, image.shape, fill=fill), network, image, fill)


def check_search(search, network, image, fill=0.0):
    """The search finds the oracle's square, as far as rounding does not decide."""
    found, was = search(image), int(network(torch.as_tensor(image)[None]).argmax())
    for size in range(1, found.size + 1 if found else image.shape[1] + 1):
        p = brute(network, image, size, fill=fill)
        flips = sure(p) & (p.argmax(-1) != was)
        if not found or size < found.size:
            assert not flips.any()
    if found:
        assert was != found.label
        assert p[found.row, found.column, found.label] == pytest.approx(found.p, abs=TOLERANCE)
        if sure(p).all():
            assert found.positions == flips.sum()
            assert found.p >= p[flips].max() - MARGIN - TOLERANCE


# -- the report's network --------------------------------------------------------------------------


def test_trained_network_against_brute_force(trained):
    network, images, labels = trained
    occluder = Occluder(network)
    for image, label in zip(images[:12], labels, strict=False):
        check(occluder(image, label), brute(network, image))
    check(occlude(network, images[0], labels[0], 5, 3, 1.0), brute(network, images[0], 5, 3, 1.0))


def test_a_sweep_over_all_sizes(trained):
    """Equal to the maps one by one, and these to the oracle for a few sizes."""
    network, images, labels = trained
    maps = SizeSweep(network)(images[2], labels[2])
    assert [o.patch for o in maps] == list(range(1, 29))
    for o in maps:
        alone = occlude(network, images[2], labels[2], o.patch)
        np.testing.assert_allclose(o.probabilities, alone.probabilities, atol=TOLERANCE)
        np.testing.assert_array_equal(o.predicted, alone.predicted)
        assert o.recomputed == alone.recomputed
    for size in (1, 3, 14, 27, 28):
        check(maps[size - 1], brute(network, images[2], size))


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


def test_a_patch_on_pixels_that_nobody_reads_is_not_idle():
    """The last row and column fall out of the pool: the answer stays, and yet pixels change."""
    network = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(3), nn.Flatten())
    network.append(nn.Linear(2, 3))
    o = occlude(network, np.ones((1, 5, 5), np.float32), 0, 1)
    unread = o.p_true == o.clean[0]
    assert unread[4].all() and unread[:, 4].all()
    assert not o.idle.any()


def test_smallest_patch_on_the_trained_network(trained):
    network, images, _ = trained
    search = PatchSearch(network)
    for image in images[:2]:
        assert search(image) is not None
        check_search(search, network, image)


# -- maps known on paper ---------------------------------------------------------------------------


def _one_pixel(i, j, size=7, gain=3.0):
    """Logits (gain * image[i, j], 0), through a convolution that does nothing and a ReLU."""
    identity = nn.Conv2d(1, 1, 1)
    last = nn.Linear(size * size, 2)
    with torch.no_grad():
        identity.weight.fill_(1)
        identity.bias.zero_()
        last.weight.zero_()[0, i * size + j] = gain
        last.bias.zero_()
    return nn.Sequential(identity, nn.ReLU(), nn.Flatten(), last)


def test_one_pixel_decides():
    """p(0) is 1 / (1 + exp(-gain x)) unless the patch covers the pixel, where it is 1/2."""
    image = np.full((7, 7), 0.5, np.float32)
    o = occlude(_one_pixel(1, 4), image, 0, 3)
    seen = 1 / (1 + np.exp(-1.5))
    r, c = np.mgrid[:5, :5]
    covered = (r <= 1) & (r > 1 - 3) & (c <= 4) & (c > 4 - 3)
    np.testing.assert_allclose(o.p_true, np.where(covered, 0.5, seen), atol=1e-7)
    assert o.recomputed == covered.sum() == 6, "even odds are a close call"


def test_a_larger_patch_need_not_flip():
    """Covering the left pixel alone flips; covering both together does not."""
    last = nn.Linear(9, 2)
    with torch.no_grad():
        last.weight.zero_()
        last.weight[1, 0], last.weight[1, 1] = -2.0, 2.0
        last.bias.copy_(torch.tensor([0.5, 0.0]))
    network = nn.Sequential(nn.Flatten(), last)  # logits (1/2, 2 (right - left))
    image = np.ones((3, 3), np.float32)
    found = PatchSearch(network, (1, 3, 3))(image)
    assert (found.size, found.row, found.column, found.label, found.positions) == (1, 0, 0, 1, 1)
    assert found.p == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert PatchSearch(network, (1, 3, 3), sizes=[2, 3])(image) is None


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
    o, reference = occlude(network, image, 0, 3), occlude_dense(network, image, 0, 3)
    assert o.recomputed == o.p_true.size == 64
    np.testing.assert_allclose(o.probabilities, reference.probabilities, atol=1e-8)
    search = PatchSearch(network, (1, 10, 10), sizes=[3])
    search(image)
    assert search.recomputed == 64, "whether it finds a square or not"


# -- captum ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("patch", "stride"), [(8, 1), (4, 2)])
def test_captums_average_from_ours(trained, patch, stride):
    captum = pytest.importorskip("captum.attr")
    network, images, labels = trained
    probabilities = nn.Sequential(network, nn.Softmax(1))
    image, label = torch.as_tensor(images[5:6]), int(labels[5])
    theirs = (
        captum.Occlusion(probabilities)
        .attribute(
            image,
            (1, patch, patch),
            strides=(1, stride, stride),
            target=label,
            perturbations_per_eval=64,
        )[0]
        .numpy()
    )
    o = occlude(network, image[0], label, patch, stride)
    covers = np.zeros((*o.p_true.shape, 28, 28))
    for r, c in np.ndindex(*o.p_true.shape):
        top, left = o.starts[[r, c]]
        covers[r, c, top : top + patch, left : left + patch] = 1

    def average(p_true):
        """A pixel's mean drop over the patches that cover it (Kokhlikyan et al. 2020)."""
        drop = o.clean[label] - p_true
        return np.tensordot(drop, covers, 2) / np.maximum(covers.sum((0, 1)), 1)

    assert np.abs(average(o.p_true) - theirs).max() <= 1e-5 < 1e-3 < np.abs(theirs).max()
    shifted = average(np.roll(o.p_true, 1, axis=0))
    assert np.abs(shifted - theirs).max() > 1e-3, "the comparison would not see a shifted map"


# -- planted faults: each of these the comparison with brute force must see ------------------------


def _disagrees():
    torch.manual_seed(4)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip
    image = torch.rand(1, 12, 12) * (torch.rand(12, 12) < 0.5)
    plan.plan.cache_clear()
    try:
        check(occlude(network, image, 0, 3), brute(network, image, 3))
    except AssertionError:
        return True
    finally:
        plan.plan.cache_clear()
    return False


def test_without_a_fault_they_agree():
    assert not _disagrees()


def test_fault_a_window_one_pixel_short(monkeypatch):
    def short(windows, true=plan._reads):
        reads = true(windows)
        for axis in reads[1:]:
            axis.window[:, 1] = np.maximum(axis.window[:, 1] - 1, axis.window[:, 0] + 1)
        return reads

    monkeypatch.setattr(plan, "_reads", short)
    assert _disagrees()


def test_fault_a_mirrored_kernel(monkeypatch):
    true = layers._sum
    monkeypatch.setattr(layers, "_sum", lambda w, *rest: true(w.flip(3), *rest))
    assert _disagrees()


def test_fault_boxes_that_forget_their_last_row(monkeypatch):
    def alike(differs, layout, true=engine.boxes):
        top, bottom, left, right = true(differs, layout)
        return [top, bottom // 2 * 2, left, right]

    monkeypatch.setattr(engine, "boxes", alike)
    assert _disagrees()


@pytest.mark.parametrize("limits", [(0, 0, 0), (10**6, 10**6, 10**9)])
def test_tables_and_gathers_agree(monkeypatch, limits):
    """Both ways to a sum, whatever their supposed cost, and contents matched by sorting."""
    for name, value in zip(("_ROW", "_GATHER", "_CALL"), limits, strict=True):
        monkeypatch.setattr(engine, name, value)
    assert not _disagrees()
    monkeypatch.setattr(engine, "_TABLE", 0)
    assert not _disagrees()


# -- what cannot be computed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strange", "told"),
    [
        ([nn.GELU()], "layer 1 .GELU"),
        ([nn.MaxPool2d(2, ceil_mode=True)], "layer 1 .MaxPool2d"),
        ([nn.MaxPool2d(3, 1)], "layer 1 .MaxPool2d"),
        ([nn.Conv2d(1, 1, 3, padding=1)], "layer 1 .Conv2d"),
        ([nn.Conv2d(1, 1, 3, dilation=2)], "layer 1 .Conv2d"),
        ([nn.Conv2d(1, 1, (3, 2))], "layer 1 .Conv2d"),
        ([], "more than one cell"),
    ],
)
def test_another_network_is_refused(strange, told):
    network = nn.Sequential(nn.Conv2d(1, 1, 2), *strange)
    with pytest.raises(OcclusionError, match=told):
        Occluder(network, (1, 9, 9), 3)
