"""The results, the checks of the arguments, and the reference: a forward pass per position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ..network import NetworkError, as_images

MARGIN = 1e-4
"""Positions whose two highest probabilities are closer than this are evaluated by the reference."""


class OcclusionError(NetworkError):
    """An occlusion that cannot be computed; the message says what is wrong and what would do."""


@dataclass(frozen=True)
class Occlusion:
    """The network's answers with the patch at each of R x C positions.

    The patch at (r, c) covers the rows rows[r] ... rows[r] + h - 1 and the columns likewise, as
    far as they lie inside the image.
    """

    label: int
    """The true class."""
    patch: tuple[int, int]
    rows: np.ndarray
    """(R,) int: the patch's top row, negative when it sticks out."""
    columns: np.ndarray
    """(C,) int: the patch's left column."""
    p_true: np.ndarray
    """(R, C) float32: the probability of the true class."""
    p_max: np.ndarray
    """(R, C) float32: the highest probability."""
    predicted: np.ndarray
    """(R, C) int: the class that has it."""
    clean: np.ndarray
    """(classes,) float32: the probabilities of the untouched image."""
    idle: np.ndarray
    """(R, C) bool: the patch changes no pixel here (black on black)."""
    recomputed: int = 0
    """Positions evaluated again by the reference, their margin being under MARGIN."""
    probabilities: np.ndarray | None = field(default=None, repr=False)
    """(R, C, classes) float32, on request."""
    logits: np.ndarray | None = field(default=None, repr=False)
    """(R, C, classes) float32, on request."""


@dataclass(frozen=True)
class FlippingPatch:
    """The smallest square that changes the predicted class, at its most convincing position."""

    size: int
    row: int
    column: int
    was: int
    """The class predicted for the untouched image."""
    label: int
    """The class predicted with the patch."""
    p: float
    """The probability of that class with the patch."""
    positions: int
    """Number of positions at which a patch of this size changes the class."""


# -- arguments -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """Checked arguments: a network in a state to be asked, an image and what covers it."""

    network: nn.Module
    image: torch.Tensor  # (channels, rows, columns) float32
    fill: torch.Tensor  # (channels, rows, columns) float32
    clean: torch.Tensor  # (classes,) float32, logits of the untouched image


def request(network: nn.Module, image: Any, fill: Any) -> Request:
    """Check the network, the image and the fill, and evaluate the untouched image."""
    check_network(network)
    x = check_image(image)
    with torch.no_grad():
        try:
            clean = network(x[None])
        except (RuntimeError, IndexError, ValueError) as error:
            raise OcclusionError(
                f"the network does not take an image of shape {tuple(x.shape)}: {error}"
            ) from error
    if clean.ndim != 2:
        raise OcclusionError(
            f"the network returns shape {tuple(clean.shape)}; it must return logits, (N, classes)"
        )
    return Request(network, x, check_fill(fill, x), clean[0])


def check_network(network: nn.Module) -> None:
    """Refuse layers whose answer depends on chance or on the other images of a batch."""
    batch, chance = nn.modules.batchnorm, nn.modules.dropout
    for name, layer in network.named_modules():
        told = f"layer {name} ({type(layer).__name__})"
        if layer.training and isinstance(layer, batch._NormBase | chance._DropoutNd | nn.RReLU):
            raise OcclusionError(
                f"{told} is in training mode, where its answer depends on chance or on the batch; "
                "call network.eval() first"
            )
        if isinstance(layer, batch._BatchNorm) and layer.running_mean is None:
            raise OcclusionError(
                f"{told} keeps no running statistics, so its answer depends on the batch in either "
                "mode; make it with track_running_stats=True"
            )


def check_image(image: Any) -> torch.Tensor:
    """One image as float32 (channels, rows, columns); two axes mean one channel."""
    x = torch.as_tensor(image)
    if x.ndim not in (2, 3):
        raise OcclusionError(
            f"image has shape {tuple(x.shape)}; give one image, (channels, rows, columns)"
        )
    return as_images(x[None] if x.ndim == 3 else x[None, None], "image")[0]


def check_fill(fill: Any, x: torch.Tensor) -> torch.Tensor:
    """What covers, expanded to the image's shape."""
    value = torch.as_tensor(fill, dtype=torch.float32)
    if value.ndim == 1 and len(value) == x.shape[0]:
        value = value[:, None, None]
    if value.ndim not in (0, 3) or (value.ndim == 3 and value.shape[0] != x.shape[0]):
        raise OcclusionError(
            f"fill has shape {tuple(value.shape)}; give a number, one value per channel "
            f"({x.shape[0]}), or an image of shape {tuple(x.shape)}"
        )
    if value.ndim == 3 and value.shape[1:] not in (x.shape[1:], (1, 1)):
        raise OcclusionError(
            f"fill is an image of shape {tuple(value.shape)}; the image's is {tuple(x.shape)}"
        )
    if not bool(torch.isfinite(value).all()):
        raise OcclusionError("fill holds NaN or an infinity")
    return value.expand_as(x)


