"""The public entry points: occlusion maps by the incremental engine, close calls by the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from .dense import (
    MARGIN,
    Answers,
    FlippingPatch,
    Grid,
    Occlusion,
    Pair,
    as_image,
    covered,
    dense_logits,
    flipping,
    grid,
    result,
)
from .engine import Engine, Scratch
from .layers import read

SHAPE = (1, 28, 28)
_TOGETHER = 7  # sizes that a search evaluates together


class _Evaluator:
    """Logits for patches of several sizes on one image after another."""

    def __init__(
        self,
        network: nn.Sequential,
        shape: Sequence[int],
        patches: Iterable[Pair],
        stride: Pair,
        fill: float,
        outside: bool,
        scratch: Scratch | None = None,
    ) -> None:
        self.network, self.fill = network, fill
        self.grids = [grid(tuple(shape[1:]), patch, stride, outside) for patch in patches]
        grids = [(patch, tuple(r.tolist()), tuple(c.tolist())) for patch, r, c in self.grids]
        self.engine = Engine(read(network, tuple(shape)), tuple(shape), grids, scratch)

    def __call__(self, image: Any) -> _Seen:
        return _Seen(self, as_image(image))


class _Seen:
    """What the network says about one image, grid by grid."""

    def __init__(self, evaluator: _Evaluator, image: torch.Tensor) -> None:
        self.evaluator, self.image = evaluator, image
        self.logits, self.contents = evaluator.engine(image, evaluator.fill)
        self.p = self.logits.softmax(1)  # (contents, classes)
        top = np.sort(self.p.numpy(), axis=1)[:, -2:]  # (contents, 2)
        self.close = top[:, -1] - top[:, 0] < MARGIN
        self.untouched = int(self.contents[-1][0])
        self.clean = self.logits[self.untouched]  # (classes,)
        if self.close[self.untouched]:
            self.clean = dense_logits(evaluator.network, [image[None]])[0]

    def answers(self, n: int) -> tuple[Grid, Answers, int]:
        """Grid n, the answers on it, and at how many of its positions they are the reference's.

        Positions of equal content have equal logits, so one close call is evaluated for all.
        """
        at, content = self.evaluator.grids[n], self.contents[n]
        unsure = self.close[content]
        if unsure.any():
            places = np.flatnonzero(unsure)
            again, first = np.unique(content[places], return_index=True)
            patch, rows, columns = at
            where = [divmod(int(place), len(columns)) for place in places[first]]
            where = [(int(rows[r]), int(columns[c])) for r, c in where]
            images = covered(self.image, self.evaluator.fill, patch, where, batch=16)
            chosen = torch.from_numpy(again)
            self.logits[chosen] = dense_logits(self.evaluator.network, images)
            self.p[chosen] = self.logits[chosen].softmax(1)
        return at, Answers(self.logits, self.p, content), int(unsure.sum())

    def map(self, n: int, label: int) -> Occlusion:
        """The occlusion map on grid n."""
        at, answers, recomputed = self.answers(n)
        return result(
            label, at, answers, self.clean, self.contents[n] == self.untouched, recomputed
        )


class Occluder:
    """Occlusion maps of many images with one patch, exact, every distinct part computed once.

    The network is a chain of Conv2d, ReLU, MaxPool2d, Flatten and Linear. Positions whose two
    highest probabilities are within MARGIN are evaluated by the reference, so that rounding decides
    no label, and counted. Arguments as in `occlude_dense`.

    Reads the network's weights once: make a new one when they have changed.
    """

    def __init__(
        self,
        network: nn.Sequential,
        shape: Sequence[int] = SHAPE,
        patch: Pair = (8, 8),
        stride: Pair = 1,
        fill: float = 0.0,
        outside: bool = False,
    ) -> None:
        self._evaluator = _Evaluator(network, shape, [patch], stride, fill, outside)
        self.patch, self.rows, self.columns = self._evaluator.grids[0]

    @property
    def products(self) -> int:
        """Multiplications in the sums of the last image."""
        return self._evaluator.engine.products

    def __call__(self, image: Any, label: int) -> Occlusion:
        """The map of one image, (channels, rows, columns)."""
        return self._evaluator(image).map(0, label)


class SizeSweep:
    """Occlusion maps with squares of several sizes at once, of many images.

    The sizes share whatever is equal among them, which is nearly everything: a small square at the
    edge of a window and a large one reaching into it are the same there.
    """

    def __init__(
        self,
        network: nn.Sequential,
        shape: Sequence[int] = SHAPE,
        sizes: Iterable[int] | None = None,
        fill: float = 0.0,
    ) -> None:
        """`sizes` are 1 ... the shorter side by default."""
        self.sizes = list(sizes or range(1, min(shape[1:]) + 1))
        self._evaluator = _Evaluator(network, shape, self.sizes, 1, fill, False)

    @property
    def products(self) -> int:
        """Multiplications in the sums of the last image."""
        return self._evaluator.engine.products

    def __call__(self, image: Any, label: int) -> list[Occlusion]:
        """One map for each of `sizes`."""
        seen = self._evaluator(image)
        return [seen.map(n, label) for n in range(len(self.sizes))]


class PatchSearch:
    """The smallest square that changes the predicted class, of many images.

    Exact: sizes ascend, every position of each is evaluated, and the first size with a change ends
    the search; a larger patch need not change the class, so nothing is bisected. Sizes are
    evaluated a few at a time, which lets them share what they have in common.
    """

    def __init__(
        self,
        network: nn.Sequential,
        shape: Sequence[int] = SHAPE,
        sizes: Iterable[int] | None = None,
        fill: float = 0.0,
    ) -> None:
        """`sizes` are 1 ... the shorter side by default."""
        sizes = list(sizes or range(1, min(shape[1:]) + 1))
        scratch = Scratch()
        self._make = lambda part: _Evaluator(network, shape, part, 1, fill, False, scratch)
        self._parts = [sizes[n : n + _TOGETHER] for n in range(0, len(sizes), _TOGETHER)]
        self._evaluators: list[_Evaluator] = []
        self.recomputed = 0
        """Positions of the last image, over all sizes tried, evaluated again by the reference."""

    def __call__(self, image: Any) -> FlippingPatch | None:
        """The smallest square that changes the class of (channels, rows, columns), or None."""
        self.recomputed = 0
        for n, part in enumerate(self._parts):
            if n == len(self._evaluators):
                self._evaluators.append(self._make(part))
            seen = self._evaluators[n](image)
            for k in range(len(part)):
                at, answers, recomputed = seen.answers(k)
                self.recomputed += recomputed
                if found := flipping(seen.clean, at, answers):
                    return found
        return None
