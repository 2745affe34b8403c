"""What a derivation prints: lines, parts of lines, and tables by steps.

The LaTeX uses only amsmath's constructs (bmatrix, smallmatrix, aligned), which MathJax and KaTeX know
too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from workings.derive.symbols import symbol_width
from workings.derive.typesetting import LINE_WIDTH, Tex, fragments, typeset

TABLE_WIDTH = 1.05  # of a line's
FEWEST_DIGITS = 3  # in a table that would be too wide with more
ELIDED = (
    "Of vectors and matrices too large for the page the first three rows or columns and the last are "
    "shown."
)


@dataclass(frozen=True)
class Line:
    """One line: `lhs` = piece = piece ..., an equation, the same with its numbers put in, the result.

    name: how prose refers to it, `dL_dh[2]` for step 2; every name is used once. value: the raw
    numbers of the result; None where a line is symbolic only.
    """

    name: str
    lhs: str
    pieces: tuple[Tex, ...]
    value: np.ndarray | None = None
    recomputed: np.ndarray | None = field(default=None, repr=False)  # the equation, run by itself

    @property
    def key(self) -> str | None:
        """Its key among the measurements, where a point separates keys."""
        return None if self.value is None else self.name.replace(".", "/")

    def rows(self, left: float, width: float = LINE_WIDTH) -> list[str]:
        """The rows of an `align*`, without the `\\\\` between them.

        left: the width, in digits, of the widest left-hand side that this one is aligned with.
        width: of the page.
        """
        rows: list[str] = []
        width -= left + 3  # without the sign
        current, used = f"{self.lhs} &= ", 0.0
        for number, piece in enumerate(self.pieces):
            broken = fragments(piece, width)
            lead = "= " if number else ""
            for k, fragment in enumerate(broken):
                start = lead if k == 0 else ""
                if used and used + fragment.width + 2 > width:
                    rows.append(current.rstrip())
                    current, used = ("&" + lead if k == 0 else r"&\quad {}"), 0.0
                    start = ""
                current += f"{start}{fragment.text} "
                used += fragment.width + 2
        rows.append(current.rstrip())
        return rows

    def printed(self) -> dict[str, str | None]:
        """Its name and key, and the line in one piece."""
        whole = " = ".join([self.lhs, *(piece.text for piece in self.pieces)])
        return {"name": self.name, "key": self.key, "whole": whole}

    def residual(self) -> float:
        """The largest difference, relative to 1 + |value|, between the equation run by itself on the
        values of the names in it, and the result that is printed."""
        if self.recomputed is None or self.value is None:
            return 0.0
        value = np.asarray(self.value, dtype=float)
        gap = np.abs(np.asarray(self.recomputed, dtype=float) - value)
        return float(np.max(gap / (1 + np.abs(value)), initial=0.0))


@dataclass(frozen=True)
class Part:
    """Consecutive lines with a heading (TeX).

    note: what is not printed. width: of its rows, in digits. sums: over the steps, for a sentence.
    """

    name: str
    heading: str
    lines: tuple[Line, ...]
    note: str = ""
    width: float = LINE_WIDTH
    sums: tuple[Line, ...] = ()

    def rows(self) -> list[list[str]]:
        """The rows of each line, for one alignment of all."""
        left = max((symbol_width(line.lhs) for line in self.lines), default=0.0)
        return [line.rows(left, self.width) for line in self.lines]

    def printed(self) -> dict[str, Any]:
        lines = [
            line.printed() | {"rows": rows}
            for line, rows in zip(self.lines, self.rows(), strict=True)
        ]
        sums = [line.printed() for line in self.sums]
        words = {"name": self.name, "heading": self.heading, "note": self.note}
        return words | {"lines": lines, "sums": sums}


@dataclass(frozen=True)
class Quantity:
    """A row of a table by steps: its name in LaTeX, and its value at each step that has one.

    keys: of the values among the measurements.
    """

    label: str
    values: Mapping[int, np.ndarray]
    keys: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Quantities by steps; a cell is its LaTeX with its key, or None."""

    name: str
    caption: str
    steps: tuple[int | None, ...]  # None where some are left out
    rows: tuple[tuple[str, tuple[tuple[str, str | None] | None, ...]], ...]

    def printed(self) -> dict[str, Any]:
        head = ["t", *(r"\cdots" if t is None else str(t) for t in self.steps)]
        rows = [{"label": label, "cells": [*map(_cell, cells)]} for label, cells in self.rows]
        texts = [[cell[0] for cell in cells if cell] for _, cells in self.rows]
        high = sum(max(map(_rows, row), default=1) for row in texts)
        words = {"name": self.name, "caption": self.caption, "height": high}
        return words | {"head": head, "rows": rows}


