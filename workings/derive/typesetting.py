"""Formulas and numbers as LaTeX, with the width that tells where a row must break.

Only amsmath's constructs are used, which MathJax and KaTeX know too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from workings.derive.expression import Name, Node, Number, Shapes
from workings.derive.symbols import symbol, symbol_width

MOST_ROWS = 8  # beyond: the first three and the last
LINE_WIDTH = 50  # in digits: 112 mm hold 60 at 10.5 pt, a column of 88 mm hold 50
WIDE_WIDTH = 100  # 163 mm hold 106 in the size of footnotes, with the names of the lines
ROOM = LINE_WIDTH - 14  # for a matrix, beside a short left-hand side


@dataclass(frozen=True)
class Tex:
    """A piece of LaTeX, its width in digits, and how tightly it holds together.

    0 a sum, 1 a term, 2 a product, 3 a fraction, 4 a symbol that can take an exponent.
    """

    text: str
    width: float
    level: int = 4
    parts: tuple[Tex, ...] = ()  # the terms or factors between which it may be broken

    def within(self, level: int) -> Tex:
        """In brackets if it holds less tightly than `level`."""
        return self if self.level >= level else self.bracketed()

    def bracketed(self, before: str = "", width: float = 0.0) -> Tex:
        """`before(self)`; where it is broken over rows, the brackets have a fixed size."""
        text = rf"{before}\left({self.text}\right)"
        parts = self.enclosed(before + r"\Bigl(", r"\Bigr)").parts
        return Tex(text, self.width + 2 + width, 4, parts)

    def enclosed(self, before: str, after: str = "", width: float = 1.5) -> Tex:
        """With text, `width` wide, put before, and text after, whether it is broken or not."""
        parts = list(self.parts)
        if parts:
            parts[0] = parts[0].enclosed(before, width=width)
            parts[-1] = parts[-1].enclosed("", after)
        width = self.width + width * bool(before.strip()) + bool(after)
        return Tex(before + self.text + after, width, self.level, tuple(parts))

    def raised(self, exponent: str) -> Tex:
        """With an exponent; self must hold as tightly as a symbol."""
        if self.parts:  # a bracket that may be broken
            return replace(self.enclosed("", f"^{{{exponent}}}"), level=4)
        twice = re.search(r"\^{[(*]", self.text) and not self.text.startswith((r"\begin", r"\left"))
        base = f"{{{self.text}}}" if twice else self.text  # h^{(2)} has an exponent already
        return Tex(f"{base}^{{{exponent}}}", self.width + 1)


def later(t: str, by: int) -> str:
    """`t` and -1 -> `t-1`, `t+1` and -1 -> `t`; `3` and 1 -> `4`."""
    if not t.startswith("t"):
        return str(int(t) + by)
    by += int(t[1:] or 0)
    return f"t{by:+d}" if by else "t"


def number_latex(value: Any, digits: int) -> str:
    """A number in fixed notation; a Fraction exactly if it is short, else rounded."""
    if isinstance(value, Fraction):
        if value.denominator == 1 and abs(value) < 10**9:
            return str(value.numerator)
        decimal = f"{float(value):.6f}".rstrip("0")
        if Fraction(decimal) == value and value.denominator % 5 == 0:
            return decimal
        if value.denominator <= 16 and abs(value.numerator) < 1000:
            sign = "-" if value < 0 else ""
            return rf"{sign}\tfrac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        value = float(value)
    value = float(value)
    if value == 0:
        return "0"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def number_tex(value: Any, digits: int) -> Tex:
    text = number_latex(value, digits)
    return Tex(text, _number_width(text), 0 if text.startswith("-") else 3 + ("frac" not in text))


def _scale(values: np.ndarray, digits: int) -> int:
    """The power of ten to put before a matrix whose largest entry fixed notation would not show."""
    if all(isinstance(v, Fraction) for v in values.flat):
        return 0
    largest = max(abs(float(v)) for v in values.flat)
    if largest == 0 or 10.0 ** (1 - digits) <= largest < 1e6:
        return 0
    return int(np.floor(np.log10(largest)))


def typeset(values: np.ndarray, digits: int, room: float = ROOM) -> Tex:
    """Numbers in LaTeX, no wider than `room` where that can be had.

    What would be wider is set smaller, then rounded to fewer decimals, then elided to four columns.
    """
    if values.ndim == 0:
        values = values.reshape(1)[0]
        exponent = _scale(np.array([values], dtype=object), digits)
        if exponent:
            mantissa = number_latex(float(values) / 10.0**exponent, digits)
            text = rf"{mantissa} \cdot 10^{{{exponent}}}"
            return Tex(text, len(mantissa) + 5, 1 if text.startswith("-") else 2)
        return number_tex(values, digits)
    table = values[:, None] if values.ndim == 1 else values
    exponent = _scale(table, digits)
    if exponent:
        table = table.astype(float) / 10.0**exponent
    many = table.shape[1] > 4 and not all(isinstance(v, Fraction) for v in table.flat)
    settings = [] if many else [(digits, False, MOST_ROWS)]
    for columns in (MOST_ROWS, 4):
        settings += [(d, True, columns) for d in range(min(digits, 3) if many else digits, 0, -1)]
    for setting in settings:
        matrix = _matrix(table, *setting)
        if exponent:
            matrix = Tex(rf"10^{{{exponent}}} {matrix.text}", matrix.width + 4, 2)
        if matrix.width <= room:
            break
    return matrix


def _matrix(table: np.ndarray, digits: int, small: bool, most_columns: int) -> Tex:
    """A matrix; of more rows or columns than that, the first three and the last."""
    rows, columns = table.shape
    tall, wide = rows > MOST_ROWS, columns > most_columns
    chosen = [0, 1, 2, columns - 1] if wide else range(columns)
    cells = [
        [number_latex(table[i, j], digits) for j in chosen]
        for i in ([0, 1, 2, rows - 1] if tall else range(rows))
    ]
    widths = [max(map(_number_width, column)) for column in zip(*cells, strict=True)]
    if tall:
        cells.insert(3, [r"\vdots"] * len(chosen))
    if wide:
        for row in cells:
            row.insert(3, r"\ddots" if row[0] == r"\vdots" else r"\cdots")
        widths.insert(3, 2)
    width = sum(widths) + 2.3 * (len(widths) - 1)
    rows = [" & ".join(row) for row in cells]
    gap = "[3pt]" if any("frac" in row for row in rows) else ""  # a row's strut is lower
    body = rf" \\{gap} ".join(rows)
    if small:
        text = rf"\left[\begin{{smallmatrix}} {body} \end{{smallmatrix}}\right]"
        return Tex(text, 0.72 * width + 3)
    return Tex(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}", width + 2.4)


def _number_width(text: str) -> float:
    if "frac" in text:
        return 2.0
    return len(text) + 0.7 * text.count("-") - 0.5 * text.count(".")


@dataclass(frozen=True)
class Printer:
    """Writes formulas at one step, in symbols or with the numbers put in.

    Each operation says how it is written (its `tex`), in terms of what is here.

    Args:
        label: the LaTeX of a name at a step.
        room: the widest matrix, in digits.
        numbers: gives the value of a formula at a step; without it the formula stays in symbols.
    """

    shapes: Shapes
    label: Callable[[str, str], str]
    digits: int
    room: float = ROOM
    t: str = "t"
    numbers: Callable[[Node, str], Any] | None = None

    def __call__(self, node: Node, level: int = 0) -> Tex:
        return self._written(node).within(level)

    def _written(self, node: Node) -> Tex:
        match node:
            case Number(value=value):
                return number_tex(value, 12)
            case Name(name=name) if self.numbers is None:
                text = self.label(name, self.t)
                return Tex(text, symbol_width(text), 3 if "frac" in text else 4)
            case Name():
                return self.numbers_of(node)
        if self.numbers is not None and node.leaf:
            return node.substituted(self)
        return node.tex(self)

    def numbers_of(self, node: Node, less: float = 0) -> Tex:
        """The value of a formula, beside something `less` digits wide."""
        return typeset(np.asarray(self.numbers(node, self.t)), self.digits, self.room - less)

    def at_next_step(self, u: Node) -> Tex:
        return replace(self, t=later(self.t, 1))(u)

    def symbol(self, text: str, width: float, level: int = 4) -> Tex:
        return Tex(text, width, level)

    def function(self, name: str, u: Node, width: float) -> Tex:
        """f(u), with a name that is so wide."""
        return self(u).bracketed(name, width)

    def root(self, u: Node) -> Tex:
        inner = self(u)
        return Tex(rf"\sqrt{{{inner.text}}}", inner.width + 2)

    def negative(self, u: Node) -> Tex:
        inner = self(u, 2)
        return Tex(f"-{inner.text}", inner.width + 1.5, 0, inner.enclosed("-").parts)

    def power(self, u: Node, exponent: Fraction) -> Tex:
        return self(u, 4).raised(number_latex(exponent, 6))

    def transposed(self, u: Node) -> Tex:
        return self(u, 4).raised(r"\top")

    def sum(self, u: Node, sign: str, v: Node) -> Tex:
        left, right = self(u), self(v)
        if right.level == 0 and (sign == "-" or right.text.startswith("-")):
            right = right.bracketed()
        return self.joined(left, right.enclosed(f"{sign} "))

    @staticmethod
    def joined(left: Tex, right: Tex) -> Tex:
        """A sum of two, the second with its sign."""
        first = left.parts if left.level == 0 and left.parts else (left,)
        last = right.parts if right.level == 0 and right.parts else (right,)
        return Tex(f"{left.text} {right.text}", left.width + right.width, 0, (*first, *last))

    def product(
        self, u: Node, joint: str, v: Node, levels: tuple[int, int] = (2, 2), level: int = 2
    ) -> Tex:
        """u and v with a joint between them; they must hold as tightly as `levels`."""
        return replace(product(self(u, levels[0]), joint, self(v, levels[1])), level=level)

    def fraction(self, u: Node, v: Node) -> Tex:
        top, bottom = self(u), self(v)
        if top.width > self.room:  # a fraction does not break over rows
            inverse = Tex(rf"\frac{{1}}{{{bottom.text}}}", bottom.width, 3)
            return product(inverse, r" \, ", self(u, 2))
        return Tex(rf"\frac{{{top.text}}}{{{bottom.text}}}", max(top.width, bottom.width), 3)

    def column(self, entries: Sequence[Tex]) -> Tex:
        """Entries one below the other; of many, the first three and the last."""
        width = max(entry.width for entry in entries) + 3
        rows = [entry.text for entry in entries]
        if len(rows) > MOST_ROWS:
            rows[3:-1] = [r"\vdots"]
        body = r" \\ ".join(rows)
        return Tex(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}", width)

    def part(self, u: Node, which: str) -> Tex:
        """Some components of u."""
        if isinstance(u, Name) and isinstance(u.name, str):
            name, before = u.name.removesuffix("_prev"), u.name.endswith("_prev")
            has_step = self.label(u.name, self.t) != symbol(name)
            step = f",{later(self.t, -before)}" if has_step else ""
            text = symbol(name, which + step)
            return Tex(text, symbol_width(text))
        inner = self(u, 3)
        return Tex(rf"\left[{inner.text}\right]_{{{which}}}", inner.width + 3)


def product(left: Tex, joint: str, right: Tex) -> Tex:
    """A product of two; where it is broken over rows, the second begins with a sign."""
    last = right.enclosed(r"\times " if joint.strip() == r"\," else joint.lstrip())
    first = left.parts if left.level == 2 and left.parts else (left,)
    lasts = last.parts if right.level == 2 and last.parts else (last,)
    text = f"{left.text}{joint}{right.text}"
    return Tex(text, left.width + right.width + 1.5, 2, (*first, *lasts))


def fragments(piece: Tex, width: float) -> list[Tex]:
    """A piece in fragments that fit in `width`, broken at the signs of its outermost sum or product."""
    if piece.width <= width or not piece.parts:
        return [piece]
    broken: list[Tex] = []
    for part in piece.parts:
        for fragment in fragments(part, width):
            if broken and broken[-1].width + fragment.width <= width:
                before = broken.pop()
                joined = f"{before.text} {fragment.text}"
                broken.append(Tex(joined, before.width + fragment.width))
            else:
                broken.append(fragment)
    return broken
