r"""A derivation that prints itself: equation = substituted matrices = result, line by line.

The lines come from the same formulas that compute the numbers (recurrence.py), so what is printed and
what is computed cannot differ. The LaTeX uses only amsmath's constructs (bmatrix, smallmatrix,
aligned), which MathJax and KaTeX know too.

Notation: \partial^+ v / \partial u is immediate, through one line of the cell alone; d is total.
l_t is the loss of step t alone, L the sum. \partial l_t / \partial u_t goes through step t alone.
Functions and powers of vectors act element by element. Components are counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from workings.derive.expression import Name, Node, Operation, names_in
from workings.derive.operations import Shape, Shapes, describe, plus, substitute
from workings.derive.program import Program
from workings.derive.recurrence import (
    INPUT,
    LOSS,
    TARGET,
    Gradients,
    Recurrence,
    Run,
    tangent_name,
)
from workings.derive.typesetting import (
    LINE_WIDTH,
    Printer,
    Tex,
    fragments,
    later,
    matrix_latex,
    number_latex,
    symbol,
    symbol_width,
    typeset,
)

MOST_STEPS = 10  # beyond: the first two and the last two


# --- lines -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One line: `lhs = equation = substituted = result`.

    name: how prose refers to it, `dL_dh[2]` for step 2; every name is used once. value: the raw
    numbers of the result.
    substituted and result are None where a line is symbolic only.
    """

    name: str
    lhs: str
    equation: str
    substituted: str | None = None
    result: str | None = None
    value: np.ndarray | None = None
    meaning: str = ""
    pieces: tuple[Tex, ...] = field(default=(), repr=False)
    recomputed: np.ndarray | None = field(default=None, repr=False)  # the equation, run by itself

    def rows(self, left: float | None = None) -> list[str]:
        """The rows of an `aligned`, `align` or `align*`, without the `\\\\` between them.

        left: the width, in digits, of the widest left-hand side that this one is aligned with.
        """
        rows: list[str] = []
        left = symbol_width(self.lhs) if left is None else left
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

    def latex(self) -> str:
        """The line by itself, for a display."""
        return "\\begin{aligned}\n" + " \\\\\n".join(self.rows()) + "\n\\end{aligned}"


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
    """All lines of a derivation in parts, with what each name means.

    names: (LaTeX of the name, what it is). `line(name)` finds a line, `part(name)` a part.
    """

    parts: tuple[Part, ...]
    names: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> list[Line]:
        return [line for part in self.parts for line in part.lines]

    @property
    def notes(self) -> list[str]:
        """What is elided, in sentences."""
        return [part.note for part in self.parts if part.note]

    def line(self, name: str) -> Line:
        for line in self.lines:
            if line.name == name:
                return line
        raise KeyError(f"no line `{name}`; there are {', '.join(line.name for line in self.lines)}")

    def part(self, name: str) -> Part:
        for part in self.parts:
            if part.name == name:
                return part
        raise KeyError(f"no part `{name}`; there are {', '.join(part.name for part in self.parts)}")

    def latex(self, part: str | None = None) -> str:
        """Every line as a display of its own, so that pages can break between them."""
        chosen = self.parts if part is None else (self.part(part),)
        return "\n".join(f"\\[\n{line.latex()}\n\\]" for p in chosen for line in p.lines)

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
    def __init__(
        self,
        cell: Recurrence,
        run: Run,
        gradients: Gradients,
        digits: int,
        forward: Sequence[str],
    ):
        self.cell, self.run, self.gradients, self.digits = cell, run, gradients, digits
        self.forward = forward
        self.T = cell.steps
        self.fixed = {*cell.parameters, *cell.constants}
        exact = {
            name: array
            for name, array in (cell.parameters | cell.constants).items()
            if array.dtype == object
        }
        self.printed = run.values | run.parameters | gradients.total | gradients.immediate
        self.raw = dict(self.printed)
        self.printed |= exact
        for name, array in (("x", cell.inputs), (TARGET, cell.targets)):
            if array is not None:
                self.printed[name] = array
        for previous, state in cell.states.items():
            first = cell.initial_state[state]
            self.printed[previous] = [first, *run[previous][1:]]
        if self.T > MOST_STEPS:
            self.steps = [0, 1, self.T - 2, self.T - 1]
            self.note = f"Steps 2 to {self.T - 3} are computed and checked like the others, but not printed."
        else:
            self.steps, self.note = list(range(self.T)), ""

    def label(self, name: str, t: str) -> str:
        """The LaTeX of a name of the cell, of its gradients or of its tangents, at step t."""
        if name in self.fixed:
            return symbol(name)
        for prefix, top in (("dL_d", "dL"), ("dl_d", rf"\partial \ell_{{{t}}}")):
            of = name.removeprefix(prefix)
            if prefix == "dl_d" and of in self.cell.parameters:
                continue  # of the loss by a parameter there is only the total
            if name.startswith(prefix) and of in self.cell.shapes.names:
                d = "d" if top == "dL" else r"\partial "
                below = self.label(of, t)
                return rf"\frac{{{top}}}{{{d}{below}}}"
        match = re.fullmatch(r"d(\w+)_d(\w+)", name)
        if match and name not in self.cell.shapes.names:
            below = symbol(match[2])
            if len(self.cell.shape(match[2])) == 2:
                below = rf"\operatorname{{vec}}({below})"
            above = LOSS if match[1] == "l" else match[1]
            return rf"\frac{{d{self.label(above, t)}}}{{d{below}}}"
        if name in self.cell.states:
            return symbol(self.cell.states[name], later(t, -1))
        return symbol(name, t)

    @cached_property
    def room(self) -> float:
        """For a matrix, in digits: a line without its widest left-hand side, signs and brackets."""
        names = [symbol(name, "t") for name in [*self.cell.lines, *self.fixed]]
        names += [
            rf"\operatorname{{vec}}({symbol(name)})"
            for name in self.forward
            if len(self.cell.shape(name)) == 2
        ]
        return LINE_WIDTH - max(symbol_width(f"d{name}") for name in names) - 7

    def matrix(self, values: Any, less: float = 0.0) -> Tex:
        """Numbers, beside something `less` digits wide."""
        return typeset(np.asarray(values), self.digits, self.room - less)

    def numbers(self, values: dict[str, Any], shapes: Shapes) -> Callable[[Node, str], Any]:
        def value(node: Node, t: str) -> Any:
            step = int(t)
            if isinstance(node, Operation) and node.kind == "index":
                return np.asarray(value(node.arguments[0], t))[node.detail[0]]
            if isinstance(node, Operation) and node.kind == "slice":
                return np.asarray(value(node.arguments[0], t))[slice(*node.detail)]
            if isinstance(node, Name):
                array = values[node.name]
                return array if node.name in self.fixed else array[step]
            if not names_in(node):
                exact = self.evaluate(node, step, values, shapes)
                return np.vectorize(lambda v: Fraction(int(v)), otypes=[object])(exact)
            return self.evaluate(node, step, values, shapes)

        return value

    def evaluate(self, node: Node, step: int, values: dict[str, Any], shapes: Shapes) -> np.ndarray:
        """The value of a formula at one step, run by itself."""

        def resolve(part: Node, at: int) -> Node:
            if isinstance(part, Name):
                array = values[part.name]
                array = array if part.name in self.fixed else array[at]
                key = f"{part.name}@{at}"
                inputs[key] = np.asarray(array, dtype=np.float64)
                return Name(key)
            if isinstance(part, Operation):
                if part.kind == "next":
                    return resolve(part.arguments[0], at + 1)
                arguments = tuple(resolve(argument, at) for argument in part.arguments)
                return Operation(part.kind, arguments, part.detail)
            return part

        inputs: dict[str, np.ndarray] = {}
        formula = resolve(node, step)
        known = Shapes({name: array.shape for name, array in inputs.items()})
        program = Program({"value": formula}, known, [], inputs)
        return np.asarray(program.run(inputs, 1)["value"])

    def line(
        self,
        name: str,
        lhs: str,
        formula: Node,
        shapes: Shapes,
        values: dict[str, Any],
        step: int,
        result: Any,
        meaning: str = "",
    ) -> Line:
        """A line with numbers at one step."""
        printer = Printer(shapes, self.label, self.digits, self.room)
        equation = printer(formula, str(step))
        shown = {**values, **{k: v for k, v in self.printed.items() if k not in values}}
        substituted = printer(formula, str(step), self.numbers(shown, shapes))
        outcome = self.matrix(result)
        pieces = [equation, substituted, outcome]
        if substituted.text == outcome.text:
            pieces = [equation, outcome]
        return Line(
            name,
            lhs,
            equation.text,
            substituted.text,
            outcome.text,
            np.asarray(result),
            meaning,
            tuple(pieces),
            self.evaluate(formula, step, {**self.raw, **values}, shapes),
        )

    def symbolic(
        self, name: str, lhs: str, formula: Node, shapes: Shapes, meaning: str = ""
    ) -> Line:
        equation = Printer(shapes, self.label, self.digits, self.room)(formula, "t")
        return Line(name, lhs, equation.text, meaning=meaning, pieces=(equation,))

    # --- the parts

    def definition(self) -> Part:
        cell = self.cell
        lines = []
        for name, formula in cell.lines.items():
            lines.append(self.symbolic(name, self.label(name, "t"), formula, cell.shapes))
        total = Tex(rf"\sum_{{t=0}}^{{{self.T - 1}}} \ell_{{t}}", 6)
        lines.append(Line("total_loss", "L", total.text, pieces=(total,)))
        for name, array in (cell.parameters | cell.constants).items():
            value = self.matrix(array)
            lines.append(
                Line(name, symbol(name), value.text, None, value.text, array, pieces=(value,))
            )
        return Part(
            "definition",
            "The cell, its loss and its parameters",
            tuple(lines),
            self._notes(lines, steps=False),
        )

    def forward_pass(self) -> Part:
        lines = []
        for t in self.steps:
            for name, formula in self.cell.lines.items():
                lines.append(
                    self.line(
                        f"{name}[{t}]", self.label(name, str(t)), formula, self.cell.shapes, {}, t,
                        self.run[name][t],
                    )
                )  # fmt: skip
        losses = self._sum("L", "L", [rf"\ell_{{{t}}}" for t in range(self.T)], self.run.losses)
        return Part("forward_pass", "Forward pass", (*lines, losses), self._notes(lines))

    def _notes(self, lines: Sequence[Line], steps: bool = True) -> str:
        """What is left out: steps, and rows or columns of any of these lines."""
        notes = [self.note] if steps and self.note else []
        texts = [piece.text for line in lines for piece in line.pieces]
        if any(r"\vdots" in text or r"& \cdots" in text for text in texts):
            notes.append(
                "Of vectors and matrices too large for the page the first three rows or columns and "
                "the last are shown."
            )
        return " ".join(notes)

    def _sum(
        self, name: str, lhs: str, terms: list[str], values: np.ndarray, total: Any = None
    ) -> Line:
        """lhs = sum of terms = numbers = result."""
        total = values.sum(axis=0) if total is None else total
        shown = self.steps

        def joined(texts: Sequence[str], widths: Sequence[float]) -> Tex:
            parts = []
            for k, t in enumerate(shown):
                if k and t != shown[k - 1] + 1:
                    parts.append(Tex(r"+ \cdots", 3, 1))
                text = texts[k] if not k or texts[k].startswith("-") else f"+ {texts[k]}"
                parts.append(Tex(text, widths[k] + 2, 1))
            whole = " ".join(part.text for part in parts)
            return Tex(whole, sum(part.width for part in parts), 0, tuple(parts))

        chosen = [terms[t] for t in shown]
        symbols = joined(chosen, [symbol_width(term) for term in chosen])
        matrices = [self.matrix(values[t]) for t in shown]
        numeric = joined([m.text for m in matrices], [m.width for m in matrices])
        outcome = self.matrix(total)
        return Line(
            name, lhs, symbols.text, numeric.text, outcome.text, np.asarray(total),
            pieces=(symbols, numeric, outcome), recomputed=values.sum(axis=0),
        )  # fmt: skip

    def jacobians(self) -> Part:
        lines = []
        for name, formula in self.cell.lines.items():
            for leaf in names_in(formula):
                if leaf in (INPUT, TARGET) or leaf in self.cell.constants:
                    continue
                if 2 in (len(self.cell.shape(name)), len(self.cell.shape(leaf))):
                    continue  # by a matrix: in forward mode, as vec
                jacobian = self.cell.jacobian_formula(name, leaf)
                if jacobian is None:
                    continue
                top, bottom = self.label(name, "t"), self.label(leaf, "t")
                lhs = rf"\frac{{\partial^{{+}} {top}}}{{\partial {bottom}}}"
                key = f"jacobian.d{'l' if name == LOSS else name}_d{leaf}"
                meaning = (
                    "a column: the gradient of a scalar" if self.cell.shape(name) == () else ""
                )
                lines.append(self.symbolic(key, lhs, jacobian, self.cell.shapes, meaning))
                if self._moves(jacobian):
                    values = self.cell.jacobian(self.run, name, leaf)
                    for t in self.steps:
                        lhs = (
                            rf"\frac{{\partial^{{+}} {self.label(name, str(t))}}}"
                            rf"{{\partial {self.label(leaf, str(t))}}}"
                        )
                        lines.append(
                            self._jacobian_line(f"{key}[{t}]", lhs, jacobian, t, values[t])
                        )
        return Part(
            "jacobians", "The immediate derivative of each line", tuple(lines), self._notes(lines)
        )

    def _moves(self, jacobian: Node) -> bool:
        return not self.fixed.issuperset(names_in(jacobian))

    def _jacobian_line(self, name: str, lhs: str, formula: Node, t: int, value: np.ndarray) -> Line:
        equation = Printer(self.cell.shapes, self.label, self.digits, self.room)(formula, str(t))
        outcome = self.matrix(value)
        return Line(
            name, lhs, equation.text, None, outcome.text, np.asarray(value),
            pieces=(equation, outcome),
            recomputed=self.evaluate(formula, t, self.raw, self.cell.shapes).reshape(value.shape),
        )  # fmt: skip

    def adjoints(self, through_time: bool) -> Part:
        cell = self.cell
        d = "dL_d" if through_time else "dl_d"
        shapes = cell.gradient_shapes
        lines_of = cell.adjoint_lines(through_time)
        carried = {
            f"carry_{state}": Operation("next", (lines_of[f"dL_d{previous}"],))
            for previous, state in cell.states.items()
            if through_time and f"dL_d{previous}" in lines_of
        }
        values = self.gradients.total if through_time else self.gradients.immediate
        lines: list[Line] = []
        inner = {
            name: formula
            for name, formula in lines_of.items()
            if name.removeprefix(d) not in cell.parameters
            and name.removeprefix(d) not in cell.states
        }
        for name, formula in inner.items():
            general = _drop_names(substitute(formula, carried), ["carry_"])
            if general is not None:
                lines.append(self.symbolic(name, self.label(name, "t"), general, shapes))
        for t in reversed(self.steps):
            for name, formula in inner.items():
                here = substitute(formula, carried) if t + 1 < self.T else formula
                here = _drop_names(here, ["carry_"])
                if here is None:
                    continue  # nothing after the last step depends on it
                lhs = self.label(name, str(t))
                lines.append(self.line(f"{name}[{t}]", lhs, here, shapes, {}, t, values[name][t]))
        if through_time:
            for previous in cell.states:
                formula = lines_of.get(f"dL_d{previous}")
                if formula is not None:
                    name = f"dL_d{previous}"
                    lhs = self.label(name, "0")
                    lines.append(
                        self.line(f"{name}[0]", lhs, formula, shapes, {}, 0, values[name][0])
                    )
            for parameter in cell.parameters:
                lines += self._parameter_gradient(parameter, lines_of.get(f"dL_d{parameter}"))
            heading = "Reverse mode: backpropagation through time"
            return Part("reverse", heading, tuple(lines), self._notes(lines))
        heading = "The loss of one step, through that step alone"
        return Part("immediate", heading, tuple(lines), self._notes(lines))

    def _parameter_gradient(self, parameter: str, formula: Node | None) -> list[Line]:
        name = f"dL_d{parameter}"
        lhs = rf"\frac{{dL}}{{d{symbol(parameter)}}}"
        if formula is None:
            return []
        shapes = self.cell.gradient_shapes
        printer = Printer(shapes, self.label, self.digits, self.room)
        summand = printer(formula, "t")
        bracketed = summand.within(1)
        symbols = bracketed.enclosed(rf"\sum_{{t=0}}^{{{self.T - 1}}} ", width=4)
        terms = np.stack(
            [self.evaluate(formula, t, self.raw, shapes) for t in range(self.T)]
            if self.T <= MOST_STEPS
            else [self.evaluate(formula, t, self.raw, shapes) for t in self.steps]
        )
        total = self.gradients[parameter]
        every = terms if self.T <= MOST_STEPS else None
        shown = [self.matrix(term) for term in terms]
        parts = [
            Tex(m.text if k == 0 else f"+ {m.text}", m.width + 2, 1) for k, m in enumerate(shown)
        ]
        if self.T > MOST_STEPS:
            parts.insert(2, Tex(r"+ \cdots", 3, 1))
        whole = " ".join(part.text for part in parts)
        numeric = Tex(whole, sum(part.width for part in parts), 0, tuple(parts))
        outcome = self.matrix(total)
        return [
            Line(
                name, lhs, symbols.text, numeric.text, outcome.text, total,
                pieces=(symbols, numeric, outcome),
                recomputed=None if every is None else every.sum(axis=0),
            )
        ]  # fmt: skip

    def forward_mode(self, parameter: str) -> Part:
        cell = self.cell
        formulas, shapes = cell.tangent_lines(parameter)
        sensitivity = cell.forward_mode(self.run, parameter)
        values = {
            key: array.reshape(self.T, *shapes.names[key])
            for key, array in sensitivity.derivatives.items()
        }
        lines = [
            self.symbolic(name, self.label(name, "t"), formula, shapes)
            for name, formula in formulas.items()
        ]
        for t in self.steps:
            for previous, state in cell.states.items():
                key = tangent_name(previous, parameter)
                if key in values:
                    lhs = self.label(key, str(t))
                    equation = Tex(
                        r"0" if t == 0 else self.label(tangent_name(state, parameter), str(t - 1)),
                        4,
                    )
                    result = self.matrix(values[key][t])
                    pieces = (result,) if t else (Tex("0", 1), result)
                    lines.append(
                        Line(
                            f"{key}[{t}]", lhs, equation.text, None, result.text, values[key][t],
                            pieces=pieces,
                        )
                    )  # fmt: skip
            for name, formula in formulas.items():
                lhs = self.label(name, str(t))
                lines.append(
                    self.line(f"{name}[{t}]", lhs, formula, shapes, values, t, values[name][t])
                )
        below = self.label(tangent_name(LOSS, parameter), "t").partition("}{")[2]
        terms = [rf"\frac{{d\ell_{{{t}}}}}{{{below}" for t in range(self.T)]
        per_step = values[tangent_name(LOSS, parameter)]
        lines.append(
            self._sum(f"dL_d{parameter}.forwards", rf"\frac{{dL}}{{{below}", terms, per_step)
        )
        heading = f"Forward mode: the sensitivity to \\({symbol(parameter)}\\)"
        return Part(f"forward_mode.{parameter}", heading, tuple(lines), self._notes(lines))

    def update(self, parameter: str, rate: Fraction) -> Part:
        """One step of the given rate down the gradient, and the same step up."""
        gradient = self.gradients[parameter]
        start = self.matrix(self.printed[parameter])
        step = number_latex(rate, 6) if rate.denominator == 1 else f"{float(rate):g}"
        slope = self.matrix(gradient, len(step) + 3)
        lines = []
        for sign, word in ((-1, "down"), (+1, "up")):
            new, loss = self.cell.stepped(self.run, self.gradients, parameter, sign * float(rate))
            plus_or_minus = "+" if sign > 0 else "-"
            derivative = rf"\frac{{dL}}{{d{symbol(parameter)}}}"
            symbols = Tex(
                rf"{symbol(parameter)} {plus_or_minus} {step} \, {derivative}",
                symbol_width(symbol(parameter)) + len(step) + symbol_width(derivative) + 4,
            )
            change = Tex(rf"{plus_or_minus} {step} \, {slope.text}", slope.width + len(step) + 3)
            numeric = Tex(
                f"{start.text} {change.text}", start.width + change.width, 0, (start, change)
            )
            outcome = self.matrix(new)
            arrow = r"\downarrow" if sign < 0 else r"\uparrow"
            name = Tex(symbol(parameter), 2).raised(arrow).text
            lines.append(
                Line(
                    f"{parameter}_{word}", name, symbols.text,
                    numeric.text, outcome.text, new, f"{parameter} after a step {word} the gradient",
                    (symbols, numeric, outcome),
                )
            )  # fmt: skip
            outcome = self.matrix(loss)
            lines.append(
                Line(
                    f"L_{word}_{parameter}", rf"L\left({name}\right)",
                    outcome.text, None, outcome.text, np.asarray(loss), f"the loss after a step {word}",
                    (outcome,),
                )
            )  # fmt: skip
        return Part(
            f"update.{parameter}",
            f"One step in \\({symbol(parameter)}\\)",
            tuple(lines),
            self._notes(lines, steps=False),
        )

    def names(self) -> list[tuple[str, str]]:
        """What each name is."""
        cell = self.cell
        given = dict(cell.meaning or {})
        result = []

        def add(name: str, t: str, default: str) -> None:
            words = given.get(name, default)
            result.append((self.label(name, t), f"{words} ({describe(cell.shape(name))})"))

        if cell.inputs is not None:
            add(INPUT, "t", "the input of step t")
        if cell.targets is not None:
            add(TARGET, "t", "the target of step t")
        for name in cell.parameters:
            add(name, "t", "a parameter")
        for name in cell.constants:
            add(name, "t", "a fixed number, not differentiated")
        for name in cell.lines:
            if name in cell.initial_state:
                add(name, "t", "a state, carried from step to step")
            elif name != LOSS:
                add(name, "t", "computed at step t")
        result.append((symbol(LOSS, "t"), given.get(LOSS, "the loss of step t alone")))
        result.append(("L", "the total loss, the sum over the steps"))
        u, v = "u", "v"
        result += [
            (
                rf"\frac{{\partial^{{+}} {v}_{{t}}}}{{\partial {u}_{{t}}}}",
                "the immediate derivative of one line of the cell, all other names held fixed",
            ),
            (
                rf"\frac{{dL}}{{d{u}_{{t}}}}",
                "the total derivative of the total loss: through step t and all later steps",
            ),
            (
                rf"\frac{{\partial \ell_{{t}}}}{{\partial {u}_{{t}}}}",
                "the derivative of the loss of step t through step t alone, the earlier state held fixed",
            ),
            (
                rf"\frac{{d{v}_{{t}}}}{{dp}}",
                "the total derivative by a parameter: through step t and all earlier steps",
            ),
        ]
        return result


