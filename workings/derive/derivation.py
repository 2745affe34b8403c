r"""A derivation that prints itself: equation = substituted matrices = result, line by line.

The lines come from the same formulas that compute the numbers (recurrence.py), so what is printed and
what is computed cannot differ. The LaTeX uses only amsmath's constructs (bmatrix, smallmatrix,
aligned), which MathJax and KaTeX know too.

Notation: \partial^+ v / \partial u is immediate, through one line of the cell alone; d is total.
l_t is the loss of step t alone, L the sum. \partial l_t / \partial u_t goes through step t alone.
Functions and powers of vectors act element by element. Components are counted from 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workings.derive.expression import (
    INPUT,
    LOSS,
    TARGET,
    TOTAL,
    Derivative,
    Name,
    Node,
    Operation,
    Shapes,
    describe,
    from_later,
    names_in,
    substitute,
    total,
)
from workings.derive.operations import Add, Index, Next, Slice, plus
from workings.derive.program import evaluate
from workings.derive.recurrence import Gradients, Recurrence, Run
from workings.derive.typesetting import (
    LINE_WIDTH,
    Printer,
    Tex,
    fragments,
    later,
    number_latex,
    symbol,
    symbol_width,
    typeset,
)

MOST_STEPS = 10  # beyond: the first two and the last two


# --- lines -------------------------------------------------------------------------------------


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
    def key(self) -> str:
        """Its key among the measurements, where a point separates keys."""
        return self.name.replace(".", "/")

    def rows(self, left: float) -> list[str]:
        """The rows of an `align*`, without the `\\\\` between them.

        left: the width, in digits, of the widest left-hand side that this one is aligned with.
        """
        rows: list[str] = []
        width = LINE_WIDTH - left - 3  # without the sign
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


@dataclass(frozen=True)
class Part:
    """Consecutive lines with a heading (TeX); `note` says what is not printed."""

    name: str
    heading: str
    lines: tuple[Line, ...]
    note: str = ""

    def rows(self) -> list[list[str]]:
        """The rows of each line, for one alignment of all."""
        left = max((symbol_width(line.lhs) for line in self.lines), default=0.0)
        return [line.rows(left) for line in self.lines]


@dataclass(frozen=True)
class Derivation:
    """All lines of a derivation in parts, with (LaTeX, what it is) of each name."""

    parts: tuple[Part, ...]
    names: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> list[Line]:
        return [line for part in self.parts for line in part.lines]

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each line that has them, by its key."""
        return {
            line.key: np.asarray(line.value, dtype=float)
            for line in self.lines
            if line.value is not None
        }

    def printed(self) -> dict[str, Any]:
        """The derivation as a section prints it: parts of named lines, each a few rows of TeX."""
        return {
            "names": [list(pair) for pair in self.names],
            "parts": [
                {
                    "name": part.name,
                    "heading": part.heading,
                    "note": part.note,
                    "lines": [
                        {
                            "name": line.name,
                            "key": None if line.value is None else line.key,
                            "rows": rows,
                        }
                        for line, rows in zip(part.lines, part.rows(), strict=True)
                    ],
                }
                for part in self.parts
            ],
        }

    def write(self, path: str | Path) -> None:
        """Put what a section prints into a file."""
        text = json.dumps(self.printed(), indent=1, ensure_ascii=False)
        Path(path).write_text(text, encoding="utf-8")

    def largest_residual(self) -> float:
        """The largest difference, relative to 1 + |value|, between a line's equation run by itself on
        the values of the names in it, and the result that the line prints."""
        worst = 0.0
        for line in self.lines:
            if line.recomputed is not None and line.value is not None:
                value = np.asarray(line.value, dtype=float)
                gap = np.abs(np.asarray(line.recomputed, dtype=float) - value)
                worst = max(worst, float(np.max(gap / (1 + np.abs(value)), initial=0.0)))
        return worst


# --- building ----------------------------------------------------------------------------------