Grid = tuple[tuple[int, int], np.ndarray, np.ndarray]
"""A patch (h, w), and the top rows (R,) and left columns (C,) of its positions."""


@dataclass(frozen=True)
class Answers:
    """What the network says of some contents, and which of them each position, (R * C,), has."""

    logits: torch.Tensor  # (contents, classes)
    p: torch.Tensor  # (contents, classes), their softmax
    content: np.ndarray


def grid(shape: tuple[int, int], patch: Any, stride: Any, outside: bool) -> Grid:
    """The patch (h, w), and the top rows (R,) and left columns (C,) of its positions.

    Inside: 0, s, 2s ... as long as the whole patch lies in the image.  With ``outside`` also every
    position that touches the image: 1 - h, 1 - h + s ... up to the last pixel.
    """
    h, w = _two("patch", patch)
    strides = _two("stride", stride)
    if h > shape[0] or w > shape[1]:
        raise OcclusionError(
            f"patch is {h}x{w}, larger than the image of {shape[0]}x{shape[1]} pixels"
        )
    first = (1 - h, 1 - w) if outside else (0, 0)
    stop = shape if outside else (shape[0] - h + 1, shape[1] - w + 1)
    return (h, w), *(np.arange(a, b, s) for a, b, s in zip(first, stop, strides, strict=True))


def _two(name: str, value: Any) -> tuple[int, int]:
    pair = (value, value) if np.ndim(value) == 0 else tuple(value)
    if len(pair) != 2 or any(
        isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in pair
    ):
        raise OcclusionError(f"{name} is {value!r}; give one or two integers of at least 1")
    return int(pair[0]), int(pair[1])


def check_label(label: Any, classes: int) -> int:
    if isinstance(label, bool) or not 0 <= int(label) < classes or int(label) != label:
        raise OcclusionError(f"label is {label!r}; the network has the classes 0..{classes - 1}")
    return int(label)


def check_sizes(sizes: Iterable[int] | None, shape: tuple[int, int]) -> list[int]:
    """Ascending sizes of squares; all that fit when not given."""
    chosen = range(1, min(shape) + 1) if sizes is None else sorted(set(sizes))
    if len(chosen) == 0 or chosen[0] < 1 or chosen[-1] > min(shape):
        raise OcclusionError(
            f"sizes are {list(chosen)}; give sizes from 1 to {min(shape)}, the image's shorter side"
        )
    return [int(size) for size in chosen]


# -- the reference ---------------------------------------------------------------------------------


def occluded(
    ask: Request, patch: tuple[int, int], positions: Iterable[tuple[int, int]], batch: int
) -> Iterator[torch.Tensor]:
    """Batches of images (n, channels, rows, columns), the patch laid at each position in turn."""
    h, w = patch
    positions = list(positions)
    for start in range(0, len(positions), batch):
        part = positions[start : start + batch]
        x = ask.image.repeat(len(part), 1, 1, 1)
        for n, (r, c) in enumerate(part):
            covered = np.s_[:, max(r, 0) : max(r + h, 0), max(c, 0) : max(c + w, 0)]
            x[n][covered] = ask.fill[covered]
        yield x


@torch.no_grad()
def dense_logits(
    ask: Request, patch: tuple[int, int], positions: Iterable[tuple[int, int]], batch: int = 64
) -> torch.Tensor:
    """Logits (len(positions), classes) by a whole forward pass per position."""
    return torch.cat([ask.network(x) for x in occluded(ask, patch, positions, batch)])


def dense_answers(ask: Request, at: Grid, batch: int = 64) -> Answers:
    """The answers at every position of a grid, none shared."""
    patch, rows, columns = at
    positions = [(int(r), int(c)) for r in rows for c in columns]
    logits = dense_logits(ask, patch, positions, batch)
    return Answers(logits, logits.softmax(1), np.arange(len(positions)))


def idle_positions(ask: Request, at: Grid) -> np.ndarray:
    """(R * C,) bool: every covered pixel already has the fill's value."""
    return covers_none((ask.image != ask.fill).any(0).numpy(), *at).ravel()


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
    ask: Request,
    label: int,
    at: Grid,
    answers: Answers,
    idle: np.ndarray,  # (R * C,) bool
    keep: Iterable[str],
    recomputed: int = 0,
) -> Occlusion:
    """Gather the answers of all positions."""
    keep = set(keep)
    if keep - {"probabilities", "logits"}:
        raise OcclusionError(f"keep is {sorted(keep)}; it may name 'probabilities' and 'logits'")
    patch, rows, columns = at
    p = answers.p.numpy().take(answers.content, axis=0)  # (R * C, classes)

    def mapped(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(rows), len(columns), *values.shape[1:])

    return Occlusion(
        label=label,
        patch=patch,
        rows=rows,
        columns=columns,
        p_true=mapped(p[:, label].copy()),
        p_max=mapped(p.max(1)),
        predicted=mapped(p.argmax(1)),
        clean=ask.clean.softmax(0).numpy(),
        idle=idle.reshape(len(rows), len(columns)),
        recomputed=recomputed,
        probabilities=mapped(p) if "probabilities" in keep else None,
        logits=(
            mapped(answers.logits.numpy().take(answers.content, axis=0))
            if "logits" in keep
            else None
        ),
    )


