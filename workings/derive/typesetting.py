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

from workings.derive.description import LOSS, TARGET
from workings.derive.expression import Name, Node, Number, Operation
from workings.derive.operations import Shapes

MOST_ROWS = 8  # beyond: the first three and the last
LINE_WIDTH = 58  # in digits: 112 mm hold 60 at 10.5 pt
ROOM = LINE_WIDTH - 14  # for a matrix, beside a short left-hand side

_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|phi|chi|psi|"
    "omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi|Omega"
)
_ACCENTS = {"hat": r"\hat", "tilde": r"\tilde", "bar": r"\bar"}


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
        twice = "^{(" in self.text and not self.text.startswith((r"\begin", r"\left"))
        base = f"{{{self.text}}}" if twice else self.text  # h^{(2)} has an exponent already
        return Tex(f"{base}^{{{exponent}}}", self.width + 1)


def symbol(name: str, t: str | None = None) -> str:
    """The LaTeX of a name, with the step `t` as a subscript: W_f -> W_{f}, h1 -> h^{(1)}_{t}."""
    if name == TARGET:
        name = "tau"
    if name == LOSS:
        return r"\ell" + (f"_{{{t}}}" if t is not None else "")
    base, *rest = name.split("_")
    accents = [part for part in rest if part in _ACCENTS]
    below = [part for part in rest if part and part not in _ACCENTS]
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", base)
    above = ""
    if match:
        base, above = match[1], f"^{{({match[2]})}}"
    base = _word(base)
    for accent in accents:
        base = f"{_ACCENTS[accent]}{{{base}}}"
    subscript = ",".join([*(_word(part) for part in below), *([t] if t is not None else [])])
    return base + above + (f"_{{{subscript}}}" if subscript else "")


def _word(text: str) -> str:
    if _GREEK.fullmatch(text):
        return "\\" + text
    return text if len(text) <= 1 or text.isdigit() else rf"\mathrm{{{text}}}"


def symbol_width(text: str) -> float:
    """The rough width, in digits, of a symbol's LaTeX."""
    if text.startswith(r"\frac"):
        return max(symbol_width(part) for part in text.removeprefix(r"\frac").split("}{"))
    plain = re.sub(r"\\(mathrm|operatorname|hat|tilde|bar)\b", "", text)
    plain = re.sub(r"\\[A-Za-z]+", "o", plain)
    return 1.3 * len(re.sub(r"[{}_^\s]", "", plain))


def later(t: str, by: int) -> str:
    """`t` and -1 -> `t-1`; `3` and 1 -> `4`."""
    if by == 0:
        return t
    return f"{t}{by:+d}" if not t.lstrip("-").isdigit() else str(int(t) + by)


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
        text = number_latex(values, digits)
        return Tex(
            text, _number_width(text), 0 if text.startswith("-") else 3 + ("frac" not in text)
        )
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
    width = sum(widths) + 2 * len(widths)
    body = r" \\ ".join(" & ".join(row) for row in cells)
    if small:
        text = rf"\left[\begin{{smallmatrix}} {body} \end{{smallmatrix}}\right]"
        return Tex(text, 0.72 * width + 2)
    return Tex(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}", width + 2)


def _number_width(text: str) -> float:
    return 2.0 if "frac" in text else len(text.replace("-", "--"))


