"""The geometry of an occlusion, once for all images: which cells see which part of the patch.

A cell of a map sees a rectangle of pixels, its *window*.  With the patch at one position it sees
the patch's intersection with that window, and nothing else of the patch.  So a cell has one *slot*
for each distinct intersection (the empty one among them), however many positions there are, and a
slot's value follows from slots of the map below, those of the same intersection cut to their own
windows.  The last map has one cell, whose slots are the positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .layers import Window

_SPLIT = 0.6
"""Taps are computed in groups of cells when fewer than this share of all taps is ever read."""


@dataclass
class Group:
    """Slots start ... stop - 1, whose cells are read by the same taps of the next stage."""

    start: int
    stop: int
    taps: np.ndarray


@dataclass
class Level:
    """The slots of one map, (S,) each, ordered by group and cell."""

    cell: np.ndarray  # its number among the cells that are read
    rectangle: (
        np.ndarray
    )  # (4, S): rows a ... b - 1, columns c ... d - 1 of the patch in the window
    groups: list[Group]  # how the next stage reads this level
    reads: np.ndarray  # (S,): by how many taps of it
    # What each slot reads of the level below; the first level, of pixels, reads nothing.
    children: np.ndarray | None = None  # (S, union): slots that any tap of any sum reads
    tap: np.ndarray | None = None  # (sums, taps): which of these each tap of each sum is
    tapped: np.ndarray | None = None  # (sums, S, taps): the children, tap by tap
    place: np.ndarray | None = None  # (sums, S, taps): which tap of the child's group; None: all


@dataclass
class Boxes:
    """The rectangles of all slots, level after level, and how the box of what matters in each is
    numbered, so that equal contents of a cell meet.

    The box (t, b, l, r) has the number base + weight . (t, b, l, r) < bound; an empty one has the
    number bare, the cell's own.
    """

    at: np.ndarray  # (4, S): where the tables of `engine.boxes` hold its top, bottom, left, right
    stop: np.ndarray  # (S,): past the rectangle's last row; where nothing matters no box reaches it
    base: np.ndarray
    weight: np.ndarray  # (4, S)
    bare: np.ndarray
    bound: int


@dataclass
class Plan:
    levels: list[Level]
    starts: np.ndarray  # (levels + 1,): where each level's slots begin among those of all levels
    boxes: Boxes
    pixel: np.ndarray  # (S_0,): the pixel, row * columns + column, of each slot of the input
    spans: np.ndarray  # (2, n): the intervals that occur as a rectangle's rows, and as its columns
    positions: list[np.ndarray]  # for each grid: the last level's slot of every position, (R * R,)
    clean: int  # the last level's slot of the untouched image


Grid = tuple[int, tuple[int, ...]]
"""A patch's side and its top rows, which are its left columns too."""


