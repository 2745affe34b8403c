r"""A derivation that prints itself: the recurrences in symbols, one step with its numbers, a table by
steps for each pass, and all lines as equation = substituted matrices = result.

All come from the same formulas that compute the numbers (recurrence.py), so what is printed and
what is computed cannot differ.

Notation: \partial^+ v / \partial u is immediate, through one line of the cell alone; d is total.
l_t is the loss of step t alone, L the sum. \partial l_t / \partial u_t goes through step t alone.
Functions and powers of vectors act element by element. Components are counted from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
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
from workings.derive.lines import (
    ELIDED,
    Derivation,
    Line,
    Part,
    Quantity,
    Table,
    by_steps,
    is_elided,
    left_out,
)
from workings.derive.operations import Add, Index, Next, Slice, plus
from workings.derive.program import evaluate
from workings.derive.recurrence import Gradients, Recurrence, Run
from workings.derive.symbols import symbol, symbol_width
from workings.derive.typesetting import (
    LINE_WIDTH,
    Printer,
    Tex,
    later,
    number_latex,
    typeset,
)

MOST_STEPS = 10  # with their results; beyond: the first two and the last two
MOST_ROWS = 2  # of a sum with all its terms
MOST_LINES = 120  # with their formulas; beyond: those of the first step and the last

Formulas = Mapping[Any, Node]  # name -> formula


@dataclass(frozen=True)
class Pass:
    """One way through the steps.

    general: its formulas at any step. at: those of one step. sums: over the steps, in symbols.
    start: of forward mode, at step -1.
    """

    name: str
    heading: str
    general: Formulas
    at: Callable[[int], Formulas]
    sums: tuple[Line, ...] = ()
    start: tuple[Line, ...] = ()
    backwards: bool = False


class _Builder:
    def __init__(self, cell: Recurrence, run: Run, gradients: Gradients, digits: int, width: float):
        self.cell, self.run, self.gradients = cell, run, gradients
        self.digits, self.width = digits, width
        self.T = cell.steps
        self.fixed = {*cell.parameters, *cell.constants}
        self.raw = run.values | run.parameters | gradients.total | gradients.immediate
        given = cell.parameters | cell.constants
        exact = {name: array for name, array in given.items() if array.dtype == object}
        self.exact = exact | cell.sequences
        for previous, state in cell.states.items():
            self.exact[previous] = [cell.initial_state[state], *run[previous][1:]]
        self.worked = self.T - 1 if cell.worked_step is None else cell.worked_step
        ends = {0, 1, self.T - 2, self.T - 1, self.worked}
        self.steps = list(range(self.T)) if self.T <= MOST_STEPS else sorted(ends)

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
        return self.width - max(symbol_width(f"d{name}") for name in names) - 7

    def matrix(self, values: Any, less: float = 0.0) -> Tex:
        """Numbers, beside something `less` digits wide."""
        return typeset(np.asarray(values), self.digits, self.room - less)

    def printer(self, t: int | str = "t", numbers: Any = None) -> Printer:
        room = self.room if numbers else self.room - (self.width - LINE_WIDTH)
        return Printer(self.shapes, self.label, self.digits, room, str(t), numbers)

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

    # --- lines and parts

    def line(self, name: str | Derivative, formula: Node, step: int) -> Line:
        """The line of a name at one step, with its numbers."""
        result = self.raw[name][step]
        substituted = self.printer(step, self.number)(formula)
        pieces = [self.printer(step)(formula), substituted, self.matrix(result)]
        if substituted.text == pieces[-1].text:
            del pieces[1]
        lhs, recomputed = self.label(name, str(step)), self.evaluate(formula, step)
        return Line(f"{name}[{step}]", lhs, tuple(pieces), np.asarray(result), recomputed)

    def symbolic(self, formulas: Formulas) -> list[Line]:
        """The line of each name at any step."""
        return [
            Line(str(name), self.label(name, "t"), (self.printer()(formula),))
            for name, formula in formulas.items()
        ]

    def part(self, name: str, heading: str, lines: Iterable[Line], note: str = "") -> Part:
        """A part with numbers, which says what is left out."""
        lines = tuple(lines)
        if is_elided(piece.text for line in lines for piece in line.pieces):
            note = f"{note} {ELIDED}".strip()
        return Part(name, heading, lines, note, self.width)

    def given(self) -> list[Line]:
        """The parameters and constants."""
        arrays = self.cell.parameters | self.cell.constants
        return [Line(name, symbol(name), (self.matrix(a),), a) for name, a in arrays.items()]

    # --- the passes

    @cached_property
    def passes(self) -> list[Pass]:
        """Forwards, backwards, and forward mode by each parameter that is asked for."""
        lines, adjoints = self.cell.lines, self.cell.adjoint_lines()
        loss = self.summed(TOTAL, TOTAL, Tex(symbol(LOSS, "t"), 2))
        by_parameter = [
            self.summed(name, self.label(name, "t"), self.printer()(adjoints[name], level=1))
            for name in map(total, self.cell.parameters)
        ]
        sent = {from_later(h): total(u) for u, h in self.cell.states.items()}
        heading = "Reverse mode: backpropagation through time"
        return [
            Pass("forward_pass", "Forward pass", lines, lambda t: lines, (loss,)),
            replace(self.backwards("reverse", heading, adjoints, sent), sums=tuple(by_parameter)),
            *map(self.forward_mode, self.cell.forward_parameters),
        ]

    def summed(self, name: str | Derivative, lhs: str, term: Tex) -> Line:
        """lhs = the sum of a term over the steps, in symbols."""
        whole = term.enclosed(rf"\sum_{{t=0}}^{{{self.T - 1}}} ", width=4)
        return Line(f"sum.{name}", lhs, (whole,))

    def alone(self) -> Pass:
        """The gradient of the loss of one step, through that step alone."""
        heading = "The loss of one step, through that step alone"
        return self.backwards("alone", heading, self.cell.adjoint_lines(through_time=False), {})

    def backwards(
        self, name: str, heading: str, formulas: Formulas, sent: Mapping[Derivative, Derivative]
    ) -> Pass:
        """The gradients by the cell's own lines, from the last step back.

        sent: what stands for what the next step sends back -> what that step calls it.
        """
        inner = {name: formula for name, formula in formulas.items() if name.by in self.cell.lines}
        first = {name: formulas[name] for name in sent.values() if name in formulas}
        later = {ours: Next(formulas[its]) for ours, its in sent.items() if its in formulas}
        last = _without(sent.keys(), inner)
        general = {
            name: substitute(formula, later)
            for name, formula in _without(sent.keys() - later.keys(), inner).items()
        }

        def at(t: int) -> Formulas:
            return (last if t + 1 == self.T else general) | (first if t == 0 else {})

        return Pass(name, heading, general, at, backwards=True)

    def forward_mode(self, parameter: str) -> Pass:
        """The sensitivities to a parameter; none to begin with."""
        formulas, whole, starts = self.tangents[parameter], total(parameter), []
        for previous, state in self.cell.states.items():
            if Derivative(previous, parameter) in self.raw:
                name = Derivative(state, parameter)
                value = self.raw[Derivative(previous, parameter)][0]
                starts.append(Line(f"{name}[-1]", self.label(name, "-1"), (Tex("0", 1),), value))
        term = self.label(Derivative(LOSS, parameter), "t")
        summed = self.summed(f"{whole}.forwards", self.label(whole, "t"), Tex(term, 3))
        name = f"forward_mode.{parameter}"
        heading = f"Forward mode: the sensitivity to \\({symbol(parameter)}\\)"
        return Pass(name, heading, formulas, lambda t: formulas, (summed,), tuple(starts))

    @cached_property
    def numbers(self) -> dict[str, dict[int, list[Line]]]:
        """The lines of each pass, and of the loss alone, at each step, in the order of the pass."""
        return {
            one.name: {
                t: [self.line(name, formula, t) for name, formula in one.at(t).items()]
                for t in (reversed(self.steps) if one.backwards else self.steps)
            }
            for one in (*self.passes, self.alone())
        }

    # --- what is printed

    def derivation(self) -> Derivation:
        worked = [line for one in self.passes for line in self.numbers[one.name][self.worked]]
        sums, updates = self.part("sums", "The sums over the steps", self.sums()), self.updates()
        results = [line for part in (sums, *updates) for line in part.lines]
        groups = {
            "given": [self.part("given", "What is given", self.given())],
            "recurrences": [
                Part(
                    one.name,
                    one.heading,
                    tuple(self.symbolic(one.general)),
                    sums=(*one.start, *one.sums),
                )
                for one in self.passes
            ],
            "worked": [self.part("worked", "One step in numbers", worked)],
            "sums": [sums],
            "update": updates,
            "parts": self.in_full([*worked, *results]) if self.cell.full_lines else [],
        }
        lines = [
            *self.given(),
            *(line for one in self.passes for line in one.start),
            *(line for steps in self.numbers.values() for lines in steps.values() for line in lines),
            *(line for _, by_step in self.jacobians for line in by_step.values()),
            *results,
        ]  # fmt: skip
        return Derivation(groups, self.tables(), lines, self.names())

    def in_full(self, printed: Sequence[Line]) -> list[Part]:
        """The lines that are not printed elsewhere, each value once."""
        one_step = sum(len(steps[self.worked]) for steps in self.numbers.values())
        many = len(self.steps) * one_step > MOST_LINES
        steps = [0, self.T - 1] if many else self.steps
        sources = []
        for one in (*self.passes, alone := self.alone()):
            chosen = {*steps} - ({self.worked} if one.name != alone.name else set())
            by_step = self.numbers[one.name].items()
            lines = [line for t, lines in by_step if t in chosen for line in lines]
            sources.append((one.name, one.heading, lines))
        lines = []
        for general, by_step in self.jacobians:
            lines += [general, *(by_step[t] for t in steps if by_step)]
        sources.append(("jacobians", "The immediate derivative of each line", lines))
        known = {_bytes(line): line.lhs for line in printed}
        parts = []
        for name, heading, lines in sources:
            new, equal = [], []
            for line in lines:
                if known.setdefault(_bytes(line), line.lhs) == line.lhs:
                    new.append(line)
                else:
                    equal.append(rf"\({line.lhs} = {known[_bytes(line)]}\)")
            notes = [left_out([*steps, self.worked])]
            notes += [f"Not repeated: {', '.join(equal)}."] if equal else []
            if new:
                parts.append(self.part(name, heading, new, " ".join(filter(None, notes))))
        return parts

    @cached_property
    def jacobians(self) -> list[tuple[Line, dict[int, Line]]]:
        """Each immediate Jacobian in symbols and, if it changes from step to step, in numbers."""
        found = []
        for name, formula in self.cell.lines.items():
            for leaf in names_in(formula):
                if leaf in (INPUT, TARGET) or leaf in self.cell.constants:
                    continue
                if 2 in (len(self.cell.shape(name)), len(self.cell.shape(leaf))):
                    continue  # by a matrix: in forward mode, as vec
                if (jacobian := self.cell.jacobian_formula(name, leaf)) is not None:
                    found.append(self._jacobian(name, leaf, jacobian))
        return found

    def _jacobian(self, name: str, leaf: str, formula: Node) -> tuple[Line, dict[int, Line]]:
        def lhs(t: str) -> str:
            above, below = self.label(name, t), self.label(leaf, t)
            return rf"\frac{{\partial^{{+}} {above}}}{{\partial {below}}}"

        key = f"jacobian.{Derivative(name, leaf)}"
        general = Line(key, lhs("t"), (self.printer()(formula),))
        if self.fixed.issuperset(names_in(formula)):
            return general, {}
        shape = self.cell.shape(name) + self.cell.shape(leaf)
        values = self.cell.at_every_step(formula, self.run, self.shapes).reshape(self.T, *shape)
        by_step = {}
        for t in self.steps:
            pieces = (self.printer(t)(formula), self.matrix(values[t]))
            recomputed = self.evaluate(formula, t).reshape(shape)
            by_step[t] = Line(f"{key}[{t}]", lhs(str(t)), pieces, values[t], recomputed)
        return general, by_step

    def sums(self) -> list[Line]:
        """What is summed over the steps, in numbers."""
        adjoints = self.cell.adjoint_lines()
        lines = [self.sum(TOTAL, TOTAL, self.run.losses)]
        for parameter in self.cell.parameters:
            name = total(parameter)
            by_step = np.array([self.evaluate(adjoints[name], t) for t in range(self.T)])
            line = self.sum(str(name), self.label(name, "t"), by_step)
            lines.append(replace(line, value=self.gradients[parameter], recomputed=line.value))
        return lines

    def sum(self, name: str, lhs: str, terms: np.ndarray) -> Line:
        """lhs = the terms of the steps = their sum; of many, the first and the last."""
        result = terms.sum(axis=0)
        for steps in (self.steps, [0, self.T - 1]):
            shown = self.terms({t: self.matrix(terms[t]) for t in steps})
            if shown.width <= MOST_ROWS * self.width:
                break
        return Line(name, lhs, (shown, self.matrix(result)), result)

    @staticmethod
    def terms(by_step: Mapping[int, Tex]) -> Tex:
        """The sum of the terms of steps, with dots for those that are left out."""
        parts: list[Tex] = []
        before = -1
        for t, term in by_step.items():
            if t != before + 1:
                parts.append(Tex(r"+ \cdots", 3, 1))
            sign = "+ " if parts and not term.text.startswith("-") else ""
            parts.append(Tex(sign + term.text, term.width + 2, 1))
            before = t
        text = " ".join(part.text for part in parts)
        return Tex(text, sum(part.width for part in parts), 0, tuple(parts))

    def tables(self) -> list[Table]:
        """Each pass by steps, with the inputs and the initial state."""
        captions = {
            "forward_pass": "The forward pass by steps, from the inputs and the initial state.",
            "reverse": "The reverse pass by steps: the total derivatives of the loss.",
        }
        tables = []
        for one in self.passes:
            quantities = [self.quantity(name, one) for name in one.general]
            if one.name == "forward_pass":
                quantities = [*self.inputs(), *quantities]
            caption = captions.get(one.name) or f"{one.heading}, by steps."
            first = [-1] if any(-1 in each.values for each in quantities) else []
            steps = [*first, *self.steps]
            tables.append(by_steps(one.name, caption, quantities, steps, self.digits, self.width))
        return tables

    def inputs(self) -> list[Quantity]:
        return [
            Quantity(self.label(name, "t"), {t: array[t] for t in self.steps})
            for name, array in self.cell.sequences.items()
        ]

    def quantity(self, name: str | Derivative, one: Pass) -> Quantity:
        """A name of a pass by steps; step -1 is the initial state, or a derivative by it."""
        lines = {line.name: line for own in self.numbers[one.name].values() for line in own}
        lines |= {line.name: line for line in one.start}
        found = {t: lines.get(f"{name}[{t}]") for t in (-1, *self.steps)}
        if one.backwards:
            found[-1] = lines.get(f"{total(f'{name.by}_prev')}[0]")
        shown = {t: line for t, line in found.items() if line}
        values = {t: line.value for t, line in shown.items()}
        if name in self.cell.initial_state:
            values[-1] = self.cell.initial_state[name]
        return Quantity(self.label(name, "t"), values, {t: line.key for t, line in shown.items()})

    def updates(self) -> list[Part]:
        """One step of the given rate down the gradient, and the same step up, if it is asked for."""
        if not self.cell.update:
            return []
        parameter, rate = self.cell.update
        p = symbol(parameter)
        derivative = rf"\frac{{dL}}{{d{p}}}"
        start = self.matrix(self.exact.get(parameter, self.raw[parameter]))
        step = number_latex(rate, 6) if rate.denominator == 1 else f"{float(rate):g}"
        slope = self.matrix(self.gradients[parameter], len(step) + 3)
        lines = []
        for sign, word, arrow in (("-", "down", r"\downarrow"), ("+", "up", r"\uparrow")):
            along = float(rate) if sign == "+" else -float(rate)
            new, _ = self.cell.stepped(self.run, self.gradients, parameter, along)
            width = symbol_width(p) + len(step) + symbol_width(derivative) + 4
            symbols = Tex(rf"{p} {sign} {step} \, {derivative}", width)
            change = Tex(rf"{sign} {step} \, {slope.text}", slope.width + len(step) + 3)
            text, width = f"{start.text} {change.text}", start.width + change.width
            numbers = Tex(text, width, 0, (start, change))
            name = Tex(p, 2).raised(arrow).text
            pieces = (symbols, numbers, self.matrix(new))
            lines.append(Line(f"{parameter}_{word}", name, pieces, new))
        return [self.part(f"update.{parameter}", f"One step in \\({p}\\)", lines)]

    def names(self) -> list[tuple[str, str]]:
        """What each name is."""
        own = self.own_names(" of step t", "computed at step t")
        loss = (self.cell.meaning or {}).get(LOSS, "the loss of step t alone")
        return [
            *own,
            (symbol(LOSS, "t"), loss),
            ("L", "the total loss, the sum over the steps"),
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

    def derivation(self) -> Derivation:
        self.raw |= {total(name): array[None] for name, array in self.gradients.parameters.items()}
        modes = [
            (f"forward_mode.{p}", f"Forward mode: the sensitivity to \\({symbol(p)}\\)", lines)
            for p, lines in self.tangents.items()
        ]
        jacobians = [
            line for general, numbers in self.jacobians for line in numbers.values() or [general]
        ]
        parts = [
            self.part("given", "What is given", self.given()),
            self.in_numbers("forward_pass", "The function", self.cell.lines),
            self.part("jacobians", "The immediate derivative of each line", jacobians),
            self.in_numbers("reverse", "Reverse mode: backpropagation", self.cell.adjoint_lines()),
            *(self.in_numbers(*mode) for mode in modes),
            *self.updates(),
        ]
        lines = [line for part in parts for line in part.lines if line.value is not None]
        return Derivation({"parts": parts}, [], lines, self.names())

    def in_numbers(self, name: str, heading: str, formulas: Formulas) -> Part:
        """Each formula with its numbers."""
        lines = [self.line(called, formula, 0) for called, formula in formulas.items()]
        return self.part(name, heading, lines)

    def _jacobian(self, name: str, leaf: str, formula: Node) -> tuple[Line, dict[int, Line]]:
        general, numbers = super()._jacobian(name, leaf, formula)
        return general, {t: replace(line, name=general.name) for t, line in numbers.items()}

    def names(self) -> list[tuple[str, str]]:
        return [
            *self.own_names("", "computed"),
            ("L", (self.cell.meaning or {}).get(LOSS, "the loss")),
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


def _bytes(line: Line) -> tuple:
    """What tells the value of a line from another; a line without one, or of zeros, is itself alone."""
    value = np.asarray(0.0 if line.value is None else line.value, dtype=float)
    return (value.size, value.tobytes()) if value.any() else (line.lhs,)


def derive(
    cell: Recurrence, run: Run | None = None, *, digits: int = 4, width: float = LINE_WIDTH
) -> Derivation:
    """The whole derivation.

    digits: decimals of the numbers that are not exact. width: of lines with numbers, in digits.
    """
    run = run or cell.forward()
    kind = _Function if cell.steps == 1 and not cell.states else _Builder
    return kind(cell, run, cell.reverse(run), digits, width).derivation()


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
