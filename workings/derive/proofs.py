r"""The rules of differentiation, proved with symbols.

Every operation is computed on arrays of symbols and differentiated component by component with sympy.
Our rules (operations.py) give the same derivatives as formulas, which are computed on the same
symbols. A rule holds if the difference simplifies to exactly zero:

    tangent     J I - \partial z_i / \partial u_k = 0
    pullback    J^T g - sum_i g_i \partial z_i / \partial u_k = 0    with symbols g_i

and a cell if this is so for each of its lines, and for the states after two steps, by each parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import sympy

from workings.derive.arithmetic import SYMBOLIC
from workings.derive.expression import LOSS, Name, Operation, Shape, Shapes, names_in, plain, total
from workings.derive.grammar import parse_formula
from workings.derive.operations import Function, Rule, Sum, by_itself
from workings.derive.program import evaluate
from workings.derive.recurrence import Recurrence

PROVED_UP_TO = 3  # components of a state; a symbolic proof of a larger cell takes long

# Every operation with every kind of operand it takes, at n = 2 (and A, B, w of 3 columns, so that a
# transposed matrix would not fit).
CASES = tuple(case for operation in Operation.kinds.values() for case in operation.cases)

_SHAPES: dict[str, Shape] = {
    "s": (), "r": (), "u": (2,), "v": (2,), "w": (3,), "A": (2, 3), "B": (2, 3),
}  # fmt: skip


@dataclass(frozen=True)
class Proof:
    """What was to be proved, of which rule, and whether the difference is exactly zero."""

    statement: str
    rule: str
    holds: bool


def symbols_for(name: str, shape: Shape) -> np.ndarray:
    """An array of real symbols, name_0, name_1, ..."""
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        array[index] = sympy.Symbol("_".join([name, *map(str, index)]), real=True)
    return array


def is_zero(expression: sympy.Expr) -> bool:
    """Whether an expression is exactly zero.

    By expanding and, where that is not enough, simplifying; an expression that is not zero at a point
    is refused before that.
    """
    expression = sympy.sympify(expression)
    if expression == 0 or sympy.expand(expression) == 0:
        return True
    free = sorted(expression.free_symbols, key=str)
    point = {x: sympy.Rational(2 * k + 3, 7 + k) for k, x in enumerate(free)}
    value = _whole_functions_as_numbers(expression.subs(point)).evalf(30)
    if value.is_number and abs(value) > 1e-15:
        return False
    return sympy.simplify(expression) == 0


def _whole_functions_as_numbers(expression: sympy.Expr) -> sympy.Expr:
    for name, function in WHOLE_FUNCTIONS.items():
        expression = expression.replace(
            lambda part, name=name: part.func.__name__ == name,
            lambda part, function=function: function.symbols(part.args[0]),
        )
    return expression


def _same(ours: np.ndarray, by_components: np.ndarray) -> bool:
    pairs = zip(np.ravel(ours), np.ravel(by_components), strict=True)
    return all(is_zero(a - b) for a, b in pairs)


def component_jacobian(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The derivative of every component by every symbol, (components of values, symbols)."""
    rows = [[sympy.diff(z, x) for x in np.ravel(by)] for z in np.ravel(values)]
    return np.array(rows, dtype=object).reshape(np.size(values), np.size(by))


def prove_formula(formula: Rule, sizes: Mapping[str, Shape]) -> list[Proof]:
    """Both rules of an operation on names of the given shapes, for each of its operands."""
    own = Shapes(dict(sizes))(formula)
    shapes = Shapes({**sizes, "g": own})
    values = {name: symbols_for(name, shape) for name, shape in shapes.names.items()}
    z = evaluate(formula, values, shapes, SYMBOLIC)
    pulls = formula.pullback(Name("g"), formula, shapes)
    proofs = []
    for k, operand in enumerate(formula.arguments):
        tangents = [None] * len(formula.arguments)
        tangents[k] = by_itself(sizes[operand.name])
        rules = (formula.tangent(tangents, formula, shapes), pulls[k])
        tangent, pulled = (evaluate(rule, values, shapes, SYMBOLIC) for rule in rules)
        jacobian = component_jacobian(z, values[operand.name])
        proofs += _both(
            f"{plain(formula)} by {operand.name}", jacobian, tangent, pulled, values["g"]
        )
    return proofs


def _both(
    statement: str, jacobian: np.ndarray, tangent: np.ndarray, pulled: np.ndarray, g: np.ndarray
) -> list[Proof]:
    return [
        Proof(statement, "tangent", _same(tangent, jacobian)),
        Proof(statement, "pullback", _same(pulled, np.ravel(g) @ jacobian)),
    ]


