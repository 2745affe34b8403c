"""The results, and the reference: a forward pass per position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..network import NetworkError

MARGIN = 1e-4
"""Positions whose two highest probabilities are closer than this are evaluated by the reference."""

Pair = int | tuple[int, int]
Grid = tuple[tuple[int, int], np.ndarray, np.ndarray]
"""A patch (h, w), and the top rows (R,) and left columns (C,) of its positions."""


class OcclusionError(NetworkError):
    """An occlusion that cannot be computed; the message says what is wrong and what would do."""


@dataclass(frozen=True)
class Occlusion:
    """The network's answers with the patch at each of R x C positions.

    The patch at (r, c) covers the rows rows[r] ... rows[r] + h - 1 and the columns likewise, as
    far as they lie inside the image.
    """

    label: int  # the true class
    patch: tuple[int, int]
    rows: np.ndarray  # (R,) int: the patch's top row, negative when it sticks out
    columns: np.ndarray  # (C,) int: the patch's left column
    probabilities: np.ndarray  # (R, C, classes) float32
    clean: np.ndarray  # (classes,) float32: the probabilities of the untouched image
    idle: np.ndarray  # (R, C) bool: the patch changes no pixel here (black on black)
    recomputed: int = 0  # positions evaluated by the reference, their margin being under MARGIN

    @property
    def p_true(self) -> np.ndarray:
        """(R, C): the probability of the true class."""
        return self.probabilities[..., self.label]

    @property
    def p_max(self) -> np.ndarray:
        """(R, C): the highest probability."""
        return self.probabilities.max(axis=-1)

    @property
    def predicted(self) -> np.ndarray:
        """(R, C): the class that has it."""
        return self.probabilities.argmax(axis=-1)


@dataclass(frozen=True)
class FlippingPatch:
    """The smallest square that changes the predicted class, at its most convincing position."""

    size: int
    row: int
    column: int
    was: int  # the class predicted for the untouched image
    label: int  # the class predicted with the patch
    p: float  # the probability of that class with the patch
    positions: int  # at which a patch of this size changes the class


@dataclass(frozen=True)
class Answers:
    """What the network says of some contents, and which of them each position, (R * C,), has."""

    logits: torch.Tensor  # (contents, classes)
    p: torch.Tensor  # (contents, classes), their softmax
    content: np.ndarray

    def probabilities(self) -> np.ndarray:
        """(R * C, classes)"""
        return self.p.numpy().take(self.content, axis=0)


def as_image(image: Any) -> torch.Tensor:
    """One image as float32 (channels, rows, columns); two axes mean one channel."""
    x = torch.as_tensor(image, dtype=torch.float32)
    return x if x.ndim == 3 else x[None]


def grid(shape: tuple[int, int], patch: Pair, stride: Pair, outside: bool) -> Grid:
    """The patch (h, w), and the top rows (R,) and left columns (C,) of its positions.

    Inside: 0, s, 2s ... as long as the whole patch lies in the image.  With `outside` also every
    position that touches the image: 1 - h, 1 - h + s ... up to the last pixel.
    """
    (h, w), strides = _two(patch), _two(stride)
    if h > shape[0] or w > shape[1]:
        raise OcclusionError(
            f"patch is {h}x{w}, larger than the image of {shape[0]}x{shape[1]} pixels"
        )
    first = (1 - h, 1 - w) if outside else (0, 0)
    stop = shape if outside else (shape[0] - h + 1, shape[1] - w + 1)
    return (h, w), *(np.arange(a, b, s) for a, b, s in zip(first, stop, strides, strict=True))


def _two(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def covered(
    image: torch.Tensor,
    fill: float,
    patch: tuple[int, int],
    positions: Iterable[tuple[int, int]],
    batch: int,
) -> Iterator[torch.Tensor]:
    """Batches of images (n, channels, rows, columns), the patch laid at each position in turn."""
    h, w = patch
    positions = list(positions)
    for start in range(0, len(positions), batch):
        part = positions[start : start + batch]
        x = image.repeat(len(part), 1, 1, 1)
        for n, (r, c) in enumerate(part):
            x[n, :, max(r, 0) : max(r + h, 0), max(c, 0) : max(c + w, 0)] = fill
        yield x


@torch.no_grad()
def dense_logits(network: nn.Module, batches: Iterable[torch.Tensor]) -> torch.Tensor:
    """Logits, (N, classes), by a whole forward pass for each of the N images."""
    return torch.cat([network(x) for x in batches])


def covers_none(
    mask: np.ndarray, patch: tuple[int, int], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """(R, C) bool: where the patch covers no pixel of a mask; beyond the edge there are none.

    With S the summed-area table of the mask (Crow 1984), a rectangle holds
    S[b, d] - S[a, d] - S[b, c] + S[a, c] of its pixels.
    """
    table = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=np.int64)
    table[1:, 1:] = mask.cumsum(0).cumsum(1)
    a, b = (np.clip(rows + d, 0, mask.shape[0]) for d in (0, patch[0]))
    c, d = (np.clip(columns + e, 0, mask.shape[1]) for e in (0, patch[1]))
    return table[b][:, d] - table[a][:, d] - table[b][:, c] + table[a][:, c] == 0


def result(
    label: int,
    at: Grid,
    answers: Answers,
    clean: torch.Tensor,  # (classes,) logits
    idle: np.ndarray,  # (R * C,) bool
    recomputed: int = 0,
) -> Occlusion:
    """Gather the answers of all positions."""
    patch, rows, columns = at
    size = len(rows), len(columns)
    return Occlusion(
        label=int(label),
        patch=patch,
        rows=rows,
        columns=columns,
        probabilities=answers.probabilities().reshape(*size, -1),
        clean=clean.softmax(0).numpy(),
        idle=idle.reshape(size),
        recomputed=recomputed,
    )


def occlude_dense(
    network: nn.Module,
    image: Any,
    label: int,
    patch: Pair = (8, 8),
    stride: Pair = 1,
    fill: float = 0.0,
    outside: bool = False,
) -> Occlusion:
    """The occlusion map of one image by brute force, of any network.

    Args:
        network: maps float32 (N, channels, rows, columns) to logits (N, classes).
        image: (channels, rows, columns), or (rows, columns) for one channel.
        label: the true class.
        patch, stride: one integer or (rows, columns), in pixels.
        fill: the value that covers.
        outside: also take the positions at which the patch lies partly outside the image.
    """
    x = as_image(image)
    at = grid(tuple(x.shape[1:]), patch, stride, outside)
    positions = [(int(r), int(c)) for r in at[1] for c in at[2]]
    logits = dense_logits(network, covered(x, fill, at[0], positions, batch=64))
    answers = Answers(logits, logits.softmax(1), np.arange(len(positions)))
    idle = covers_none((x != fill).any(0).numpy(), *at)
    return result(label, at, answers, dense_logits(network, [x[None]])[0], idle)


def flipping(clean: torch.Tensor, at: Grid, answers: Answers) -> FlippingPatch | None:
    """The position whose new class is the most probable (the first of those within MARGIN)."""
    was = int(clean.argmax())
    p = answers.probabilities()
    predicted, p = p.argmax(1), p.max(1)
    flips = predicted != was
    if not flips.any():
        return None
    best = int(np.flatnonzero(flips & (p >= p[flips].max() - MARGIN))[0])
    (size, _), rows, columns = at
    row, column = divmod(best, len(columns))
    return FlippingPatch(
        size=size,
        row=int(rows[row]),
        column=int(columns[column]),
        was=was,
        label=int(predicted[best]),
        p=float(p[best]),
        positions=int(flips.sum()),
    )