def _rows(matrix: str) -> int:
    """The rows of a matrix in LaTeX."""
    return 1 + matrix.count(r" \\")


def _cell(cell: tuple[str, str | None] | None) -> dict[str, str | None] | None:
    return cell and {"tex": cell[0], "key": cell[1]}


def by_steps(
    name: str,
    caption: str,
    quantities: Sequence[Quantity],
    steps: Sequence[int],
    digits: int,
    width: float,
) -> Table:
    """The table of quantities at these steps, as wide as the page.

    What would be wider has fewer decimals, then fewer steps, and the caption says so.
    """
    room = TABLE_WIDTH * width - max(symbol_width(one.label) for one in quantities) - 3
    shorter = [*steps[:3], *steps[-2:]] if len(steps) > 6 else steps
    for chosen in (steps, shorter, [*steps[:2], steps[-1]]):
        for decimals in range(digits, FEWEST_DIGITS - 1, -1):
            cells = _typeset(quantities, chosen, decimals, np.inf)
            if _width(cells) <= room:
                return _table(name, caption, quantities, chosen, cells)
        share = room / len(chosen) - 3
        cells = _typeset(quantities, chosen, FEWEST_DIGITS, share)
        if _width(cells) <= room:
            break
    return _table(name, caption, quantities, chosen, cells)


def _typeset(
    quantities: Sequence[Quantity], steps: Sequence[int], digits: int, room: float
) -> list[list[Tex | None]]:
    """The value of each quantity at each step."""
    return [
        [typeset(np.asarray(one.values[t]), digits, room) if t in one.values else None for t in steps]
        for one in quantities
    ]  # fmt: skip


def _width(cells: Sequence[Sequence[Tex | None]]) -> float:
    columns = zip(*cells, strict=True)
    return sum(max((cell.width for cell in column if cell), default=1) + 3 for column in columns)


def _table(
    name: str,
    caption: str,
    quantities: Sequence[Quantity],
    steps: Sequence[int],
    cells: Sequence[Sequence[Tex | None]],
) -> Table:
    gaps = [k for k in range(1, len(steps)) if steps[k] != steps[k - 1] + 1]
    elided = is_elided(cell.text for row in cells for cell in row if cell)
    caption = " ".join(filter(None, [caption, left_out(steps), ELIDED if elided else ""]))
    columns: list[int | None] = list(steps)
    rows = [
        [cell and (cell.text, one.keys.get(t)) for cell, t in zip(row, steps, strict=True)]
        for one, row in zip(quantities, cells, strict=True)
    ]
    for k in reversed(gaps):
        for row in (columns, *rows):
            row.insert(k, None)
    labels = (one.label for one in quantities)
    return Table(
        name, caption, tuple(columns), tuple(zip(labels, map(tuple, rows), strict=True))
    )  # fmt: skip


def is_elided(texts: Iterable[str]) -> bool:
    """Whether rows or columns of a matrix are left out."""
    return any(r"\vdots" in text or r"& \cdots" in text for text in texts)


def left_out(steps: Iterable[int]) -> str:
    """Says which steps are not among these."""
    shown = sorted({*steps})
    gaps = [f"{s + 1} to {t - 1}" for s, t in pairwise(shown) if t > s + 1]
    return f"Steps {' and '.join(gaps)} are left out." if gaps else ""


@dataclass(frozen=True)
class Derivation:
    """A derivation as a section prints it.

    Args:
        groups: parts by what they are for, `parts` the full lines.
        tables: quantities by steps.
        lines: all lines with numbers; of some the table shows the result alone.
        names: (LaTeX, what it is) of each name.
    """

    groups: Mapping[str, Sequence[Part]]
    tables: Sequence[Table]
    lines: Sequence[Line]
    names: Sequence[tuple[str, str]]

    def __iter__(self) -> Iterator[Part]:
        """All parts."""
        return (part for parts in self.groups.values() for part in parts)

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each line, by its key."""
        return {line.key: np.asarray(line.value, dtype=float) for line in self.lines}

    def printed(self) -> dict[str, Any]:
        """The derivation as a section prints it."""
        groups = {group: [part.printed() for part in parts] for group, parts in self.groups.items()}
        tables = [table.printed() for table in self.tables]
        names = [list(pair) for pair in self.names]
        half = (len(names) + 1) // 2
        beside = [[*a, *b] for a, b in zip_longest(names[:half], names[half:], fillvalue=("", ""))]
        return {"names": names, "names_in_two_columns": beside, "tables": tables, **groups}

    def write(self, path: str | Path) -> None:
        """Put what a section prints into a file."""
        text = json.dumps(self.printed(), indent=1, ensure_ascii=False)
        Path(path).write_text(text, encoding="utf-8")

    def largest_residual(self) -> float:
        """The largest residual of a line."""
        return max((line.residual() for line in self.lines), default=0.0)