class _Builder:
    def __init__(self, cell: Recurrence, run: Run, gradients: Gradients, digits: int):
        self.cell, self.run, self.gradients, self.digits = cell, run, gradients, digits
        self.T = cell.steps
        self.fixed = {*cell.parameters, *cell.constants}
        self.raw = run.values | run.parameters | gradients.total | gradients.immediate
        given = cell.parameters | cell.constants
        exact = {name: array for name, array in given.items() if array.dtype == object}
        self.exact = exact | cell.sequences
        for previous, state in cell.states.items():
            self.exact[previous] = [cell.initial_state[state], *run[previous][1:]]
        if self.T > MOST_STEPS:
            self.steps = [0, 1, self.T - 2, self.T - 1]
            self.note = f"Steps 2 to {self.T - 3} are computed and checked like the others, but not printed."
        else:
            self.steps, self.note = list(range(self.T)), ""

        self.shapes = Shapes(dict(cell.gradient_shapes.names))
        self.tangents: dict[str, dict[Derivative, Node]] = {}  # p -> the lines of forward mode
        for p in cell.forward_parameters:
            self.tangents[p], shapes = cell.tangent_lines(p)
            self.shapes.names.update(shapes.names)
            for v, array in cell.forward_mode(run, p).items():
                name = Derivative(v, p)
                self.raw[name] = array.reshape(self.T, *shapes.names[name])

    def label(self, name: str | Derivative, t: str) -> str:
        """The LaTeX of a name of the cell, or of a derivative, at step t."""
        if isinstance(name, Derivative):
            d = r"\partial " if name.alone else "d"
            above = TOTAL if name.of == TOTAL else self.label(name.of, t)
            below = self.label(name.by, t)
            if name.of != TOTAL and len(self.cell.shape(name.by)) == 2 and not name.alone:
                below = rf"\operatorname{{vec}}({below})"
            return rf"\frac{{{d}{above}}}{{{d}{below}}}"
        if name in self.cell.states:
            return symbol(self.cell.states[name], later(t, -1))
        return symbol(name) if name in self.fixed else symbol(name, t)

    @cached_property
    def room(self) -> float:
        """For a matrix, in digits: a line without its widest left-hand side, signs and brackets."""
        names = [symbol(name, "t") for name in [*self.cell.lines, *self.fixed]]
        names += [
            rf"\operatorname{{vec}}({symbol(name)})"
            for name in self.cell.forward_parameters
            if len(self.cell.shape(name)) == 2
        ]
        return LINE_WIDTH - max(symbol_width(f"d{name}") for name in names) - 7

    def matrix(self, values: Any, less: float = 0.0) -> Tex:
        """Numbers, beside something `less` digits wide."""
        return typeset(np.asarray(values), self.digits, self.room - less)

    def printer(self, t: int | str = "t", numbers: Any = None) -> Printer:
        return Printer(self.shapes, self.label, self.digits, self.room, str(t), numbers)

    def number(self, node: Node, t: str) -> Any:
        """What is put in for a part of a formula: exact numbers where there are such."""
        match node:
            case Index(u, detail=(i,)):
                return np.asarray(self.number(u, t))[i]
            case Slice(u, detail=(i, j)):
                return np.asarray(self.number(u, t))[i:j]
            case Name(name=name):
                array = self.exact.get(name, self.raw.get(name))
                return array if name in self.fixed else array[int(t)]
        value = self.evaluate(node, int(t))
        if names_in(node):
            return value
        return np.vectorize(lambda v: Fraction(int(v)), otypes=[object])(value)

    def evaluate(self, node: Node, step: int) -> np.ndarray:
        """The value of a formula at one step, run by itself."""

        def resolve(part: Node, at: int) -> Node:
            match part:
                case Name(name=name):
                    array = self.raw[name] if name in self.fixed else self.raw[name][at]
                    inputs[f"{name}@{at}"] = np.asarray(array, dtype=np.float64)
                    return Name(f"{name}@{at}")
                case Next(inner):
                    return resolve(inner, at + 1)
                case Operation(arguments=arguments):
                    return part.applied_to(*(resolve(argument, at) for argument in arguments))
            return part

        inputs: dict[str, np.ndarray] = {}
        formula = resolve(node, step)
        return evaluate(formula, inputs, Shapes({k: array.shape for k, array in inputs.items()}))

    def line(self, name: str | Derivative, formula: Node, step: int) -> Line:
        """The line of a name at one step, with its numbers."""
        result = self.raw[name][step]
        substituted = self.printer(step, self.number)(formula)
        pieces = [self.printer(step)(formula), substituted, self.matrix(result)]
        if substituted.text == pieces[-1].text:
            del pieces[1]
        lhs, recomputed = self.label(name, str(step)), self.evaluate(formula, step)
        return Line(f"{name}[{step}]", lhs, tuple(pieces), np.asarray(result), recomputed)

    def symbolic(self, name: str | Derivative, formula: Node) -> Line:
        """The line of a name at any step."""
        return Line(str(name), self.label(name, "t"), (self.printer()(formula),))

    def part(self, name: str, heading: str, lines: Sequence[Line], steps: bool = True) -> Part:
        """A part that says what is left out: steps, and rows or columns of any of its lines."""
        notes = [self.note] if steps and self.note else []
        texts = [piece.text for line in lines for piece in line.pieces]
        if any(r"\vdots" in text or r"& \cdots" in text for text in texts):
            notes.append(
                "Of vectors and matrices too large for the page the first three rows or columns and "
                "the last are shown."
            )
        return Part(name, heading, tuple(lines), " ".join(notes))

    # --- the parts

    def parts(self) -> list[Part]:
        return [
            self.definition(),
            self.forward_pass(),
            self.jacobians(),
            self.reverse(),
            self.immediate(),
            *self.if_asked(),
        ]

    def if_asked(self) -> list[Part]:
        """Forward mode by some parameters, and a step along the gradient of one."""
        update = self.cell.update
        forward = [self.forward_mode(parameter) for parameter in self.cell.forward_parameters]
        return [*forward, *([self.update(*update)] if update else [])]

    def given(self) -> list[Line]:
        """The parameters and constants."""
        arrays = self.cell.parameters | self.cell.constants
        return [Line(name, symbol(name), (self.matrix(a),), a) for name, a in arrays.items()]

    def definition(self) -> Part:
        lines = [self.symbolic(name, formula) for name, formula in self.cell.lines.items()]
        total = Tex(rf"\sum_{{t=0}}^{{{self.T - 1}}} \ell_{{t}}", 6)
        lines += [Line("total_loss", "L", (total,)), *self.given()]
        heading = "The cell, its loss and its parameters"
        return self.part("definition", heading, lines, steps=False)

    def forward_pass(self) -> Part:
        lines = [
            self.line(name, formula, t)
            for t in self.steps
            for name, formula in self.cell.lines.items()
        ]
        terms = [rf"\ell_{{{t}}}" for t in range(self.T)]
        lines.append(self.sum("L", "L", terms, self.run.losses))
        return self.part("forward_pass", "Forward pass", lines)

    def terms(self, shown: Sequence[Tex]) -> Tex:
        """The sum of the terms of the steps that are printed."""
        parts = []
        for k, (t, term) in enumerate(zip(self.steps, shown, strict=True)):
            if k and t != self.steps[k - 1] + 1:
                parts.append(Tex(r"+ \cdots", 3, 1))
            sign = "+ " if k and not term.text.startswith("-") else ""
            parts.append(Tex(sign + term.text, term.width + 2, 1))
        text = " ".join(part.text for part in parts)
        return Tex(text, sum(part.width for part in parts), 0, tuple(parts))

    def sum(self, name: str, lhs: str, terms: list[str], values: np.ndarray) -> Line:
        """lhs = sum over the steps of terms = of numbers = result."""
        symbols = self.terms([Tex(terms[t], symbol_width(terms[t])) for t in self.steps])
        numbers = self.terms([self.matrix(values[t]) for t in self.steps])
        result = values.sum(axis=0)
        return Line(name, lhs, (symbols, numbers, self.matrix(result)), result)

    def jacobians(self) -> Part:
        cell = self.cell
        lines = []
        for name, formula in cell.lines.items():
            for leaf in names_in(formula):
                if leaf in (INPUT, TARGET) or leaf in cell.constants:
                    continue
                if 2 in (len(cell.shape(name)), len(cell.shape(leaf))):
                    continue  # by a matrix: in forward mode, as vec
                if (jacobian := cell.jacobian_formula(name, leaf)) is not None:
                    lines += self._jacobian(name, leaf, jacobian)
        return self.part("jacobians", "The immediate derivative of each line", lines)

    def _jacobian(self, name: str, leaf: str, formula: Node) -> list[Line]:
        """One Jacobian in symbols and, if it changes from step to step, in numbers."""

        def lhs(t: str) -> str:
            above, below = self.label(name, t), self.label(leaf, t)
            return rf"\frac{{\partial^{{+}} {above}}}{{\partial {below}}}"

        key = f"jacobian.{Derivative(name, leaf)}"
        lines = [Line(key, lhs("t"), (self.printer()(formula),))]
        if self.fixed.issuperset(names_in(formula)):
            return lines
        shape = self.cell.shape(name) + self.cell.shape(leaf)
        values = self.cell.at_every_step(formula, self.run, self.shapes).reshape(self.T, *shape)
        for t in self.steps:
            pieces = (self.printer(t)(formula), self.matrix(values[t]))
            recomputed = self.evaluate(formula, t).reshape(shape)
            lines.append(Line(f"{key}[{t}]", lhs(str(t)), pieces, values[t], recomputed))
        return lines

    def reverse(self) -> Part:
        cell, formulas = self.cell, self.cell.adjoint_lines()
        lines = self._adjoints(formulas, {from_later(h): total(u) for u, h in cell.states.items()})
        sent = [total(previous) for previous in cell.states]
        lines += [self.line(name, formulas[name], 0) for name in sent if name in formulas]
        summed = [total(parameter) for parameter in cell.parameters]
        lines += [self._summed(name, formulas[name]) for name in summed if name in formulas]
        return self.part("reverse", "Reverse mode: backpropagation through time", lines)

    def immediate(self) -> Part:
        lines = self._adjoints(self.cell.adjoint_lines(through_time=False), {})
        return self.part("immediate", "The loss of one step, through that step alone", lines)

    def _adjoints(
        self, formulas: dict[Derivative, Node], sent: dict[Derivative, Derivative]
    ) -> list[Line]:
        """The gradients of the cell's own lines: in symbols, then step by step from the last.

        sent: what stands for what the next step sends back -> what that step calls it.
        """
        inner = {name: formula for name, formula in formulas.items() if name.by in self.cell.lines}
        later = {ours: Next(formulas[its]) for ours, its in sent.items() if its in formulas}
        general = {
            name: substitute(formula, later)
            for name, formula in _without(sent.keys() - later.keys(), inner).items()
        }
        lines = [self.symbolic(name, formula) for name, formula in general.items()]
        for t in reversed(self.steps):
            here = _without(sent.keys(), inner) if t + 1 == self.T else general
            lines += [self.line(name, formula, t) for name, formula in here.items()]
        return lines

    def _summed(self, name: Derivative, formula: Node) -> Line:
        """The gradient by a parameter, a sum over the steps."""
        summand = self.printer()(formula, level=1)
        symbols = summand.enclosed(rf"\sum_{{t=0}}^{{{self.T - 1}}} ", width=4)
        by_step = [self.evaluate(formula, t) for t in self.steps]
        result = self.gradients[name.by]
        pieces = (symbols, self.terms([self.matrix(term) for term in by_step]), self.matrix(result))
        recomputed = np.sum(by_step, axis=0) if len(by_step) == self.T else None
        return Line(str(name), self.label(name, "t"), pieces, result, recomputed)

    def forward_mode(self, parameter: str) -> Part:
        formulas = self.tangents[parameter]
        starts = [Derivative(previous, parameter) for previous in self.cell.states]
        starts = [name for name in starts if name in self.raw]
        lines = [self.symbolic(name, formula) for name, formula in formulas.items()]
        for t in self.steps:
            for name in starts:
                value = self.raw[name][t]
                pieces = (self.matrix(value),) if t else (Tex("0", 1), self.matrix(value))
                lines.append(Line(f"{name}[{t}]", self.label(name, str(t)), pieces, value))
            lines += [self.line(name, formula, t) for name, formula in formulas.items()]
        loss = Derivative(LOSS, parameter)
        terms = [self.label(loss, str(t)) for t in range(self.T)]
        whole = terms[0].replace(rf"d{symbol(LOSS, '0')}", "dL")
        lines.append(self.sum(f"{total(parameter)}.forwards", whole, terms, self.raw[loss]))
        heading = f"Forward mode: the sensitivity to \\({symbol(parameter)}\\)"
        return self.part(f"forward_mode.{parameter}", heading, lines)

    def update(self, parameter: str, rate: Fraction) -> Part:
        """One step of the given rate down the gradient, and the same step up."""
        p = symbol(parameter)
        derivative = rf"\frac{{dL}}{{d{p}}}"
        start = self.matrix(self.exact.get(parameter, self.raw[parameter]))
        step = number_latex(rate, 6) if rate.denominator == 1 else f"{float(rate):g}"
        slope = self.matrix(self.gradients[parameter], len(step) + 3)
        lines = []
        for sign, word, arrow in (("-", "down", r"\downarrow"), ("+", "up", r"\uparrow")):
            along = float(rate) if sign == "+" else -float(rate)
            new, loss = self.cell.stepped(self.run, self.gradients, parameter, along)
            width = symbol_width(p) + len(step) + symbol_width(derivative) + 4
            symbols = Tex(rf"{p} {sign} {step} \, {derivative}", width)
            change = Tex(rf"{sign} {step} \, {slope.text}", slope.width + len(step) + 3)
            text, width = f"{start.text} {change.text}", start.width + change.width
            numbers = Tex(text, width, 0, (start, change))
            name = Tex(p, 2).raised(arrow).text
            pieces = (symbols, numbers, self.matrix(new))
            lines.append(Line(f"{parameter}_{word}", name, pieces, new))
            lhs = rf"L\left({name}\right)"
            lines.append(Line(f"L_{word}_{parameter}", lhs, (self.matrix(loss),), np.asarray(loss)))
        return self.part(f"update.{parameter}", f"One step in \\({p}\\)", lines, steps=False)

    def names(self) -> list[tuple[str, str]]:
        """What each name is."""
        own = self.own_names(" of step t", "computed at step t")
        loss = (self.cell.meaning or {}).get(LOSS, "the loss of step t alone")
        return [
            *own,
            (symbol(LOSS, "t"), loss),
            ("L", "the total loss, the sum over the steps"),
            (
                r"\frac{\partial^{+} v_{t}}{\partial u_{t}}",
                "the immediate derivative of one line of the cell, all other names held fixed",
            ),
            (
                r"\frac{dL}{du_{t}}",
                "the total derivative of the total loss: through step t and all later steps",
            ),
            (
                r"\frac{\partial \ell_{t}}{\partial u_{t}}",
                "the derivative of the loss of step t through step t alone, the earlier state held fixed",
            ),
            (
                r"\frac{dv_{t}}{dp}",
                "the total derivative by a parameter: through step t and all earlier steps",
            ),
        ]

    def own_names(self, when: str, computed: str) -> list[tuple[str, str]]:
        """What each name is that the cell has, but its loss."""
        cell = self.cell
        words = {INPUT: f"the input{when}", TARGET: f"the target{when}"}
        words = {name: words[name] for name in cell.sequences}
        words |= dict.fromkeys(cell.parameters, "a parameter")
        words |= dict.fromkeys(cell.constants, "a fixed number, not differentiated")
        words |= dict.fromkeys(cell.lines, computed)
        words |= dict.fromkeys(cell.initial_state, "a state, carried from step to step")
        words |= cell.meaning or {}
        return [
            (self.label(name, "t"), f"{word} ({describe(cell.shape(name))})")
            for name, word in words.items()
            if name != LOSS
        ]


