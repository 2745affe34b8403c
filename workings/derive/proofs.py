r"""The rules of differentiation, and the two modes, proved.

What is proved of a cell, for one step, is that each formula of its derivatives is right, whatever
the numbers are: all names of the step (inputs, targets, parameters, constants, the previous state,
what the lines above compute) are independent symbols, and so are all derivatives that the formula
takes over from other lines or from the neighbouring step,

    immediate   \partial^+ v/\partial u of a line v = f(..., u, ...)     is  D_u f
    reverse     dL/du, from the symbols g_w = dL/dw of the lines w that use u, and c_u of the later steps,
                    is  sum_w (D_u f_w)^T g_w, + c_u for a state
    forward     dv/dp, from the symbols S_u = du/dp of the names u that v uses,
                    is  sum_u (D_u f_v) S_u + D_p f_v

D is the derivative by dual numbers (exact.py). The difference of both sides, contracted with symbols
for all its free indices, expands to exactly zero.

Why this suffices for T steps: a run of the cell is one evaluation procedure, whose elementary functions are its
lines, step after step. The sweeps that combine elementary tangents and adjoints in this way give the derivatives
of the whole, by the chain rule and induction over the lines and steps, forwards from du/dp = 0 of the
initial state, and backwards from dL/dl = 1 and c = 0 after the last step, where c_u is dL/du_prev of the
step after (Griewank and Walther 2008, sec. 3.1-3.2; Werbos 1990). The symbols stand for any incoming
sensitivity or adjoint, so the induction step holds for every T.

Functions are opaque: with `prove_operations`, where sympy differentiates each of them itself, the
statements hold wherever the functions are differentiable: for relu, step and max off their kinks.

A statement whose symbols run out of their budget is not proved: it is tried at `POINTS` random points modulo
a prime, where also the values of opaque functions are drawn at random. A false one of degree d passes
at a point with probability d / 2^61 at most (Schwartz 1980; Zippel 1979). The budget counts
operations and terms, not time, so the verdict is the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import sympy

from workings.derive.arithmetic import Arithmetic
from workings.derive.exact import Exact, OutOfBudget, along, at_point, symbols
from workings.derive.expression import (
    LOSS,
    Derivative,
    Name,
    Node,
    Operation,
    Shapes,
    alone,
    from_later,
    names_in,
    total,
)
from workings.derive.operations import Function, Matmul, X
from workings.derive.program import evaluate
from workings.derive.recurrence import Recurrence

BUDGET = 20_000  # products of terms, for a statement about symbols
MOST_COMPONENTS = 100  # of a parameter, to prove forward mode by it where nobody asks for that
MOST_AT_A_POINT = 1_000_000  # operations; a statement that takes more is not tried
POINTS = 2

PROVED, TRIED, UNTRIED, REFUTED = "proved", "tried at points", "not tried", "refuted"

# Every operation with every kind of operand it takes, at n = 2 (and A, B, w of 3 columns, so that a
# transposed matrix would not fit).
CASES = tuple(case for operation in Operation.kinds.values() for case in operation.cases)

_SHAPES = {"s": (), "r": (), "u": (2,), "v": (2,), "w": (3,), "A": (2, 3), "B": (2, 3)}


@dataclass(frozen=True)
class Proof:
    """What was to be proved, and what became of it."""

    statement: str
    verdict: str


def settle(statement: str, operations: int, difference: Callable[[Exact], Any]) -> Proof:
    """Prove that a difference is zero; where that takes too much, try it at points.

    operations: how many it takes to compute the difference in numbers.
    """
    with suppress(OutOfBudget):
        if _is_zero(difference(symbols(BUDGET))):
            return Proof(statement, PROVED)
    if operations > MOST_AT_A_POINT:
        return Proof(statement, UNTRIED)
    holds = all(_is_zero(difference(at_point(k))) for k in range(POINTS))
    return Proof(statement, TRIED if holds else REFUTED)


def _is_zero(difference: Any) -> bool:
    """Whether all of these are exactly zero; what has nothing to differ in is the number 0."""
    return not any(
        getattr(part, "terms", getattr(part, "n", part)) for part in np.ravel(difference)
    )


def operations_of(formulas: list[Node], of: Shapes) -> int:
    """How many operations on scalars it takes to evaluate formulas; equal parts count once."""
    seen: set[Node] = set()

    def count(node: Node) -> int:
        node = node.quicker() if isinstance(node, Matmul) else node
        if node in seen:
            return 0
        seen.add(node)
        inner = of(node.A)[-1] if isinstance(node, Matmul) else 1
        return inner * prod(of(node)) + sum(map(count, getattr(node, "arguments", ())))

    return sum(map(count, formulas))


# --- the rules of the operations -------------------------------------------------------------------


def prove_operations(cases: tuple[str, ...] = CASES) -> list[Proof]:
    """Both rules of every operation, for every kind of operand, and the slope of every function."""
    proofs = []
    for case in cases:
        names = _SHAPES.keys() & set(re.findall(r"\w+", case))
        parameters = {name: np.ones(_SHAPES[name]) for name in sorted(names)}
        cell = Recurrence.from_config(
            {"cell": f"z = {case}", "loss": "sum(z)", "parameters": parameters}
        )
        proofs += [*_immediate(cell, ["z"]), *_reverse(cell, total, cell.parameters)]
        if isinstance(cell.lines["z"], Function):
            proofs.append(prove_slope(type(cell.lines["z"])))
    return proofs


def prove_slope(f: type[Function]) -> Proof:
    """f' of a function, against that of sympy."""
    written = f(Name("x")).slope(f(Name("x")))
    difference = sympy.diff(f.f, X) - _in_sympy(written)
    return Proof(f"the slope of {f.kind}", PROVED if sympy.simplify(difference) == 0 else REFUTED)


