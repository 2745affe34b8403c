"""Feature maps against hooks, scipy, numpy and brute force."""

import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from torch import nn

from analysis.maths import feature_maps as fm
from analysis.maths import network as cnn
from analysis.maths.hot_spot import centres


def network():
    net = cnn.build({"channels": [4, 5, 6], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 8})
    cnn.initialise(net, torch.Generator().manual_seed(0))
    return net.eval()


def images(count=3, seed=0):
    return torch.rand((count, 1, 28, 28), generator=torch.Generator().manual_seed(seed))


def test_maps_are_what_hooks_on_the_rectifiers_see():
    net, x, seen = network(), images(), []
    relus = [layer for before, layer in itertools.pairwise(net) if isinstance(before, nn.Conv2d)]
    hooks = [r.register_forward_hook(lambda m, i, o: seen.append(o)) for r in relus]
    net(x)
    for hook in hooks:
        hook.remove()
    maps = fm.feature_maps(net, x)
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 26, 26), (5, 11, 11), (6, 3, 3)]
    assert all(torch.equal(m, s) for m, s in zip(maps, seen, strict=True))
    assert all(bool((m >= 0).all()) for m in maps)


def test_a_single_pixel_answers_symmetrically_about_the_cells_centre():
    """A cell's centre is the middle of the pixels that move it, found by trying every pixel."""
    net = network()
    fields = [f for f in cnn.receptive_field(net)[0] if "Conv2d" in f.layer]
    base = images(1).double()
    net = net.double()
    for field in fields:
        cell = field.cells // 2
        x = base.clone().requires_grad_()
        # Every pooled path counts, whichever the maximum takes: average instead of maximum.
        y = x
        last = int(field.layer.split(":")[0])
        for layer in list(net)[: last + 1]:
            if isinstance(layer, nn.MaxPool2d):
                y = nn.functional.avg_pool2d(y, layer.kernel_size)
            elif isinstance(layer, nn.Conv2d):
                y = layer(y)
        y[0, :, cell, cell].sum().backward()
        moved = np.argwhere(x.grad[0, 0].numpy() != 0)
        middle = moved.min(axis=0) / 2 + moved.max(axis=0) / 2
        assert (
            middle.tolist()
            == [centres(field.stride * np.arange(field.cells), field.size)[cell]] * 2
        )


def test_enlarging_is_bilinear_interpolation_held_at_the_ends():
    middles = centres(4 * np.arange(3), 18)
    assert middles.tolist() == [8.5, 12.5, 16.5]
    m = torch.rand((2, 5, 3, 3), dtype=torch.float64)
    e = fm.enlargement(middles, 28)
    np.testing.assert_allclose(e.sum(axis=1), 1, atol=1e-15)
    large = fm.enlarge(m, e)
    at = np.clip(np.arange(28), middles[0], middles[-1])
    points = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1)
    for n, c in np.ndindex(2, 5):
        oracle = RegularGridInterpolator((middles, middles), m[n, c].numpy())(points)
        np.testing.assert_allclose(large[n, c].numpy(), oracle, atol=1e-14)
    # The planted fault: centres half a pixel off give another picture.
    off = fm.enlargement(middles + 0.5, 28)
    assert not np.allclose(fm.enlarge(m, off).numpy(), large.numpy(), atol=1e-3)


def test_correlation_is_pearsons_and_zero_for_a_flat_map():
    m, x = torch.rand(3, 4, 28, 28), images()
    m[1, 2] = 0.3
    r = fm.correlation(m, x)
    for n, c in np.ndindex(3, 4):
        if (n, c) == (1, 2):
            assert r[n, c] == 0
        else:
            oracle = np.corrcoef(m[n, c].ravel().double(), x[n, 0].ravel().double())[0, 1]
            assert r[n, c].item() == pytest.approx(oracle, abs=1e-12)
    own = fm.correlation(torch.cat([x, 1 - x, 5 * x + 2], dim=1), x)
    np.testing.assert_allclose(own.numpy(), [[1, -1, 1]] * 3, atol=1e-6)


def test_no_map_beats_the_largest_correlation_and_the_projection_reaches_it():
    image = images(1)[0, 0].double().numpy()
    e = fm.enlargement(centres(4 * np.arange(3), 18), 28)
    largest = fm.largest_correlation(image, e)
    design = np.kron(e, e)  # (784, 9)
    best, *_ = np.linalg.lstsq(design, image.ravel(), rcond=None)
    assert np.corrcoef(design @ best, image.ravel())[0, 1] == pytest.approx(largest, abs=1e-12)
    maps = np.random.default_rng(0).normal(size=(200, 9))
    assert max(abs(np.corrcoef(design @ m, image.ravel())[0, 1]) for m in maps) < largest
    whole = fm.enlargement(np.arange(28.0), 28)
    assert fm.largest_correlation(image, whole) == pytest.approx(1)


def test_nearest_mean_against_brute_force_in_batches():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 2, 3, 3)).astype(np.float32), np.arange(60) % 10
    x += y[:, None, None, None] * 0.3
    new = torch.from_numpy(generator.normal(size=(40, 2, 3, 3)).astype(np.float32) + 1)
    fitted = fm.NearestMean()
    for i in range(0, 60, 7):
        fitted.add(torch.from_numpy(x[i : i + 7]), torch.from_numpy(y[i : i + 7]))
    means = np.stack([x[y == k].reshape(-1, 18).mean(axis=0) for k in range(10)])
    distances = np.linalg.norm(new.numpy().reshape(40, 1, 18) - means, axis=2)
    np.testing.assert_array_equal(fitted.predict(new).numpy(), distances.argmin(axis=1))
    # The planted fault: without |mu|^2 the labels are others.
    wrong = (new.numpy().reshape(40, 18) @ means.T).argmax(axis=1)
    assert (wrong != distances.argmin(axis=1)).any()