class Printer:
    """Writes formulas at one step, in symbols or with the numbers put in."""

    def __init__(
        self,
        shapes: Shapes,
        labels: Callable[[str, str], str],
        digits: int,
        room: float = ROOM,
    ):
        self.shapes, self.labels, self.digits, self.room = shapes, labels, digits, room

    def __call__(
        self, node: Node, t: str, numbers: Callable[[Node, str], Any] | None = None
    ) -> Tex:
        """`numbers(formula, t)` gives values; without it the formula stays in symbols."""

        def show(part: Node, level: int = 0) -> Tex:
            return self(part, t, numbers).within(level)

        match node:
            case Number():
                text = number_latex(node.value, 12)
                return Tex(
                    text, _number_width(text), 0 if node.value < 0 else 3 + ("frac" not in text)
                )
            case Operation("next", (inner,)):
                return self(inner, later(t, 1), numbers)
        if numbers is not None and _is_leaf(node):
            return self.leaf(node, t, numbers)
        if isinstance(node, Name):
            text = self.labels(node.name, t)
            return Tex(text, symbol_width(text), 3 if "frac" in text else 4)
        return self.operation(node, t, show, numbers is not None)

    def leaf(self, node: Node, t: str, numbers: Callable[[Node, str], Any]) -> Tex:
        if isinstance(node, Operation) and node.kind == "diag" and self.shapes(node)[0] > 3:
            inner = typeset(numbers(node.arguments[0], t), self.digits, self.room - 4)
            return Tex(rf"\operatorname{{diag}} {inner.text}", inner.width + 4)
        return typeset(np.asarray(numbers(node, t)), self.digits, self.room)

    def operation(self, node: Operation, t: str, show: Callable[..., Tex], numeric: bool) -> Tex:
        kind, arguments, detail = node.kind, node.arguments, node.detail
        match kind, arguments:
            case (("add" | "subtract"), (u, v)):
                left = show(u)
                if kind == "add":
                    if isinstance(v, Operation) and v.kind == "negative":
                        kind, v = "subtract", v.arguments[0]
                    elif isinstance(v, Number) and v.value < 0:
                        kind, v = "subtract", Number(-v.value)
                sign = "+ " if kind == "add" else "- "
                right = show(v)
                if right.level == 0 and (kind == "subtract" or right.text.startswith("-")):
                    right = right.bracketed()
                right = right.enclosed(sign)
                first = left.parts if left.level == 0 and left.parts else (left,)
                last = right.parts if right.level == 0 and right.parts else (right,)
                text = f"{left.text} {right.text}"
                return Tex(text, left.width + right.width, 0, (*first, *last))
            case "negative", (u,):
                inner = show(u, 2)
                return Tex(f"-{inner.text}", inner.width + 1.5, 0, inner.enclosed("-").parts)
            case "multiply", (u, v):
                if self.shapes(u) == self.shapes(v) != ():
                    # one level looser than a matrix product: W (r * h) needs its brackets
                    return replace(self.product(show(u, 2), r" \odot ", show(v, 2)), level=1)
                return self.product(show(u, 2), r" \cdot " if numeric else r" \, ", show(v, 2))
            case "divide", (u, v):
                if self.shapes(v) != ():
                    return self.product(show(u, 3), r" \oslash ", show(v, 3))
                top, bottom = show(u), show(v)
                if top.width > self.room:  # a fraction does not break over rows
                    inverse = Tex(rf"\frac{{1}}{{{bottom.text}}}", bottom.width, 3)
                    return self.product(inverse, r" \, ", show(u, 2))
                return Tex(
                    rf"\frac{{{top.text}}}{{{bottom.text}}}", max(top.width, bottom.width), 3
                )
            case "matmul", (a, b):
                return self.product(show(a, 2), r" \, ", show(b, 2))
            case "power", (u,):
                return show(u, 4).raised(number_latex(detail[0], 6))
            case "sqrt", (u,):
                inner = show(u)
                return Tex(rf"\sqrt{{{inner.text}}}", inner.width + 2)
            case "dot", (u, v):
                return self.product(show(u, 4).raised(r"\top"), r" \, ", show(v, 2))
            case "outer", (u, v):
                return self.product(show(u, 2), r" \, ", show(v, 4).raised(r"\top"))
            case (("transpose" | "row"), (a,)):
                return show(a, 4).raised(r"\top")
            case (("column"), (a,)):
                return show(a)
            case "index", (u,):
                return self.part_of(u, str(detail[0] + 1), t, show)
            case (("slice" | "rows"), (u,)):
                return self.part_of(u, f"{detail[0] + 1}:{detail[1]}", t, show)
            case (("concatenate" | "stack" | "stack_rows"), _):
                return self.column([show(argument) for argument in arguments])
            case "embed", (g,):
                zeros = [Tex("0", 1)]
                before = zeros if detail[0] > 0 else []
                after = zeros if detail[1] < detail[2] else []
                return self.column([*before, show(g), *after])
            case "ones", _:
                size = r" \times ".join(map(str, detail))
                return Tex(rf"\mathbf{{1}}_{{{size}}}", 2)
            case "identity", _:
                return Tex(rf"I_{{{detail[0]}}}", 2)
            case "unit", _:
                return Tex(rf"e_{{{detail[0] + 1}}}", 2)
            case "commutation", _:
                return Tex(rf"K_{{{detail[0]},{detail[1]}}}", 3)
            case "softmax_jacobian", (y,):
                inner = show(y, 4)
                diagonal = Tex(
                    rf"\operatorname{{diag}}\left({inner.text}\right)", inner.width + 6, 1
                )
                raised = inner.raised(r"\top").text
                square = Tex(rf"- {inner.text}\,{raised}", 2 * inner.width + 3, 1)
                text = f"{diagonal.text} {square.text}"
                return Tex(text, diagonal.width + square.width, 0, (diagonal, square))
            case "kronecker", (a, b):
                return self.product(show(a, 3), r" \otimes ", show(b, 3))
        function = {
            "sigmoid": r"\sigma",
            "log_sum_exp": r"\log \sum \exp",
            "tanh": r"\tanh",
            "exp": r"\exp",
            "log": r"\log",
            "sin": r"\sin",
            "cos": r"\cos",
        }.get(kind, rf"\operatorname{{{kind}}}")
        return show(arguments[0]).bracketed(function, 2 if kind == "sigmoid" else len(kind))

    def product(self, left: Tex, joint: str, right: Tex) -> Tex:
        sign = r"\times " if joint.strip() == r"\," else joint.lstrip()
        first = left.parts if left.level == 2 and left.parts else (left,)
        last = right.enclosed(sign)
        last_parts = last.parts if right.level == 2 and last.parts else (last,)
        text = f"{left.text}{joint}{right.text}"
        return Tex(text, left.width + right.width + 1.5, 2, (*first, *last_parts))

    def column(self, entries: Sequence[Tex]) -> Tex:
        body = r" \\ ".join(entry.text for entry in entries)
        width = max(entry.width for entry in entries) + 3
        return Tex(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}", width)

    def part_of(self, u: Node, which: str, t: str, show: Callable[..., Tex]) -> Tex:
        if isinstance(u, Name) and not u.name.startswith("d"):
            text = symbol(u.name.removesuffix("_prev"), None)
            step = later(t, -1 if u.name.endswith("_prev") else 0)
            inner = self.labels(u.name, t)
            if inner != text:  # it has a step
                text = symbol(u.name.removesuffix("_prev"), f"{which},{step}")
            else:
                text = symbol(u.name, which)
            return Tex(text, symbol_width(text))
        inner = show(u, 3)
        return Tex(rf"\left[{inner.text}\right]_{{{which}}}", inner.width + 3)


def _is_leaf(node: Node) -> bool:
    """What is replaced by its numbers as one thing when a formula is substituted."""
    if isinstance(node, Name):
        return True
    if node.kind in ("index", "slice"):
        return isinstance(node.arguments[0], Name)
    if node.kind == "concatenate":  # one column, not a column of columns
        return all(isinstance(argument, Name) for argument in node.arguments)
    return node.kind in ("diag", "softmax_jacobian", "stack", "identity", "unit", "ones", "embed")


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
