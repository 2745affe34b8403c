"""The public entry points: the incremental engine where it applies, the reference elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from .dense import (
    MARGIN,
    Answers,
    FlippingPatch,
    Occlusion,
    OcclusionError,
    Request,
    check_image,
    check_label,
    check_sizes,
    dense_answers,
    dense_logits,
    flipping,
    grid,
    idle_positions,
    request,
    result,
)
from .engine import Engine, Scratch
from .layers import Unsupported, read
from .plan import Grid


class OcclusionWarning(UserWarning):
    """The incremental engine does not know a layer, so the reference evaluates every position."""


class _Evaluator:
    """Logits for patches of several sizes on one image after another."""

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int],
        patches: Iterable[Any],
        stride: Any,
        fill: Any,
        outside: bool,
        scratch: Scratch | None = None,
    ) -> None:
        if len(shape) != 3:
            raise OcclusionError(f"shape is {tuple(shape)}; give (channels, rows, columns)")
        self.network, self.shape = network, tuple(int(n) for n in shape)
        blank = request(network, torch.zeros(self.shape), fill)
        self.fill, self.classes = blank.fill, len(blank.clean)
        self.grids = [grid(self.shape[1:], patch, stride, outside) for patch in patches]
        self.engine: Engine | None = None
        try:
            stages = read(network, self.shape)
            grids = [_hashable(*g) for g in self.grids]
            self.engine = Engine(stages, self.shape, grids, scratch)
        except Unsupported as reason:
            warnings.warn(
                f"{reason}: running the whole network at every position instead, which is exact "
                "but many times slower",
                OcclusionWarning,
                stacklevel=4,
            )

    @property
    def products(self) -> int | None:
        return None if self.engine is None else self.engine.products

    def __call__(self, image: Any) -> _Seen:
        x = check_image(image)
        if tuple(x.shape) != self.shape:
            raise OcclusionError(f"image has shape {tuple(x.shape)}; it must be {self.shape}")
        return _Seen(self, x)


class _Seen:
    """What the network says about one image, grid by grid."""

    def __init__(self, evaluator: _Evaluator, image: torch.Tensor) -> None:
        self.grids, self.engine = evaluator.grids, evaluator.engine
        self.recomputed = 0
        if self.engine is None:
            self.ask = request(evaluator.network, image, evaluator.fill)
            return
        self.logits, self.contents = self.engine(image, evaluator.fill)
        self.p = self.logits.softmax(1)  # (contents, classes)
        top = np.sort(self.p.numpy(), axis=1)[:, -2:]  # (contents, 2)
        self.close = (top[:, -1] - top[:, 0] < MARGIN) & (evaluator.classes > 1)
        self.clean = int(self.contents[-1][0])
        self.ask = Request(evaluator.network, image, evaluator.fill, self.logits[self.clean])
        if self.close[self.clean]:
            self.ask = request(evaluator.network, image, evaluator.fill)

    def answers(self, n: int) -> Answers:
        """The answers on grid n, the close calls among them by the reference.

        Positions of equal content have equal logits, so one of them is evaluated for all.
        """
        if self.engine is None:
            return dense_answers(self.ask, self.grids[n])
        content = self.contents[n]
        unsure = self.close[content]
        if unsure.any():
            self.recomputed += int(unsure.sum())
            places = np.flatnonzero(unsure)
            again, first = np.unique(content[places], return_index=True)
            patch, rows, columns = self.grids[n]
            at = [divmod(int(place), len(columns)) for place in places[first]]
            at = [(int(rows[r]), int(columns[c])) for r, c in at]
            chosen = torch.from_numpy(again)
            self.logits[chosen] = dense_logits(self.ask, patch, at, batch=16)
            self.p[chosen] = self.logits[chosen].softmax(1)
        return Answers(self.logits, self.p, content)

    def idle(self, n: int) -> np.ndarray:
        """(R * C,) bool: the positions on grid n where the patch changes no pixel."""
        if self.engine is None:
            return idle_positions(self.ask, self.grids[n])
        return self.contents[n] == self.clean


class Occluder:
    """Occlusion maps of many images of one shape with one patch; arguments as in `occlude`.

    Reads the network's weights once: make a new one when they have changed.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int] = (1, 28, 28),
        patch: int | tuple[int, int] = (8, 8),
        stride: int | tuple[int, int] = 1,
        fill: Any = 0.0,
        outside: bool = False,
    ) -> None:
        self._evaluator = _Evaluator(network, shape, [patch], stride, fill, outside)
        self.patch, self.rows, self.columns = self._evaluator.grids[0]

    @property
    def products(self) -> int | None:
        """Multiplications in the sums of the last image; None where the engine does not apply."""
        return self._evaluator.products

    def __call__(self, image: Any, label: int, keep: Iterable[str] = ()) -> Occlusion:
        """The map of one image, (channels, rows, columns)."""
        label = check_label(label, self._evaluator.classes)
        return _map(self._evaluator(image), 0, label, keep)


