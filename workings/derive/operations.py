r"""The operations of a recurrence: shape, value, and the two rules of differentiation of each.

A value is a scalar `()`, a vector `(n,)` or a matrix `(m, n)`. For a formula z = f(u, v, ...) with
Jacobian J = \partial z / \partial u:

    pullback   u receives  J^T g   from the gradient g = dL/dz       (reverse mode)
    tangent    z receives  J T     from the tangent  T = du/dp       (forward mode)

Both rules are written as formulas in the same language, so the derivative of a program is again a
program: it can be printed, run on arrays of floats, or run on symbols to prove the rules.
Gradients have the shape of what they belong to. Tangents are matrices with a column per component of
the parameter p, and a row per component of the value: a scalar's is a vector (p,), and a matrix is
laid out row after row, vec(u v^T) = u (x) v.

Sources: Griewank and Walther, Evaluating Derivatives (2nd ed., 2008), ch. 3; Magnus and Neudecker,
Matrix Differential Calculus (3rd ed., 2019), ch. 9 (there vec stacks columns; here rows).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import sympy

from workings.derive.expression import (
    ExpressionError,
    Name,
    Node,
    Number,
    Operation,
    names_in,
    plain,
)

Shape = tuple[int, ...]

ELEMENTWISE = ("tanh", "sigmoid", "relu", "softplus", "exp", "log", "sqrt", "sin", "cos")

# --- building formulas -------------------------------------------------------------------------


def plus(u: Node | None, v: Node | None) -> Node | None:
    """u + v, where None stands for zero."""
    if u is None or v is None:
        return v if u is None else u
    return Operation("add", (u, v))


def minus(u: Node) -> Node:
    """-u."""
    if isinstance(u, Number):
        return Number(-u.value)
    if isinstance(u, Operation) and u.kind == "negative":
        return u.arguments[0]
    return Operation("negative", (u,))


def times(u: Node, v: Node) -> Node:
    """u * v element by element; a scalar multiplies every element."""
    if isinstance(u, Number) and isinstance(v, Number):
        return Number(u.value * v.value)
    for one, other in ((u, v), (v, u)):
        if one == Number(Fraction(1)):
            return other
        if one == Number(Fraction(-1)):
            return minus(other)
    return Operation("multiply", (u, v))


def matmul(a: Node, b: Node) -> Node:
    """The matrix product, with I A = A, (-A) B = -(A B), (s I) A = s A, and the same on the right."""
    match a, b:
        case Operation("identity"), _:
            return b
        case _, Operation("identity"):
            return a
        case Operation("negative", (inner,)), _:
            return minus(matmul(inner, b))
        case _, Operation("negative", (inner,)):
            return minus(matmul(a, inner))
        case Operation("multiply", (scale, Operation("identity"))), _:
            return times(scale, b)
        case _, Operation("multiply", (scale, Operation("identity"))):
            return times(scale, a)
    return Operation("matmul", (a, b))


def transpose(a: Node) -> Node:
    match a:
        case Operation("transpose", (inner,)):
            return inner
        case Operation("identity") | Operation("diag") | Operation("softmax_jacobian"):
            return a  # symmetric
    return Operation("transpose", (a,))


def identity(n: int) -> Node:
    return Operation("identity", (), (n,))


def ones(*shape: int) -> Node:
    return Operation("ones", (), shape) if shape else Number(Fraction(1))


def by_itself(shape: Shape) -> Node:
    """The tangent of a name of that shape by the name itself."""
    return identity(int(np.prod(shape))) if shape else ones(1)


def unit(i: int, n: int) -> Node:
    """The i-th unit vector of length n."""
    return Operation("unit", (), (i, n))


def _apply(kind: str, *arguments: Node, detail: tuple = ()) -> Node:
    return Operation(kind, arguments, detail)


# --- the scalar rules, by sympy ----------------------------------------------------------------

VARIABLE = sympy.Symbol("x")
_y = sympy.Symbol("y", positive=True)  # so that sqrt(y^2) is y; tanh' and its y^2 do not mind

SCALAR_DEFINITIONS: dict[str, sympy.Expr] = {
    "tanh": sympy.tanh(VARIABLE),
    "sigmoid": 1 / (1 + sympy.exp(-VARIABLE)),
    "softplus": sympy.log(1 + sympy.exp(VARIABLE)),
    "exp": sympy.exp(VARIABLE),
    "log": sympy.log(VARIABLE),
    "sqrt": sympy.sqrt(VARIABLE),
    "sin": sympy.sin(VARIABLE),
    "cos": sympy.cos(VARIABLE),
}

# x = f^-1(y), for the functions whose derivative is shorter in terms of the output y = f(x).
_INVERSES = {
    "tanh": sympy.atanh(_y),
    "sigmoid": sympy.log(_y / (1 - _y)),
    "exp": sympy.log(_y),
    "sqrt": _y**2,
}


@functools.cache
def scalar_derivative(kind: str) -> tuple[str, Node]:
    """f' as a formula in `u`, and whether u is the `output` f(x) or the `input` x.

    tanh' = 1 - y^2, sigmoid' = y (1 - y), exp' = y, sqrt' = 1 / (2 y); the others in x.
    """
    if kind == "relu":
        return "input", _apply("step", Name("u"))  # relu'(0) = 0, as in torch
    derivative = sympy.diff(SCALAR_DEFINITIONS[kind], VARIABLE)
    if kind in _INVERSES:
        return "output", from_sympy(
            sympy.powsimp(sympy.simplify(derivative.subs(VARIABLE, _INVERSES[kind]))),
            {_y: Name("u")},
        )
    # softplus' is the sigmoid; keeping it so avoids the cancellation in 1 - exp(-y).
    if sympy.simplify(derivative - SCALAR_DEFINITIONS["sigmoid"]) == 0:
        return "input", _apply("sigmoid", Name("u"))
    return "input", from_sympy(derivative, {VARIABLE: Name("u")})


def from_sympy(expression: sympy.Expr, names: dict[sympy.Symbol, Node]) -> Node:
    """The formula of a scalar sympy expression made of +, *, numeric powers and known functions."""
    if expression.is_Rational:
        return Number(Fraction(int(expression.p), int(expression.q)))
    if expression in names:
        return names[expression]
    if expression.is_Add:
        terms = list(expression.as_ordered_terms())
        # 1 - y^2 rather than -y^2 + 1
        terms.sort(key=lambda term: term.could_extract_minus_sign())
        total = from_sympy(terms[0], names)
        for term in terms[1:]:
            if term.could_extract_minus_sign():
                total = _apply("subtract", total, from_sympy(-term, names))
            else:
                total = _apply("add", total, from_sympy(term, names))
        return total
    if expression.is_Mul:
        if expression.could_extract_minus_sign():
            return minus(from_sympy(-expression, names))
        top, bottom = sympy.fraction(expression)  # nested fractions stay as they are
        if bottom != 1:
            return _apply("divide", from_sympy(top, names), from_sympy(bottom, names))
        factors = [from_sympy(factor, names) for factor in expression.as_ordered_factors()]
        return functools.reduce(times, factors)
    if expression.is_Pow and expression.exp.is_Rational:
        if expression.exp == sympy.Rational(1, 2):
            return _apply("sqrt", from_sympy(expression.base, names))
        if expression.exp.is_negative:
            return _apply("divide", Number(Fraction(1)), from_sympy(1 / expression, names))
        exponent = Fraction(int(expression.exp.p), int(expression.exp.q))
        return _apply("power", from_sympy(expression.base, names), detail=(exponent,))
    if expression.func.__name__ in ELEMENTWISE:
        return _apply(expression.func.__name__, from_sympy(expression.args[0], names))
    raise NotImplementedError(f"no formula for {expression}")


_ARITHMETIC = {
    "add": lambda u, v: u + v,
    "subtract": lambda u, v: u - v,
    "multiply": lambda u, v: u * v,
    "divide": lambda u, v: u / v,
    "negative": lambda u: -u,
}


def gradient_by_components(formula: Node, name: str, size: int) -> Node | None:
    r"""\partial f / \partial y of a scalar f that uses the vector y only as y[0], y[1], ...

    sympy differentiates by each component; whatever does not contain y is a constant to it. None if f
    uses y in another way (then the general rules apply).
    """
    constants: dict[sympy.Symbol, Node] = {}

    def symbol_for(node: Node) -> sympy.Symbol:
        for known, other in constants.items():
            if other == node:
                return known
        constants[symbol := sympy.Dummy(f"k{len(constants)}", positive=True)] = node
        return symbol

    def convert(node: Node) -> sympy.Expr | None:
        match node:
            case Number():
                return sympy.Rational(node.value.numerator, node.value.denominator)
            case Operation("index", (Name(name=base),)) if base == name:
                return symbol_for(node)
        if name not in names_in(node):
            return symbol_for(node)
        if isinstance(node, Operation):
            parts = [convert(argument) for argument in node.arguments]
            if any(part is None for part in parts):
                return None
            if node.kind in _ARITHMETIC:
                return _ARITHMETIC[node.kind](*parts)
            if node.kind == "power":
                return parts[0] ** sympy.Rational(str(node.detail[0]))
            if node.kind in SCALAR_DEFINITIONS and node.kind not in ("sigmoid", "softplus"):
                return SCALAR_DEFINITIONS[node.kind].subs(VARIABLE, parts[0])
        return None

    expression = convert(formula)
    if expression is None:
        return None
    components = []
    for i in range(size):
        component = Operation("index", (Name(name),), (i,))
        derivative = sympy.diff(expression, symbol_for(component))
        components.append(from_sympy(derivative, constants))
    return Operation("stack", tuple(components))


# --- shapes and derivative rules ---------------------------------------------------------------


def describe(shape: Shape) -> str:
    """A shape in words."""
    if len(shape) == 0:
        return "a scalar"
    if len(shape) == 1:
        return f"a vector of {shape[0]}"
    return f"a {shape[0]}×{shape[1]} matrix"


class Shapes:
    """The shapes of formulas over names of known shape, and the derivative rules that need them."""

    def __init__(self, names: dict[str, Shape], place: str = ""):
        self.names, self.place = names, place
        self._known: dict[Node, Shape] = {}

    def __call__(self, node: Node) -> Shape:
        """The shape of a formula. Raises ExpressionError where the shapes of operands don't fit."""
        if isinstance(node, Number):
            return ()
        if isinstance(node, Name):
            return self.names[node.name]
        if node not in self._known:
            self._known[node] = self._shape(node, [self(argument) for argument in node.arguments])
        return self._known[node]

    def _shape(self, node: Operation, shapes: list[Shape]) -> Shape:
        def refuse(message: str) -> ExpressionError:
            parts = [
                f"`{plain(argument)}` is {describe(shape)}"
                for argument, shape in zip(node.arguments, shapes, strict=True)
            ]
            text = f"{message} in `{plain(node)}`: {' and '.join(parts)}"
            return ExpressionError(text, node.position, self.place)

        detail = node.detail
        match node.kind, shapes:
            case (("add" | "subtract" | "multiply" | "divide"), [u, v]):
                if u == v or v == ():
                    return u
                if u == ():
                    return v
                raise refuse("the shapes do not fit")
            case "matmul", [(_, n), (k,)] if n == k:
                return shapes[0][:1]
            case "matmul", [(m, n), (k, p)] if n == k:
                return (m, p)
            case "matmul", [(), _] | [_, ()]:
                raise refuse("@ multiplies by a matrix; write * for a scalar")
            case "matmul", [(_,), (_,)]:
                raise refuse("@ wants a matrix on its left; write dot or outer for two vectors")
            case "matmul", _:
                raise refuse("the shapes do not fit")
            case (("negative" | "power" | "step" | "next"), [u]):
                return u
            case _, [u] if node.kind in ELEMENTWISE:
                return u
            case "softmax", [(n,)]:
                return (n,)
            case "log_sum_exp", [(_,)]:
                return ()
            case (("softmax" | "log_sum_exp"), _):
                raise refuse(f"{node.kind} wants a vector")
            case "sum", [_]:
                return ()
            case "dot", [(n,), (k,)] if n == k:
                return ()
            case "dot", _:
                raise refuse("dot wants two vectors of one length")
            case "outer", [(m,), (n,)]:
                return (m, n)
            case "outer", _:
                raise refuse("outer wants two vectors")
            case "transpose", [(m, n)]:
                return (n, m)
            case "transpose", _:
                raise refuse("transpose wants a matrix")
            case "index", [(n,)]:
                if detail[0] >= n:
                    raise refuse(f"the index {detail[0]} is beyond the last, {n - 1},")
                return ()
            case "slice", [(n,)]:
                if not 0 <= detail[0] < detail[1] <= n:
                    raise refuse(f"the slice {detail[0]}:{detail[1]} is empty or beyond {n}")
                return (detail[1] - detail[0],)
            case (("index" | "slice"), _):
                raise refuse("only a vector has elements to index")
            case "concatenate", _:
                if any(len(shape) == 2 for shape in shapes):
                    raise refuse("concatenate joins vectors and scalars")
                return (sum(shape[0] if shape else 1 for shape in shapes),)
            # from here on: operations that only derivatives use
            case "stack", _:
                return (len(shapes),)
            case "embed", _:
                return (detail[2],)
            case "ones", _:
                return detail
            case "unit", _:
                return (detail[1],)
            case "identity", _:
                return (detail[0], detail[0])
            case (("diag" | "softmax_jacobian"), [(n,)]):
                return (n, n)
            case "row", [(n,)]:
                return (1, n)
            case "column", [(n,)]:
                return (n, 1)
            case "kronecker", [(m, n), (p, q)]:
                return (m * p, n * q)
            case "vec", [(m, n)]:
                return (m * n,)
            case "commutation", _:
                return (detail[0] * detail[1],) * 2
            case "rows", [(_, p)]:
                return (detail[1] - detail[0], p)
            case "stack_rows", _:
                rows = sum(shape[0] if len(shape) == 2 else 1 for shape in shapes)
                return (rows, shapes[0][-1])
        raise refuse(f"{node.kind} cannot be used here")

    def diagonal(self, d: Node, like: Node) -> Callable[[Node], Node]:
        """Multiplication by diag(d) of a gradient with the shape of `like`."""
        if len(self(like)) == 1:
            return lambda g: matmul(Operation("diag", (d,)), g)
        return lambda g: times(d, g)

    def slope(self, node: Operation, output: Node) -> Node:
        """f'(u) of z = f(u), element by element; `output` is how z is called."""
        u = node.arguments[0]
        if node.kind == "power":
            (p,) = node.detail
            lower = u if p == 2 else Operation("power", (u,), (p - 1,))
            return times(Number(p), ones(*self(u)) if p == 1 else lower)
        where, formula = scalar_derivative(node.kind)
        return substitute(formula, {"u": output if where == "output" else u})

    def pullbacks(self, node: Operation, g: Node, output: Node) -> list[Node | None]:
        r"""J^T g for every operand of z = `node`, where g = dL/dz and `output` is how z is called.

        None where the operand does not matter. g has the shape of z.
        """
        arguments = node.arguments
        shapes = [self(argument) for argument in arguments]
        out = self(node)

        def shared(contribution: Node, shape: Shape) -> Node:
            # a scalar operand of an elementwise operation acts on every element
            return Operation("sum", (contribution,)) if shape == () != out else contribution

        match node.kind, arguments:
            case "add", (u, v):
                return [shared(g, shapes[0]), shared(g, shapes[1])]
            case "subtract", (u, v):
                return [shared(g, shapes[0]), minus(shared(g, shapes[1]))]
            case "multiply", (u, v):
                return [self._scaled(v, g, u), self._scaled(u, g, v)]
            case "divide", (u, v):
                reciprocal = Operation("divide", (Number(Fraction(1)), v))
                square = Operation("power", (v,), (Fraction(2),))
                return [
                    self._scaled(reciprocal, g, u),
                    minus(self._scaled(Operation("divide", (u, square)), g, v)),
                ]
            case "negative", (u,):
                return [minus(g)]
            case _, (u,) if node.kind in ELEMENTWISE or node.kind == "power":
                return [self.diagonal(self.slope(node, output), u)(g)]
            case "softmax", (u,):
                return [matmul(Operation("softmax_jacobian", (output,)), g)]
            case "log_sum_exp", (u,):
                return [times(g, Operation("softmax", (u,)))]
            case "sum", (u,):
                return [times(g, ones(*shapes[0]))]
            case "dot", (u, v):
                return [times(g, v), times(g, u)]
            case "outer", (u, v):
                return [matmul(g, v), matmul(transpose(g), u)]
            case "matmul", (a, b) if len(shapes[1]) == 1:
                return [Operation("outer", (g, b)), matmul(transpose(a), g)]
            case "matmul", (a, b):
                return [matmul(g, transpose(b)), matmul(transpose(a), g)]
            case "transpose", (a,):
                return [transpose(g)]
            case "index", (u,):
                return [times(g, unit(node.detail[0], shapes[0][0]))]
            case "slice", (u,):
                return [Operation("embed", (g,), (*node.detail, shapes[0][0]))]
            case "concatenate", _:
                pulls, first = [], 0
                for shape in shapes:
                    if shape == ():
                        pulls.append(Operation("index", (g,), (first,)))
                        first += 1
                    else:
                        pulls.append(Operation("slice", (g,), (first, first + shape[0])))
                        first += shape[0]
                return pulls
            case "step", _:
                return [None]  # constant on both sides of its jump
        raise NotImplementedError(f"no pullback for {node.kind}")

    def _scaled(self, factor: Node, g: Node, operand: Node) -> Node:
        """The pullback of `factor` * operand to the operand."""
        if self(operand) == self(g):
            if self(factor) == ():
                return times(factor, g)
            return self.diagonal(factor, operand)(g)
        if len(self(g)) == 1:  # a scalar operand, a vector result
            return Operation("dot", (factor, g))
        return Operation("sum", (times(factor, g),))

    def tangent(
        self, node: Operation, tangents: Sequence[Node | None], output: Node
    ) -> Node | None:
        """sum of J T over the operands of z = `node`; None stands for a tangent of zero."""
        total = None
        for k, t in enumerate(tangents):
            if t is not None and node.kind not in ("concatenate", "step"):
                total = plus(total, self._push(node, k, t, output))
        if node.kind == "concatenate" and any(t is not None for t in tangents):
            (p,) = {self(t)[-1] for t in tangents if t is not None}
            blocks = []
            for argument, t in zip(node.arguments, tangents, strict=True):
                blocks.append(t or times(Number(Fraction(0)), ones(*self(argument), p)))
            return Operation("stack_rows", tuple(blocks))
        return total

    def pushed(self, node: Node, tangents: Mapping[str, Node], output: Node) -> Node | None:
        """The tangent of a formula whose names have these tangents; `output` is how it is called."""
        if isinstance(node, Number):
            return None
        if isinstance(node, Name):
            return tangents.get(node.name)
        inner = [self.pushed(argument, tangents, argument) for argument in node.arguments]
        return self.tangent(node, inner, output)

    def _push(self, node: Operation, k: int, t: Node, output: Node) -> Node:
        """J T for the k-th operand of z = `node`."""
        arguments, out = node.arguments, self(node)
        shapes = [self(argument) for argument in arguments]

        def shared(t: Node) -> Node:
            # the tangent (p,) of a scalar that acts on every element becomes a row for each element
            if shapes[k] == () and out != ():
                return Operation("outer", (ones(int(np.prod(out))), t))
            return t

        def rows(d: Node, t: Node) -> Node:
            """diag(d) T."""
            if self(d) == ():
                return times(d, t)
            if shapes[k] == ():
                return Operation("outer", (self._flat(d), t))
            return matmul(Operation("diag", (self._flat(d),)), t)

        match node.kind, arguments:
            case "add", _:
                return shared(t)
            case "subtract", _:
                return shared(t) if k == 0 else minus(shared(t))
            case "multiply", (u, v):
                return rows(v if k == 0 else u, t)
            case "divide", (u, v):
                if k == 0:
                    return rows(Operation("divide", (Number(Fraction(1)), v)), t)
                square = Operation("power", (v,), (Fraction(2),))
                return minus(rows(Operation("divide", (u, square)), t))
            case "negative", _:
                return minus(t)
            case _, (u,) if node.kind in ELEMENTWISE or node.kind == "power":
                return rows(self.slope(node, output), t)
            case "softmax", _:
                return matmul(Operation("softmax_jacobian", (output,)), t)
            case "log_sum_exp", (u,):
                return matmul(transpose(t), Operation("softmax", (u,)))
            case "sum", (u,):
                return t if out == shapes[0] else matmul(transpose(t), ones(self(t)[0]))
            case "dot", (u, v):
                return matmul(transpose(t), v if k == 0 else u)
            case "outer", (u, v):
                (m,), (n,) = shapes
                if k == 0:
                    return matmul(_apply("kronecker", identity(m), _apply("column", v)), t)
                return matmul(_apply("kronecker", _apply("column", u), identity(n)), t)
            case "matmul", (a, b):
                m = shapes[0][0]
                if len(shapes[1]) == 1:
                    if k == 1:
                        return matmul(a, t)
                    return matmul(_apply("kronecker", identity(m), _apply("row", b)), t)
                if k == 1:
                    return matmul(_apply("kronecker", a, identity(shapes[1][1])), t)
                return matmul(_apply("kronecker", identity(m), transpose(b)), t)
            case "transpose", _:
                return matmul(Operation("commutation", (), shapes[0]), t)
            case "index", _:
                return matmul(transpose(t), unit(node.detail[0], shapes[0][0]))
            case "slice", _:
                return Operation("rows", (t,), node.detail)
        raise NotImplementedError(f"no tangent for {node.kind}")

    def _flat(self, d: Node) -> Node:
        return Operation("vec", (d,)) if len(self(d)) == 2 else d


def substitute(node: Node, values: dict[str, Node]) -> Node:
    """The formula with names replaced by formulas."""
    if isinstance(node, Name):
        return values.get(node.name, node)
    if isinstance(node, Operation):
        arguments = tuple(substitute(argument, values) for argument in node.arguments)
        return Operation(node.kind, arguments, node.detail, node.position)
    return node
