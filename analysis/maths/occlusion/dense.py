"""The results, and the reference: a forward pass per position."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..network import NetworkError

MARGIN = 1e-4
"""Positions whose two highest probabilities are closer than this are evaluated by the reference."""


class OcclusionError(NetworkError):
    """An occlusion that cannot be computed; the message says what is wrong and what would do."""


@dataclass(frozen=True)
class Occlusion:
    """The network's answers with the square patch at each of R x R positions.

    The patch at (r, c) covers the rows starts[r] ... starts[r] + patch - 1 and the columns from
    starts[c] on likewise, as far as they lie inside the image.
    """

    label: int  # the true class
    pixels: int  # of a row, and of a column, of the image
    patch: int  # its side
    starts: np.ndarray  # (R,) int: the patch's top row, or left column, negative outside the image
    probabilities: np.ndarray  # (R, R, classes) float32
    clean: np.ndarray  # (classes,) float32: the probabilities of the untouched image
    idle: np.ndarray  # (R, R) bool: the patch changes no pixel here (black on black)
    recomputed: int = 0  # positions evaluated by the reference, their margin being under MARGIN

    @property
    def p_true(self) -> np.ndarray:
        """(R, R): the probability of the true class."""
        return self.probabilities[..., self.label]

    @property
    def p_max(self) -> np.ndarray:
        """(R, R): the highest probability."""
        return self.probabilities.max(axis=-1)

    @property
    def predicted(self) -> np.ndarray:
        """(R, R): the class that has it."""
        return self.probabilities.argmax(axis=-1)

    @property
    def uncovered(self) -> np.ndarray:
        """The rows, and the columns, that the patch covers at no position, say for its stride."""
        under = self.starts[:, None] + np.arange(self.patch)
        return np.setdiff1d(np.arange(self.pixels), under)

    @property
    def lowest(self) -> tuple[int, int]:
        """Where on the map the probability of the true class is lowest."""
        return np.unravel_index(self.p_true.argmin(), self.p_true.shape)

    @property
    def changed(self) -> np.ndarray:
        """(R, R): whether it is another than the untouched image's."""
        return self.predicted != self.clean.argmax()

    @property
    def drop(self) -> np.ndarray:
        """(R, R): how much of the true class's probability the patch takes."""
        return self.clean[self.label] - self.p_true


@dataclass(frozen=True)
class FlippingPatch:
    """The smallest square that changes the predicted class, at its most convincing position."""

    size: int
    row: int
    column: int
    label: int  # the class predicted with the patch
    p: float  # the probability of that class with the patch
    positions: int  # at which a patch of this size changes the class


def as_image(image: Any) -> torch.Tensor:
    """One image as float32 (channels, rows, columns); two axes mean one channel."""
    x = torch.as_tensor(image, dtype=torch.float32)
    return x if x.ndim == 3 else x[None]


def starts_of(pixels: int, patch: int, stride: int, outside: bool) -> np.ndarray:
    """The patch's top rows, which are its left columns too, (R,).

    Inside: 0, s, 2s ... as long as the whole patch lies in the image.  With `outside` also every
    position that touches the image: 1 - h, 1 - h + s ... up to the last pixel.
    """
    return (
        np.arange(1 - patch, pixels, stride)
        if outside
        else np.arange(0, pixels - patch + 1, stride)
    )


def covered(
    image: torch.Tensor,
    fill: float,
    patch: int,
    positions: Sequence[tuple[int, int]],
    batch: int,
) -> Iterator[torch.Tensor]:
    """Batches of images (n, channels, rows, columns), the patch laid at each position in turn."""
    for start in range(0, len(positions), batch):
        part = positions[start : start + batch]
        x = image.repeat(len(part), 1, 1, 1)
        for n, (r, c) in enumerate(part):
            x[n, :, max(r, 0) : max(r + patch, 0), max(c, 0) : max(c + patch, 0)] = fill
        yield x


@torch.no_grad()
def dense_logits(network: nn.Module, batches: Iterable[torch.Tensor]) -> torch.Tensor:
    """Logits, (N, classes), by a whole forward pass for each of the N images."""
    return torch.cat([network(x) for x in batches])


def covers_none(mask: np.ndarray, patch: int, starts: np.ndarray) -> np.ndarray:
    """(R, R) bool: where the patch covers no pixel of a square mask; beyond its edge there are none.

    With S the summed-area table of the mask (Crow 1984), a rectangle holds
    S[b, d] - S[a, d] - S[b, c] + S[a, c] of its pixels.
    """
    table = np.pad(mask.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    a, b = (np.clip(starts + d, 0, len(mask)) for d in (0, patch))
    return table[b][:, b] - table[a][:, b] - table[b][:, a] + table[a][:, a] == 0


def occlude_dense(
    network: nn.Module,
    image: Any,
    label: int,
    patch: int = 8,
    stride: int = 1,
    fill: float = 0.0,
    outside: bool = False,
) -> Occlusion:
    """The occlusion map of one image by brute force, of any network.

    Args:
        network: maps float32 (N, channels, n, n) to logits (N, classes).
        image: (channels, n, n), or (n, n) for one channel.
        label: the true class.
        patch, stride: in pixels.
        fill: the value that covers.
        outside: also take the positions at which the patch lies partly outside the image.
    """
    x = as_image(image)
    starts = starts_of(x.shape[1], patch, stride, outside)
    positions = list(itertools.product(starts.tolist(), repeat=2))
    p = dense_logits(network, covered(x, fill, patch, positions, batch=64)).softmax(1)
    return Occlusion(
        label=int(label),
        pixels=x.shape[1],
        patch=patch,
        starts=starts,
        probabilities=p.numpy().reshape(len(starts), len(starts), -1),
        clean=dense_logits(network, [x[None]])[0].softmax(0).numpy(),
        idle=covers_none((x != fill).any(0).numpy(), patch, starts),
    )


def flipping(map_: Occlusion) -> FlippingPatch | None:
    """The position whose new class is the most probable (the first of those within MARGIN)."""
    flips, p = map_.changed, map_.p_max
    if not flips.any():
        return None
    row, column = np.argwhere(flips & (p >= p[flips].max() - MARGIN))[0]
    return FlippingPatch(
        size=map_.patch,
        row=int(map_.starts[row]),
        column=int(map_.starts[column]),
        label=int(map_.predicted[row, column]),
        p=float(p[row, column]),
        positions=int(flips.sum()),
    )