@lru_cache(maxsize=16)
def plan(pixels: int, windows: tuple[Window, ...], grids: tuple[Grid, ...]) -> Plan:
    """Lay out the slots of every map for all positions of all grids.

    Args:
        pixels: of a row, and of a column, of the image.
        windows: one for each stage; the last leaves one cell.
    """
    reads = _reads(windows)
    levels, keys = [], []
    codes = _Codes(pixels, max(len(axis.cells) for axis in reads))
    for depth, axis in enumerate(reads):
        key = np.unique(np.concatenate([_intersections(codes, axis, grid) for grid in grids]))
        if depth < len(windows):
            order, groups = _group(codes, key, reads[depth + 1])
        else:
            order, groups = np.arange(len(key)), []
        levels.append(_level(codes, key[order], groups, len(axis.cells)))
        keys.append((key, np.argsort(order)))
        if depth:
            _link(levels, keys, reads, codes)

    where = []
    for side, starts in grids:
        a, b = _clip(np.array(starts), side, *reads[-1].window[0])
        key = codes.join(0, 0, a[:, None], b[:, None], a, b)  # (R, R)
        where.append(_find(keys[-1], key.ravel()))
    spans = np.unique(np.concatenate([codes.span(level, axis=0) for level in levels]))
    inputs, read = levels[0].cell, reads[0].cells
    return Plan(
        levels=levels,
        starts=np.cumsum([0, *(len(level.cell) for level in levels)]),
        boxes=_boxes(levels, reads, codes, spans),
        pixel=read[inputs // len(read)] * pixels + read[inputs % len(read)],
        spans=np.stack(np.divmod(spans, pixels + 1)),
        positions=where,
        clean=int(_find(keys[-1], codes.join(0, 0, *[np.zeros(1, int)] * 4))[0]),
    )


# -- one axis --------------------------------------------------------------------------------------


@dataclass
class _Axis:
    """The cells of one map that are read, along rows as along columns."""

    cells: np.ndarray  # (n,): their numbers in the map
    below: np.ndarray  # (n, sums, k): the cell below that each tap reads, among those that are read
    window: np.ndarray  # (n, 2): first pixel, and one past the last, that each cell sees


def _reads(windows: Sequence[Window]) -> list[_Axis]:
    """The cells that are read, from the last map back to the pixels, then their windows."""
    cells, below = [np.arange(windows[-1].cells)], []
    for w in reversed(windows):
        offsets = np.array(w.offsets).reshape(-1, w.kernel)
        at = cells[-1][:, None, None] * w.stride + offsets  # (n, sums, k)
        cells.append(np.unique(at))
        below.append(np.searchsorted(cells[-1], at))
    cells.reverse()
    below.reverse()
    window = np.stack([cells[0], cells[0] + 1], axis=1)
    result = [_Axis(cells[0], np.zeros((len(cells[0]), 0, 0), int), window)]
    for here, taps in zip(cells[1:], below, strict=True):
        window = np.stack([window[taps, 0].min((1, 2)), window[taps, 1].max((1, 2))], axis=1)
        result.append(_Axis(here, taps, window))
    return result


def _clip(start: np.ndarray, extent: int, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """[start, start + extent) cut to [low, high); (0, 0) when nothing is left."""
    a, b = np.maximum(start, low), np.minimum(start + extent, high)
    return np.where(a < b, a, 0), np.where(a < b, b, 0)


# -- slots -----------------------------------------------------------------------------------------


class _Codes:
    """Pack (cell row, cell column, a, b, c, d) into one integer and back."""

    def __init__(self, pixels: int, cells: int) -> None:
        self.edges = pixels + 1
        self.sizes = (cells, cells, *[self.edges] * 4)

    def join(self, *parts: np.ndarray | int) -> np.ndarray:
        i, j, a, b, c, d = parts
        covered = (np.asarray(a) < b) & (np.asarray(c) < d)  # else nothing of the patch is seen
        a, b, c, d = (np.where(covered, part, 0) for part in (a, b, c, d))
        return np.ravel_multi_index(np.broadcast_arrays(i, j, a, b, c, d), self.sizes)

    def split(self, key: np.ndarray) -> list[np.ndarray]:
        return list(np.unravel_index(key, self.sizes))

    def span(self, level: Level, axis: int) -> np.ndarray:
        """A number for each slot's interval of rows (axis 0) or of columns (1)."""
        return level.rectangle[2 * axis] * self.edges + level.rectangle[2 * axis + 1]


def _intersections(codes: _Codes, axis: _Axis, grid: Grid) -> np.ndarray:
    """All distinct (cell, intersection) of one patch on its grid.

    Rows and columns separate: the rectangles of a cell are the products of its row intervals and
    its column intervals.
    """
    side, starts = grid
    a, b = _clip(np.array(starts), side, axis.window[:, :1], axis.window[:, 1:])  # (n, P)
    cell = np.broadcast_to(np.arange(len(axis.cells))[:, None], a.shape)
    empty = [np.arange(len(axis.cells)), *np.zeros((2, len(axis.cells)), int)]
    every = np.concatenate([np.stack([cell, a, b]).reshape(3, -1), np.stack(empty)], axis=1)
    i, a, b = np.unique(every, axis=1)
    return np.unique(codes.join(i[:, None], i, a[:, None], b[:, None], a, b))


def _group(codes: _Codes, key: np.ndarray, above: _Axis) -> tuple[np.ndarray, list[Group]]:
    """Order slots so that cells read by the same taps stand together.

    A 3 x 3 kernel reads a corner of the map by one tap only.  When most taps of most cells are of
    no use to anyone, as on a small map or under a stride, each group computes only its own.
    """
    i, j = codes.split(key)[:2]
    used = _used(above, int(i.max()) + 1)
    taps = used.shape[1] ** 2
    share = (used[i].sum(1) * used[j].sum(1)).mean() / taps
    if share >= _SPLIT:
        return np.arange(len(key)), [Group(0, len(key), np.arange(taps))]
    sets, kinds = np.unique(used, axis=0, return_inverse=True)
    kind = kinds.ravel()[i] * len(sets) + kinds.ravel()[j]
    order = np.argsort(kind, kind="stable")
    starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
    groups = []
    for start, stop in zip(starts, [*starts[1:], len(key)], strict=True):
        r, c = divmod(int(kind[order[start]]), len(sets))
        read = np.flatnonzero(np.outer(sets[r], sets[c]).ravel())
        groups.append(Group(int(start), int(stop), read))
    return order, groups


def _used(above: _Axis, cells: int) -> np.ndarray:
    """(cells, k) bool: whether any sum above reads this cell by tap t."""
    used = np.zeros((cells, above.below.shape[2]), bool)
    for t in range(used.shape[1]):
        used[above.below[:, :, t], t] = True
    return used


def _level(codes: _Codes, key: np.ndarray, groups: list[Group], columns: int) -> Level:
    i, j, *rectangle = codes.split(key)
    reads = np.zeros(len(key), np.int32)
    for group in groups:
        reads[group.start : group.stop] = len(group.taps)
    return Level(i * columns + j, np.stack(rectangle), groups, reads)


def _find(keys: tuple[np.ndarray, np.ndarray], key: np.ndarray) -> np.ndarray:
    ordered, slot = keys
    at = np.searchsorted(ordered, key)
    assert np.array_equal(ordered[at], key), "a rectangle without a slot"
    return slot[at]


def _link(levels: list[Level], keys: list, reads: list[_Axis], codes: _Codes) -> None:
    """Find the slots that each slot of the last level reads, tap by tap."""
    here, child = levels[-1], levels[-2]
    axis, below = reads[len(levels) - 1], reads[len(levels) - 2]
    i, j = np.divmod(here.cell, len(axis.cells))
    a, b, c, d = here.rectangle
    union, at = _union(axis)
    size = union.shape[1]
    children = np.empty((len(here.cell), size, size), np.int32)
    for y, x in np.ndindex(size, size):
        r, s = union[i, y], union[j, x]
        low, high = below.window[r].T
        left, right = below.window[s].T
        cut = np.maximum(a, low), np.minimum(b, high), np.maximum(c, left), np.minimum(d, right)
        children[:, y, x] = _find(keys[-2], codes.join(r, s, *cut))
    here.children = children.reshape(len(here.cell), -1)
    both = at[:, None, :, None] * size + at[None, :, None, :]  # (p, p, k, k)
    taps = both.shape[2] ** 2
    here.tap = both.reshape(-1, taps)
    here.tapped = np.stack([here.children.take(each, axis=1) for each in here.tap])
    if len(child.groups) > 1:
        place = np.zeros((len(child.cell), taps), np.int32)
        for group in child.groups:
            place[group.start : group.stop, group.taps] = np.arange(len(group.taps))
        here.place = place[here.tapped, np.arange(taps)]


def _union(axis: _Axis) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ways of reading, (n, union), and which of them each tap is, (sums, k)."""
    n, *shape = axis.below.shape
    union, at = np.unique(axis.below.reshape(n, -1), axis=1, return_inverse=True)
    return union, at.reshape(shape)


def _boxes(levels: list[Level], reads: list[_Axis], codes: _Codes, spans: np.ndarray) -> Boxes:
    at, stop, base, weight, bare = [], [], [], [], []
    bound, n = 0, len(spans)
    for level, axis in zip(levels, reads, strict=True):
        a, b, c, d = level.rectangle
        rows, columns = (np.searchsorted(spans, codes.span(level, which)) for which in (0, 1))
        at.append(np.stack([a * n + columns, b * n + columns, c * n + rows, d * n + rows]))
        stop.append(b)

        width = int(np.ptp(axis.window, axis=1).max()) + 1
        radix = width ** np.arange(3, -1, -1)
        i, j = np.divmod(level.cell, len(axis.cells))
        own = bound + level.cell * width**4
        top, left = axis.window[i, 0], axis.window[j, 0]
        base.append(own - top * (radix[0] + radix[1]) - left * (radix[2] + radix[3]))
        weight.append(np.broadcast_to(radix[:, None], (4, len(own))))
        bare.append(own)
        bound += len(axis.cells) ** 2 * width**4
    whole = np.int32 if bound < 2**31 else np.int64
    return Boxes(
        at=np.concatenate(at, axis=1),
        stop=np.concatenate(stop).astype(whole),
        base=np.concatenate(base).astype(whole),
        weight=np.concatenate(weight, axis=1).astype(whole),
        bare=np.concatenate(bare).astype(whole),
        bound=bound,
    )
