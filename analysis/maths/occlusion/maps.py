"""The public entry points: occlusion maps by the incremental engine, close calls by the reference."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from .dense import (
    MARGIN,
    FlippingPatch,
    Occlusion,
    as_image,
    covered,
    covers_none,
    dense_logits,
    flipping,
    starts_of,
)
from .engine import Engine, Scratch
from .layers import read

SHAPE = (1, 28, 28)
_TOGETHER = 7  # sizes that a search evaluates together


class _Maps:
    """Maps of patches of several sizes, of one image after another."""

    def __init__(
        self,
        network: nn.Sequential,
        shape: Sequence[int],
        patches: Iterable[int],
        stride: int = 1,
        fill: float = 0.0,
        outside: bool = False,
        scratch: Scratch | None = None,
    ) -> None:
        self.network, self.fill = network, fill
        self.grids = [(side, starts_of(shape[1], side, stride, outside)) for side in patches]
        grids = [(side, tuple(starts.tolist())) for side, starts in self.grids]
        self.engine = Engine(read(network, tuple(shape)), tuple(shape), grids, scratch)

    @property
    def products(self) -> int:
        """Multiplications in the sums of the last image."""
        return self.engine.products

    def maps(self, image: Any, label: int) -> Iterator[Occlusion]:
        """One map after another, each when it is asked for, of one image.

        Positions of equal content have equal logits, so one close call is evaluated for all.
        """
        image = as_image(image)
        differs = (image != self.fill).any(0).numpy()
        logits, contents = self.engine(image, self.fill)
        p = logits.softmax(1)  # (contents, classes)
        top = np.sort(p.numpy(), axis=1)[:, -2:]  # (contents, 2)
        close = top[:, -1] - top[:, 0] < MARGIN
        untouched = int(contents[-1][0])
        clean = p[untouched].clone()
        if close[untouched]:
            clean = dense_logits(self.network, [image[None]])[0].softmax(0)
        for (patch, starts), content in zip(self.grids, contents, strict=False):
            unsure = close[content]
            if unsure.any():
                places = np.flatnonzero(unsure)
                again, first = np.unique(content[places], return_index=True)
                where = starts[np.stack(np.divmod(places[first], len(starts)), axis=1)].tolist()
                images = covered(image, self.fill, patch, where, batch=16)
                p[torch.from_numpy(again)] = dense_logits(self.network, images).softmax(1)
            size = len(starts), len(starts)
            yield Occlusion(
                label=int(label),
                pixels=image.shape[1],
                patch=patch,
                starts=starts,
                probabilities=p.numpy().take(content, axis=0).reshape(*size, -1),
                clean=clean.numpy(),
                idle=covers_none(differs, patch, starts),
                recomputed=int(unsure.sum()),
            )


class Occluder(_Maps):
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
        patch: int = 8,
        stride: int = 1,
        fill: float = 0.0,
        outside: bool = False,
    ) -> None:
        super().__init__(network, shape, [patch], stride, fill, outside)

    def __call__(self, image: Any, label: int) -> Occlusion:
        """The map of one image, (channels, rows, columns)."""
        return next(self.maps(image, label))


class SizeSweep(_Maps):
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
        """`sizes` are 1 ... the whole by default."""
        super().__init__(network, shape, sizes or range(1, shape[1] + 1), fill=fill)

    def __call__(self, image: Any, label: int) -> list[Occlusion]:
        """One map for each of `sizes`."""
        return list(self.maps(image, label))


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
        """`sizes` are 1 ... the whole by default."""
        sizes = list(sizes or range(1, shape[1] + 1))
        scratch = Scratch()
        self._make = lambda part: _Maps(network, shape, part, fill=fill, scratch=scratch)
        self._parts = [sizes[n : n + _TOGETHER] for n in range(0, len(sizes), _TOGETHER)]
        self._made: list[_Maps] = []
        self.recomputed = 0
        """Positions of the last image, over all sizes tried, evaluated again by the reference."""

    def __call__(self, image: Any) -> FlippingPatch | None:
        """The smallest square that changes the class of (channels, rows, columns), or None."""
        self.recomputed = 0
        for n, part in enumerate(self._parts):
            if n == len(self._made):
                self._made.append(self._make(part))
            for map_ in self._made[n].maps(image, label=0):
                self.recomputed += map_.recomputed
                if found := flipping(map_):
                    return found
        return None