class SizeSweep:
    """Occlusion maps with squares of several sizes at once, of many images of one shape.

    The sizes share whatever is equal among them, which is nearly everything: a small square at the
    edge of a window and a large one reaching into it are the same there.  Arguments as in
    `occlude`; sizes are 1 ... the shorter side by default.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int] = (1, 28, 28),
        sizes: Iterable[int] | None = None,
        stride: int | tuple[int, int] = 1,
        fill: Any = 0.0,
        outside: bool = False,
    ) -> None:
        self.sizes = check_sizes(sizes, tuple(shape[1:]))
        self._evaluator = _Evaluator(network, shape, self.sizes, stride, fill, outside)

    def __call__(self, image: Any, label: int, keep: Iterable[str] = ()) -> list[Occlusion]:
        """One map for each of ``sizes``."""
        label = check_label(label, self._evaluator.classes)
        seen = self._evaluator(image)
        return [_map(seen, n, label, keep) for n in range(len(self.sizes))]

    @property
    def products(self) -> int | None:
        """Multiplications in the sums of the last image; None where the engine does not apply."""
        return self._evaluator.products


def _map(seen: _Seen, n: int, label: int, keep: Iterable[str]) -> Occlusion:
    before = seen.recomputed
    answers = seen.answers(n)
    close = seen.recomputed - before
    return result(seen.ask, label, seen.grids[n], answers, seen.idle(n), keep, close)


class PatchSearch:
    """The smallest flipping square of many images; arguments as in `smallest_flipping_patch`.

    Sizes are evaluated a few at a time, which lets them share what they have in common.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: Sequence[int] = (1, 28, 28),
        sizes: Iterable[int] | None = None,
        stride: int | tuple[int, int] = 1,
        fill: Any = 0.0,
        outside: bool = False,
    ) -> None:
        self.sizes = check_sizes(sizes, tuple(shape[1:]))
        scratch = Scratch()
        self._make = lambda part: _Evaluator(network, shape, part, stride, fill, outside, scratch)
        self._parts = [self.sizes[n : n + _TOGETHER] for n in range(0, len(self.sizes), _TOGETHER)]
        self._evaluators = [self._make(self._parts[0])]
        self.recomputed = 0
        """Positions of the last image, over all sizes tried, evaluated again by the reference."""

    def __call__(self, image: Any) -> FlippingPatch | None:
        """The smallest square that changes the class of (channels, rows, columns), or None."""
        self.recomputed = 0
        for n, part in enumerate(self._parts):
            if n == len(self._evaluators):
                self._evaluators.append(self._make(part))
            seen = self._evaluators[n](image)
            for k, at in enumerate(seen.grids):
                before = seen.recomputed
                found = flipping(seen.ask, at, seen.answers(k))
                self.recomputed += seen.recomputed - before
                if found is not None:
                    return found
        return None


_TOGETHER = 7
"""Sizes that a search evaluates together."""


def occlude(
    network: nn.Module,
    image: Any,
    label: int,
    patch: int | tuple[int, int] = (8, 8),
    stride: int | tuple[int, int] = 1,
    fill: Any = 0.0,
    outside: bool = False,
    *,
    keep: Iterable[str] = (),
) -> Occlusion:
    """The occlusion map of one image, exact, with every distinct part computed once.

    Any chain of Conv2d, ReLU, Tanh, LeakyReLU, MaxPool2d, AvgPool2d, Flatten and Linear, and of
    BatchNorm and Dropout in eval mode; another network is evaluated by `occlude_dense`, with an
    `OcclusionWarning`.  Positions whose two highest probabilities are within MARGIN are evaluated
    by the reference, so that rounding decides no label, and counted.

    Parameters, result and errors are those of `occlude_dense`.
    """
    x = check_image(image)
    return Occluder(network, x.shape, patch, stride, fill, outside)(x, label, keep)


def occlude_into(
    network: nn.Module,
    images: Any,
    labels: Any,
    p_true: np.ndarray,
    p_max: np.ndarray,
    predicted: np.ndarray,
    *,
    patch: int | tuple[int, int] = (8, 8),
    stride: int | tuple[int, int] = 1,
    fill: Any = 0.0,
    outside: bool = False,
) -> int:
    """Fill (N, R, C) arrays with the maps of N images, one after another.

    The arrays may be memory-mapped; only one image's work is held at a time.  Returns the number of
    positions that were evaluated by the reference.

    Raises
    ------
    OcclusionError
        As `occlude`, an empty set of images, or arrays of another shape.
    """
    if len(images) == 0:
        raise OcclusionError("images is empty; give at least one image")
    if len(labels) != len(images):
        raise OcclusionError(f"there are {len(labels)} labels for {len(images)} images")
    first = check_image(images[0])
    occluder = Occluder(network, first.shape, patch, stride, fill, outside)
    shape = (len(images), len(occluder.rows), len(occluder.columns))
    for name, array in (("p_true", p_true), ("p_max", p_max), ("predicted", predicted)):
        if array.shape != shape:
            raise OcclusionError(f"{name} has shape {array.shape}; it must be {shape}")
    recomputed = 0
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        o = occluder(image, int(label))
        p_true[n], p_max[n], predicted[n] = o.p_true, o.p_max, o.predicted
        recomputed += o.recomputed
    return recomputed


def smallest_flipping_patch(
    network: nn.Module,
    image: Any,
    sizes: Iterable[int] | None = None,
    stride: int | tuple[int, int] = 1,
    fill: Any = 0.0,
    outside: bool = False,
) -> FlippingPatch | None:
    """The smallest square patch that changes the predicted class; None when no size does.

    Exact: sizes ascend, every position of each is evaluated, and the first size with a change ends
    the search.  Parameters and errors as in `smallest_flipping_patch_dense`.
    """
    x = check_image(image)
    return PatchSearch(network, x.shape, sizes, stride, fill, outside)(x)


def _hashable(patch: tuple[int, int], rows: np.ndarray, columns: np.ndarray) -> Grid:
    return patch, tuple(rows.tolist()), tuple(columns.tolist())