def _in_sympy(node: Node) -> sympy.Expr:
    """A formula of x, by sympy's own functions."""
    functions = Arithmetic(
        object,
        lambda value: sympy.Rational(value.numerator, value.denominator),
        lambda f: np.frompyfunc(lambda u: f.f.subs(X, u), 1, 1),
        lambda u: 0,
    )
    return evaluate(node, {"x": X}, Shapes({"x": ()}), functions).item()


def _value(formula: Node | None, values: Any, of: Shapes, numbers: Exact) -> Any:
    return 0 if formula is None else evaluate(formula, values, of, numbers)


def _times(formula: Node | None, d: np.ndarray, values: Any, of: Shapes, numbers: Exact) -> Any:
    """A Jacobian, given by its formula, times a direction; flat."""
    return (
        0
        if formula is None
        else evaluate(formula, values, of, numbers).reshape(-1, d.size) @ d.ravel()
    )


def _dot(a: Any, b: Any) -> Any:
    return np.sum(np.ravel(a) * np.ravel(b))


# --- the formulas of a cell --------------------------------------------------------------------------


def prove_cell(cell: Recurrence) -> list[Proof]:
    """Every formula of the derivatives of a cell: immediate, reverse and forward."""
    inner = [name for name in [*cell.lines, *cell.states] if name != LOSS]
    return [
        *_immediate(cell, cell.lines),
        *_reverse(cell, total, [*inner, *cell.parameters]),
        *_reverse(cell, alone, inner),
        *_forward(cell),
    ]


def _values(cell: Recurrence, numbers: Exact, computed: Any) -> dict[Any, np.ndarray]:
    """All names as unknowns, but some lines as what they compute from these."""
    values = {name: numbers.unknowns(name, shape) for name, shape in cell.shapes.names.items()}
    for name in cell.lines:
        if name in computed:
            values[name] = evaluate(cell.lines[name], values, cell.shapes, numbers)
    return values


def _immediate(cell: Recurrence, lines: Iterable[str]) -> Iterator[Proof]:
    for v in lines:
        line = cell.lines[v]
        for u in names_in(line):
            formula = cell.jacobian_formula(v, u)

            def difference(numbers: Exact, v=v, u=u, line=line, formula=formula):
                values = _values(cell, numbers, {v})
                d = numbers.unknowns("d", cell.shape(u))
                slope = along(line, values, {u: d}, cell.shapes, numbers)
                return _times(formula, d, values, cell.shapes, numbers) - slope

            count = operations_of([line, *([formula] if formula else [])], cell.shapes)
            yield settle(f"{v} by {u}", count, difference)


def _reverse(
    cell: Recurrence, d: Callable[[str], Derivative], names: Iterable[str]
) -> Iterator[Proof]:
    """dL/du of these names; or dl/du, of one step alone."""
    formulas = cell.adjoint_lines(through_time=d is total)
    for u in names:
        users = [w for w, line in cell.lines.items() if u in names_in(line)]
        formula = formulas.get(d(u))

        def difference(numbers: Exact, u=u, users=users, formula=formula):
            values = _values(cell, numbers, users)
            known = {name: numbers.unknowns(name, cell.shape(name.by)) for name in formulas}
            direction, later = (numbers.unknowns(x, cell.shape(u)) for x in ("d", "later"))
            known |= {d(LOSS): numbers.number(1), from_later(u): later}
            ours = _value(formula, values | known, cell.gradient_shapes, numbers)
            right = [
                _dot(
                    known[d(w)], along(cell.lines[w], values, {u: direction}, cell.shapes, numbers)
                )
                for w in users
                if d(w) in known
            ]
            if d is total and u in cell.initial_state:
                right.append(_dot(later, direction))
            return _dot(ours, direction) - sum(right)

        used = [cell.lines[w] for w in users] + ([formula] if formula else [])
        yield settle(str(d(u)), operations_of(used, cell.gradient_shapes), difference)


def _forward(cell: Recurrence) -> Iterator[Proof]:
    """dv/dp of every line; by a large parameter only where that is derived for the page."""
    for p, array in cell.parameters.items():
        if array.size > MOST_COMPONENTS and p not in cell.forward_parameters:
            continue
        formulas, of = cell.tangent_lines(p)
        reached = cell.reached(p)
        for v in cell.lines:
            if v in reached:
                yield _tangent(cell, v, p, formulas.get(Derivative(v, p)), of, reached)


def _tangent(
    cell: Recurrence, v: str, p: str, formula: Node | None, of: Shapes, reached: set[str]
) -> Proof:
    """dv/dp of one line."""
    line = cell.lines[v]

    def difference(numbers: Exact):
        values, e = _values(cell, numbers, {v}), numbers.unknowns("e", cell.shape(p))
        slopes = {p: e}
        for u in names_in(line):
            if u in reached:
                name = Derivative(u, p)
                values[name] = numbers.unknowns(name, of.names[name])
                slopes[u] = _times(Name(name), e, values, of, numbers).reshape(cell.shape(u))
        slope = along(line, values, slopes, cell.shapes, numbers)
        return _times(formula, e, values, of, numbers) - slope

    return settle(
        f"{Derivative(v, p)}",
        operations_of([line, *([formula] if formula else [])], of),
        difference,
    )