class _Function(_Builder):
    """What has one step and no state is a function: no step is printed, and its loss is L."""

    def label(self, name: str | Derivative, t: str) -> str:
        if name == LOSS:
            return TOTAL
        return super().label(name, t) if isinstance(name, Derivative) else symbol(name)

    def line(self, name: str | Derivative, formula: Node, step: int) -> Line:
        return replace(super().line(name, formula, step), name=str(name))

    def parts(self) -> list[Part]:
        self.raw |= {total(name): array[None] for name, array in self.gradients.parameters.items()}
        return [
            self.part("definition", "What is given", self.given()),
            self.numbers("forward_pass", "The function", self.cell.lines),
            self.jacobians(),
            self.numbers("reverse", "Reverse mode: backpropagation", self.cell.adjoint_lines()),
            *self.if_asked(),
        ]

    def numbers(self, name: str, heading: str, formulas: Mapping[Any, Node]) -> Part:
        """Each formula with its numbers."""
        return self.part(
            name, heading, [self.line(n, formula, 0) for n, formula in formulas.items()]
        )

    def _jacobian(self, name: str, leaf: str, formula: Node) -> list[Line]:
        general, *numbers = super()._jacobian(name, leaf, formula)
        return [replace(line, name=general.name) for line in numbers] or [general]

    def forward_mode(self, parameter: str) -> Part:
        heading = f"Forward mode: the sensitivity to \\({symbol(parameter)}\\)"
        return self.numbers(f"forward_mode.{parameter}", heading, self.tangents[parameter])

    def names(self) -> list[tuple[str, str]]:
        return [
            *self.own_names("", "computed"),
            ("L", (self.cell.meaning or {}).get(LOSS, "the loss")),
            (
                r"\frac{\partial^{+} v}{\partial u}",
                "the derivative of one line alone, all other names held fixed",
            ),
            (r"\frac{dv}{du}", "the total derivative, along every path"),
        ]