def prove_operations(cases: tuple[str, ...] = CASES) -> list[Proof]:
    """The rules of every operation of the language, for every kind of operand."""
    proofs = []
    for text in cases:
        formula = parse_formula(text, _SHAPES)
        # an operand that is itself a formula is proved apart, and here gets a name
        inner = {f"M{i}": a for i, a in enumerate(formula.arguments) if not isinstance(a, Name)}
        names = {argument: Name(name) for name, argument in inner.items()}
        arguments = tuple(names.get(argument, argument) for argument in formula.arguments)
        sizes = _SHAPES | {name: Shapes(_SHAPES)(argument) for name, argument in inner.items()}
        proofs += prove_formula(formula.applied_to(*arguments), sizes)
        proofs += [proof for part in inner.values() for proof in prove_formula(part, _SHAPES)]
    return proofs


def _opaque(function: type[Function]) -> type[sympy.Function]:
    """f as a function of its own, with the derivative that `prove_operations` has proved for it."""

    def fdiff(self: sympy.Function, argindex: int = 1) -> sympy.Expr:
        known, slope = {"u": self.args[0], "z": self}, function(Name("u")).slope(Name("z"))
        return evaluate(slope, known, Shapes({"u": (), "z": ()}), SYMBOLIC).item()

    return type(function.kind, (sympy.Function,), {"fdiff": fdiff})


# sigmoid and softplus stay whole: without this, sympy would have to be told to see 1/(1 + exp(-x)) again
WHOLE_FUNCTIONS = {f.kind: f for f in Function.__subclasses__() if f.whole}
_OPAQUE = {f: _opaque(f) for f in WHOLE_FUNCTIONS.values()}
WHOLE = replace(
    SYMBOLIC,
    function=lambda f: np.frompyfunc(_OPAQUE.get(f, f.symbols), 1, 1),
)


def prove_cell(cell: Recurrence, steps: int = 2) -> list[Proof]:
    """The immediate Jacobians of every line, and the states after `steps` steps by each parameter.

    Nothing for a cell whose states are longer than `PROVED_UP_TO`: only the rules that it is made of
    are proved.
    """
    if any(size > PROVED_UP_TO for a in cell.initial_state.values() for size in a.shape):
        return []
    proofs = []
    names = {name: symbols_for(name, shape) for name, shape in cell.shapes.names.items()}
    for name, formula in cell.lines.items():
        z, g = evaluate(formula, names, cell.shapes, WHOLE), symbols_for("g", cell.shape(name))
        # the output of a line is written by its name: put back what it stands for
        known = {**names, name: z, total(name): g}
        pulls = cell.immediate_pulls(name, Name(total(name)))
        for leaf in names_in(formula):
            rules = (cell.jacobian_formula(name, leaf), pulls[leaf])
            tangent, pulled = (evaluate(r, known, cell.gradient_shapes, WHOLE) for r in rules)
            jacobian = component_jacobian(z, names[leaf])
            proofs += _both(f"{name} by {leaf}", jacobian, tangent, pulled, g)
    return proofs + _prove_steps(cell, steps)


def _prove_steps(cell: Recurrence, steps: int) -> list[Proof]:
    """d(state after some steps)/dp by forward mode, all numbers symbols; the loss is left out."""
    if not cell.initial_state:
        return []
    last = max(list(cell.lines).index(state) for state in cell.initial_state)
    lines = {name: cell.lines[name] for name in list(cell.lines)[: last + 1]}
    first = next(iter(cell.initial_state))
    used = {leaf for formula in lines.values() for leaf in names_in(formula)}
    short = replace(
        cell,
        lines={**lines, LOSS: Sum(Name(first))},
        steps=steps,
        parameters={k: v for k, v in cell.parameters.items() if k in used},
        inputs=_first(cell.inputs, steps),
        targets=_first(cell.targets, steps),
    )
    parameters = {name: symbols_for(name, a.shape) for name, a in short.parameters.items()}
    run = short.forward(parameters, WHOLE)
    proofs = []
    for name, symbols in parameters.items():
        sensitivity = short.forward_mode(run, name)
        for state in cell.initial_state:
            if state in sensitivity:
                jacobian = component_jacobian(run[state][-1], symbols)
                holds = _same(sensitivity[state][-1], jacobian)
                statement = f"{state} after {steps} steps by {name}"
                proofs.append(Proof(statement, "forward mode", holds))
    gradients = short.reverse(run)
    for name, symbols in parameters.items():
        holds = _same(gradients[name], component_jacobian(run.loss, symbols))
        statement = f"the sum of {first} over {steps} steps by {name}"
        proofs.append(Proof(statement, "reverse mode", holds))
    return proofs


def _first(rows: np.ndarray | None, steps: int) -> np.ndarray | None:
    """The rows of the first steps; where there are fewer, from the beginning again."""
    return None if rows is None else np.resize(rows, (steps, *rows.shape[1:]))