def occlude_dense(
    network: nn.Sequential,
    image: Any,
    label: int,
    patch: int | tuple[int, int] = (8, 8),
    stride: int | tuple[int, int] = 1,
    fill: Any = 0.0,
    outside: bool = False,
    *,
    keep: Iterable[str] = (),
    batch: int = 64,
) -> Occlusion:
    """The occlusion map of one image by brute force.

    Parameters
    ----------
    network
        Maps float32 (N, channels, rows, columns) to logits (N, classes).
    image
        (channels, rows, columns), or (rows, columns) for one channel; float, finite.
    label
        The true class.
    patch, stride
        One integer or (rows, columns), in pixels.
    fill
        What covers: a number, one value per channel, or an image (the mean image, say).
    outside
        Also take the positions at which the patch lies partly outside the image.
    keep
        Which of "probabilities" and "logits" to return for all classes.

    Raises
    ------
    OcclusionError
        Bad arguments, NaN pixels, an image of a size that the network does not take, BatchNorm or
        Dropout in training mode.
    """
    ask = request(network, image, fill)
    at = grid(tuple(ask.image.shape[1:]), patch, stride, outside)
    label = check_label(label, len(ask.clean))
    return result(ask, label, at, dense_answers(ask, at, batch), idle_positions(ask, at), keep)


def smallest_flipping_patch_dense(
    network: nn.Sequential,
    image: Any,
    sizes: Iterable[int] | None = None,
    stride: int | tuple[int, int] = 1,
    fill: Any = 0.0,
    outside: bool = False,
    *,
    batch: int = 64,
) -> FlippingPatch | None:
    """The smallest square patch that changes the predicted class, by brute force.

    Sizes ascend, and the first at which any position changes the class ends the search; a larger
    patch need not change it, so nothing is bisected.  None when no size does.

    Parameters and errors as in `occlude_dense`; ``sizes`` are 1 ... the shorter side by default.
    """
    ask = request(network, image, fill)
    shape = tuple(ask.image.shape[1:])
    for size in check_sizes(sizes, shape):
        at = grid(shape, size, stride, outside)
        found = flipping(ask, at, dense_answers(ask, at, batch))
        if found is not None:
            return found
    return None


def flipping(ask: Request, at: Grid, answers: Answers) -> FlippingPatch | None:
    """The position whose new class is the most probable (the first of those within MARGIN)."""
    was = int(ask.clean.argmax())
    p = answers.p.numpy().take(answers.content, axis=0)  # (R * C, classes)
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


# -- captum's average ------------------------------------------------------------------------------


def attribution(
    drop: np.ndarray, o: Occlusion, shape: tuple[int, int], *, channels: int = 1
) -> np.ndarray:
    """The mean drop over the patches that cover a pixel: (channels, rows, columns) float64.

    With R_n the pixels covered at position n and d_n the drop there,

        A[i, j] = sum_{n: (i, j) in R_n} d_n  /  #{n: (i, j) in R_n},

    which is what captum's ``Occlusion.attribute`` returns (Kokhlikyan et al. 2020) when d_n is the
    drop of the target's output.  Pixels that no patch covers are 0.

    Parameters
    ----------
    drop
        (R, C): clean output minus occluded output, e.g. ``o.clean[o.label] - o.p_true``.
    shape
        (rows, columns) of the image.
    """
    if drop.shape != (len(o.rows), len(o.columns)):
        raise OcclusionError(
            f"drop has shape {drop.shape}; the map has {(len(o.rows), len(o.columns))} positions"
        )
    inside = [
        (np.arange(n)[:, None] >= start) & (np.arange(n)[:, None] < start + extent)
        for n, start, extent in zip(shape, (o.rows, o.columns), o.patch, strict=True)
    ]  # (H, R) and (W, C)
    rows, columns = (m.astype(np.float64) for m in inside)
    covering = rows.sum(1)[:, None] * columns.sum(1)  # (H, W)
    mean = rows @ np.asarray(drop, np.float64) @ columns.T / np.maximum(covering, 1)  # (H, W)
    return np.repeat(mean[None], channels, axis=0)