def _without(names: Set[Derivative], lines: dict[Derivative, Node]) -> dict[Derivative, Node]:
    """The lines without these names as terms; a line of nothing else is left out."""

    def rest(node: Node) -> Node | None:
        match node:
            case Name(name=name) if name in names:
                return None
            case Add(u, v):
                return plus(rest(u), rest(v))
        return node

    kept = {name: rest(formula) for name, formula in lines.items()}
    return {name: formula for name, formula in kept.items() if formula is not None}


def derive(cell: Recurrence, run: Run | None = None, *, digits: int = 4) -> Derivation:
    """The whole derivation: definition, forward pass, Jacobians, reverse mode, forward mode, update.

    digits: decimals of the numbers that are not exact.
    """
    run = run or cell.forward()
    kind = _Function if cell.steps == 1 and not cell.states else _Builder
    build = kind(cell, run, cell.reverse(run), digits)
    return Derivation(tuple(build.parts()), tuple(build.names()))


def readings(cell: Recurrence, run: Run, parameter: str) -> dict[str, np.ndarray]:
    """Both per-step tables of dL/dp, each (T, *shape of p), and their common sum.

    forward: dl_t/dp, of that step's own loss, through this step and all earlier ones.
    reverse: the term of step t in dL/dp = sum_t (...), what that step's use of p adds to the total
    loss, through this step and all later ones.
    Both split the same sum, so only the total is unambiguous; the rows differ.
    """
    gradients = cell.reverse(run)
    forward = cell.forward_mode(run, parameter)[LOSS]
    reverse = np.zeros_like(forward)
    if formula := cell.adjoint_lines().get(total(parameter)):
        reverse = cell.at_every_step(formula, run, cell.gradient_shapes, gradients.total)
    return {"forward": forward, "reverse": reverse, "total": gradients[parameter]}
