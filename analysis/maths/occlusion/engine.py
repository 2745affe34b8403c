"""The exact incremental evaluation: every distinct content of every cell once.

Two slots of a cell (see `plan`) hold the same pixels when they cover the same ones among those that
differ from the fill at all.  So a slot is known by the box around these, a black patch over black
pixels is no patch, and the values of the distinct contents are all that is computed.  A sum over a
window,

    y[content] = sum_t W_t x[content's part under tap t],

is taken from a table of W_t x for the distinct contents x below: as a cell below is read by many
contents above, there are far fewer products than sums.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from .layers import Stage
from .plan import Grid, Level, Plan, plan

_ROW, _GATHER, _CALL = 3, 64, 300_000
"""About as long as this many multiplications in a matrix product take: adding a row of a table to a
sum (for each of its numbers), gathering a row, and asking for a product."""

_TABLE = 1 << 22
"""Contents are matched through a table up to this many possible boxes, by sorting beyond."""


class Scratch:
    """Memory that several engines use in turn, as large as any of them can need.

    Pages never used cost nothing, while arrays made for each image would scatter over the heap and
    make it grow.
    """

    def __init__(self) -> None:
        self.numbers = np.empty(0, np.int32)  # one for each possible box
        self.products = torch.empty(0)  # tables of taps

    def reserve(self, numbers: int, products: int) -> None:
        if self.numbers.size < numbers:
            self.numbers = np.empty(numbers, np.int32)
        if self.products.numel() < products:
            self.products = torch.empty(products)


class Engine:
    """Logits of a chain of stages for all positions of some grids of patches.

    The weights are read when it is made; make a new one when they have changed.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        shape: tuple[int, int, int],
        grids: Sequence[Grid],
        scratch: Scratch | None = None,
    ) -> None:
        self.stages = list(stages)
        self.plan: Plan = plan(shape[1], tuple(s.window for s in stages), tuple(grids))
        self._weights = [
            [_columns(stage.taps, group.taps) for group in level.groups]
            for stage, level in zip(stages, self.plan.levels, strict=False)
        ]
        self._unrolled = [
            _unroll(stage.taps, above)
            for stage, above in zip(stages, self.plan.levels[1:], strict=True)
        ]
        self._every = torch.arange(int(self.plan.starts[-1]), dtype=torch.int32)
        bound = self.plan.boxes.bound
        sizes = [
            int(level.reads.sum()) * stage.taps.shape[2]
            for stage, level in zip(stages, self.plan.levels, strict=False)
        ]
        self._scratch = scratch or Scratch()
        self._scratch.reserve(bound if bound <= _TABLE else 0, max(sizes, default=0))
        self.products = 0
        """Multiplications in the last image's sums over windows."""

    @torch.no_grad()
    def __call__(self, image: torch.Tensor, fill: float) -> tuple[torch.Tensor, list[np.ndarray]]:
        """Logits of the distinct contents of the whole image, (channels, rows, columns) float32.

        Returns:
            The logits, (contents, classes) float32; and for each grid the content of every
            position, (R * R,), and, last, of the clean image.
        """
        levels = self.plan.levels
        distinct = self._distinct((image != fill).any(0).numpy())
        slots, content = distinct[0]
        self.products = 0

        covered = torch.from_numpy(levels[0].rectangle[1, slots] > 0)
        pixel = torch.from_numpy(self.plan.pixel[slots])
        x = torch.where(covered, fill, image.flatten(1)[:, pixel])
        x = x.T.contiguous()  # (contents, channels)
        for depth, stage in enumerate(self.stages, start=1):
            below, above = levels[depth - 1], levels[depth]
            chosen, next_content = distinct[depth]
            x = self._sum(x, below, above, slots, content, chosen, depth)
            for function in stage.after:
                x = function(x)
            slots, content = chosen, next_content
        ends = [*self.plan.positions, np.array([self.plan.clean])]
        return x, [content[where] for where in ends]

    def _distinct(self, differs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each level, one slot for each distinct content, ascending (n,), and the content of
        each slot (S,)."""
        every, known = self._every.numpy(), self.plan.boxes
        sides = [
            table.take(at) for table, at in zip(boxes(differs, self.plan), known.at, strict=True)
        ]  # (S,) each: top, bottom, left, right
        full = sides[0] < known.stop
        number = known.base.copy()
        for side, weight in zip(sides, known.weight, strict=True):
            number += side * weight
        number = np.where(full, number, known.bare)  # (S,)
        if known.bound > _TABLE:
            _, slots, content = np.unique(number, return_index=True, return_inverse=True)
            order = np.argsort(slots)
            slots, content = slots[order], np.argsort(order).astype(np.int32)[content.ravel()]
        else:
            table = self._scratch.numbers
            table[number] = every  # of equal numbers, one slot stays
            slots = np.flatnonzero(table.take(number) == every)
            table[number[slots]] = every[: len(slots)]
            content = table.take(number)
        starts = self.plan.starts
        firsts = np.searchsorted(slots, starts)
        return [
            (slots[a:b] - start, content[start:stop] - np.int32(a))
            for start, stop, a, b in zip(starts, starts[1:], firsts, firsts[1:], strict=False)
        ]

    def _sum(
        self,
        x: torch.Tensor,
        below: Level,
        above: Level,
        slots: np.ndarray,
        content: np.ndarray,
        chosen: np.ndarray,
        depth: int,
    ) -> torch.Tensor:
        """The highest of the sums over a window, for each content above: (n, C_out).

        Either from a table of taps or, where a cell above reads little, by gathering all that it
        reads and multiplying once; whichever is the less work.
        """
        stage = self.stages[depth - 1]
        sums, _, taps = above.tapped.shape
        n, union = len(chosen), above.children.shape[1]
        reads = below.reads.take(slots)  # (contents,)
        rows, width = int(reads.sum()), stage.taps.shape[2]
        by_table = (rows * x.shape[1] + n * sums * taps * _ROW) * width + _CALL * len(below.groups)
        by_gather = n * union * (x.shape[1] * sums * width + _GATHER)
        if by_gather < by_table:
            self.products += n * union * x.shape[1] * sums * width
            children = above.children.take(chosen, axis=0)  # (n, union)
            seen = x.index_select(0, _look_up(content, children).view(-1)).view(n, -1)
            return torch.mm(seen, self._unrolled[depth - 1]).view(n, sums, width).amax(1)

        self.products += rows * x.shape[1] * width
        ends = np.cumsum(reads, dtype=np.int32)
        first = (ends - reads).take(content)  # (S,)
        table = self._scratch.products[: rows * width].view(rows, width)
        cuts = np.searchsorted(slots, [*(g.start for g in below.groups), len(content)])
        counts = np.diff(cuts).tolist()
        weights = self._weights[depth - 1]
        sizes = [m * w.shape[1] for m, w in zip(counts, weights, strict=True)]
        products = table.view(-1).split(sizes)
        for part, w, out in zip(x.split(counts), weights, products, strict=True):
            torch.mm(part, w, out=out.view(-1, w.shape[1]))
        index = _look_up(first, above.tapped.take(chosen, axis=1))  # (sums, n, taps)
        if above.place is None:
            index += self._every[:taps]
        else:
            index += torch.from_numpy(above.place.take(chosen, axis=1))
        y = torch.nn.functional.embedding_bag(index.view(sums * n, taps), table, mode="sum")
        return _highest(y.view(sums, n, -1))


def _look_up(values: np.ndarray, index: np.ndarray) -> torch.Tensor:
    """values[index], int32."""
    flat = torch.from_numpy(index).view(-1)
    return torch.from_numpy(values).index_select(0, flat).view(index.shape)


def _highest(ys: Iterable[torch.Tensor]) -> torch.Tensor:
    """The greatest of several (n, C), number by number, in place of the first."""
    highest, *others = ys
    for y in others:
        torch.maximum(highest, y, out=highest)
    return highest


def _columns(taps: torch.Tensor, chosen: np.ndarray) -> torch.Tensor:
    """(taps, C_in, C_out) -> (C_in, chosen * C_out), the chosen taps side by side."""
    return taps[torch.from_numpy(chosen)].permute(1, 0, 2).flatten(1).contiguous()


def _unroll(taps: torch.Tensor, above: Level) -> torch.Tensor:
    """All sums' kernels over all that a window reads, (union * C_in, sums * C_out)."""
    sums, _ = above.tap.shape
    whole = taps.new_zeros(above.children.shape[1], taps.shape[1], sums, taps.shape[2])
    for s, places in enumerate(torch.from_numpy(above.tap)):
        whole[places, :, s] = taps
    return whole.flatten(2).flatten(0, 1)


def boxes(differs: np.ndarray, plan: Plan) -> list[np.ndarray]:
    """Tables of the box around what differs, for each rectangle that occurs.

    For the columns c ... d - 1, the first row from a on with a differing pixel is the box's top in
    the rectangle [a, b) x [c, d), one past the last such row before b its bottom; columns likewise.

    Returns:
        top, bottom, left, right, (pixels + 1, spans) each, flattened.
    """
    tables, n = [], len(differs)
    low, high = plan.spans
    for pixels in (differs, differs.T):
        total = np.zeros((n, n + 1), np.int32)
        np.cumsum(pixels, axis=1, out=total[:, 1:])
        filled = total.take(high, axis=1) > total.take(low, axis=1)  # (rows, spans)
        line = np.arange(n, dtype=np.int32)[:, None]
        first = np.full((n + 1, len(low)), n, np.int32)
        np.copyto(first[:n], line, where=filled)
        first = np.minimum.accumulate(first[::-1])[::-1]
        last = np.zeros((n + 1, len(low)), np.int32)
        np.copyto(last[1:], line + 1, where=filled)
        tables += [np.ascontiguousarray(first).ravel(), np.maximum.accumulate(last).ravel()]
    return tables