def _drop_names(node: Node, prefixes: Iterable[str]) -> Node | None:
    """A sum without the terms that are a bare name with one of the prefixes."""
    if isinstance(node, Name) and any(node.name.startswith(prefix) for prefix in prefixes):
        return None
    if isinstance(node, Operation) and node.kind == "add":
        return plus(*(_drop_names(argument, prefixes) for argument in node.arguments))
    return node


def derive(
    cell: Recurrence,
    run: Run | None = None,
    *,
    digits: int = 4,
    forward_parameters: Sequence[str] | None = None,
) -> Derivation:
    """The whole derivation: definition, forward pass, Jacobians, reverse mode, forward mode, update.

    digits: decimals of the numbers that are not exact. forward_parameters: those whose sensitivities
    are derived forwards too (default: what the config names).
    """
    run = run or cell.forward()
    gradients = cell.reverse(run)
    forward = cell.forward_parameters if forward_parameters is None else forward_parameters
    build = _Builder(cell, run, gradients, digits, forward)
    parts = [
        build.definition(),
        build.forward_pass(),
        build.jacobians(),
        build.adjoints(through_time=True),
        build.adjoints(through_time=False),
        *(build.forward_mode(parameter) for parameter in forward),
        *(build.update(parameter, rate) for parameter, rate in cell.updates),
    ]
    return Derivation(tuple(parts), tuple(build.names()))


def readings(cell: Recurrence, run: Run, parameter: str) -> dict[str, np.ndarray]:
    """Both per-step tables of dL/dp, each (T, *shape of p), and their common sum.

    forward: dl_t/dp, of that step's own loss, through this step and all earlier ones.
    reverse: the term of step t in dL/dp = sum_t (...), what that step's use of p adds to the total
    loss, through this step and all later ones.
    Both split the same sum, so only the total is unambiguous; the rows differ.
    """
    gradients = cell.reverse(run)
    forward = cell.forward_mode(run, parameter).per_step
    formula = cell.adjoint_lines().get(f"dL_d{parameter}")
    shape: Shape = (cell.steps, *cell.shape(parameter))
    reverse = np.zeros(shape)
    if formula is not None:
        values = run.values | run.parameters | gradients.total
        timed = [name for name in values if name not in cell.parameters]
        timed = [name for name in timed if name not in cell.constants]
        fixed = [*cell.parameters, *cell.constants]
        program = Program({"term": formula}, cell.gradient_shapes, timed, fixed)
        reverse = np.broadcast_to(program.run(values, cell.steps, run.arithmetic)["term"], shape)
    return {"forward": forward, "reverse": reverse, "total": gradients[parameter]}


__all__ = ["Derivation", "Line", "Part", "derive", "matrix_latex", "readings", "symbol"]
