r"""The operations of the language, each in one place: what it takes, computes, and how it is
differentiated, written and checked.

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
from typing import Any, ClassVar

import numpy as np
import scipy.special
import sympy

from workings.derive.arithmetic import Operands
from workings.derive.expression import (
    Name,
    Node,
    Number,
    Operation,
    Shape,
    Shapes,
    names_in,
    plain,
)
from workings.derive.linear import (
    Column,
    Commutation,
    Diag,
    Embed,
    Identity,
    Kronecker,
    Ones,
    Row,
    Rows,
    SoftmaxJacobian,
    Stack,
    StackRows,
    Unit,
    Vec,
    join,
    without_large_matrix,
)

ANY_NUMBER = -1  # of arguments, one at least
ZERO, ONE, TWO = (Number(Fraction(n)) for n in range(3))

# --- building formulas -------------------------------------------------------------------------


def plus(u: Node | None, v: Node | None) -> Node | None:
    """u + v, where None stands for zero."""
    if u is None or v is None:
        return v if u is None else u
    return times(TWO, u) if u == v else Add(u, v)


def minus(u: Node) -> Node:
    """-u."""
    match u:
        case Number(value=value):
            return Number(-value)
        case Negative(v):
            return v
    return Negative(u)


def times(u: Node, v: Node) -> Node:
    """u * v element by element; a scalar multiplies every element."""
    match u, v:
        case Number(value=a), Number(value=b):
            return Number(a * b)
        case Number(value=a), Multiply(Number(value=b), w):
            return times(Number(a * b), w)
        case Number(), Add(w, Number() as c) | Subtract(w, Number() as c):  # 2 (y - 1/2) = 2 y - 1
            return type(v)(times(u, w), times(u, c))
    for one, other in ((u, v), (v, u)):
        if one == ONE:
            return other
        if one == Number(Fraction(-1)):
            return minus(other)
    return Multiply(u, v)


def over(u: Node, v: Node) -> Node:
    """u / v element by element."""
    match u, v:
        case Number(value=a), Number(value=b) if b:
            return Number(a / b)
    return Divide(u, v)


def matmul(A: Node, B: Node) -> Node:
    """A B, with I A = A, (-A) B = -(A B), (s I) A = s A, and the same on the right."""
    match A, B:
        case Identity(), _:
            return B
        case _, Identity():
            return A
        case Negative(inner), _:
            return minus(matmul(inner, B))
        case _, Negative(inner):
            return minus(matmul(A, inner))
        case Multiply(s, Identity()), _:
            return times(s, B)
        case _, Multiply(s, Identity()):
            return times(s, A)
    return Matmul(A, B)


def transpose(A: Node) -> Node:
    match A:
        case Transpose(inner):
            return inner
        case Identity() | Diag() | SoftmaxJacobian():
            return A  # symmetric
    return Transpose(A)


def ones(*shape: int) -> Node:
    return Ones(detail=shape) if shape else ONE


def by_itself(shape: Shape) -> Node:
    """The tangent of a name of that shape by the name itself."""
    return _identity(_size(shape)) if shape else ones(1)


def zeros(*shape: int) -> Node:
    return times(ZERO, ones(*shape))


def _size(shape: Shape) -> int:
    return int(np.prod(shape))


def power(u: Node, p: int | Fraction) -> Node:
    """u^p, with u^1 = u."""
    return u if p == 1 else Power(u, detail=(Fraction(p),))


def _flat(A: Node, of: Shapes) -> Node:
    return Vec(A) if len(of(A)) == 2 else A


def _identity(n: int) -> Node:
    return Identity(detail=(n,))


# --- what can be differentiated ------------------------------------------------------------------


class Rule(Operation):
    """An operation with its two rules, here those of an operation whose Jacobians are matrices.

    `z` is what its value is called, and `of` gives the shape of a formula.
    """

    jacobians: ClassVar[Callable[[Rule, Node, Shapes], list[Node]]]  # J of each operand

    def pullback(self, g: Node, z: Node, of: Shapes) -> list[Node | None]:
        """J^T g for every operand; None where the operand does not matter."""
        return [matmul(transpose(J), g) for J in self.jacobians(z, of)]

    def push(self, k: int, T: Node, z: Node, of: Shapes) -> Node | None:
        """J T of the k-th operand."""
        return matmul(self.jacobians(z, of)[k], T)

    def tangent(self, tangents: Sequence[Node | None], z: Node, of: Shapes) -> Node | None:
        """The sum of J T over the operands; None stands for a tangent of zero."""
        pushed = [self.push(k, T, z, of) for k, T in enumerate(tangents) if T is not None]
        return functools.reduce(plus, pushed, None)

    def failure(self, u: np.ndarray) -> str:
        """Why the value is not finite; `u` is the last operand."""
        return "overflow: {text} is beyond 1.8e308"


def tangent_of(
    node: Node, tangents: Mapping[str, Node], called: Node, shapes: Shapes
) -> Node | None:
    """The tangent of a formula whose names have these tangents; `called` is the name of its value."""
    match node:
        case Name(name=name):
            return tangents.get(name)
        case Rule(arguments=arguments):
            inner = [tangent_of(u, tangents, u, shapes) for u in arguments]
            return node.tangent(inner, called, shapes)
    return None


# --- element by element --------------------------------------------------------------------------


class ByElements(Rule):
    r"""z_i = f(u_i, v_i), with J = diag(s) of the slopes s_i = \partial z_i / \partial u_i.

    u receives s * g, summed where u is a scalar that acts on every element; z receives diag(s) T.
    """

    slopes: ClassVar[Callable[[ByElements, Node, Shapes], list[Node | None]]]  # None for zero
    signs: ClassVar[tuple[int, ...]] = (1, 1)  # of the slopes
    shape = lambda self, u: u

    def pullback(self, g: Node, z: Node, of: Shapes) -> list[Node | None]:
        def pull(u: Node, s: Node | None) -> Node | None:
            if s is None:
                return None
            if of(u) == of(g):
                return times(s, g) if len(of(u)) != 1 or of(s) == () else matmul(Diag(s), g)
            return Dot(s, g) if s != ONE and len(of(g)) == 1 else Sum(times(s, g))

        pulls = map(pull, self.arguments, self.slopes(z, of))
        return [minus(p) if sign < 0 else p for p, sign in zip(pulls, self.signs, strict=False)]

    def push(self, k: int, T: Node, z: Node, of: Shapes) -> Node | None:
        s, u = self.slopes(z, of)[k], self.arguments[k]
        if s is None:
            return None
        if s == ONE and of(u) != of(self):
            pushed = Outer(ones(_size(of(self))), T)
        elif of(s) == ():
            pushed = times(s, T)
        else:
            pushed = Outer(_flat(s, of), T) if of(u) == () else matmul(Diag(_flat(s, of)), T)
        return minus(pushed) if self.signs[k] < 0 else pushed


class Pair(ByElements):
    """z = u o v, element by element; a scalar goes with every element."""

    apply: ClassVar[np.ufunc]
    infix: ClassVar[tuple[str, int]]  # how it is written in the language, and how tightly it holds
    written: ClassVar[str] = "{} {infix[0]} {}"
    function = lambda self, on: self.apply
    shape = lambda self, u, v: u if u == v or v == () else v if u == () else None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        operands = ("uv", "su", "us", "sr", "AB", "sA", "As")
        cls.cases = tuple(cls.written.format(*pair, infix=cls.infix) for pair in operands)

    def value(self, on: Operands) -> Callable:
        """Scalars over time (T,) may meet vectors (T, n) and matrices (T, m, n)."""
        if not any(
            timed and rank < on.rank for rank, timed in zip(on.ranks, on.timed, strict=True)
        ):
            return self.function(on)
        function = self.function(on)
        i, j = (
            (slice(None), *[None] * (on.rank - rank)) if timed else ()
            for rank, timed in zip(on.ranks, on.timed, strict=True)
        )
        return lambda u, v: function(u[i] if i else u, v[j] if j else v)

    def text(self) -> tuple[str, int]:
        symbol, level = self.infix
        return f"{plain(self.u, level)} {symbol} {plain(self.v, level + 1)}", level


class Add(Pair):
    apply, infix = np.add, ("+", 1)
    slopes = lambda self, z, of: [ONE, ONE]

    def tex(self, show: Any) -> Any:
        match self.v:
            case Negative(v):
                return show.sum(self.u, "-", v)
            case Number(value=value) if value < 0:
                return show.sum(self.u, "-", Number(-value))
        return show.sum(self.u, "+", self.v)


class Subtract(Pair):
    apply, infix, signs = np.subtract, ("-", 1), (1, -1)
    slopes = Add.slopes
    tex = lambda self, show: show.sum(self.u, "-", self.v)


class Multiply(Pair):
    apply, infix = np.multiply, ("*", 2)
    slopes = lambda self, z, of: [self.v, self.u]

    def tex(self, show: Any) -> Any:
        if show.shapes(self.u) == show.shapes(self.v) != ():
            # one level looser than a matrix product: W (r * h) needs its brackets
            return show.product(self.u, r" \odot ", self.v, level=1)
        return show.product(self.u, r" \, " if show.numbers is None else r" \cdot ", self.v)


class Divide(Pair):
    """z = u / v, with the slopes 1/v and -u/v^2."""

    apply, infix, signs = np.divide, ("/", 2), (1, -1)
    slopes = lambda self, z, of: [over(ONE, self.v), Divide(self.u, power(self.v, 2))]

    def tex(self, show: Any) -> Any:
        if show.shapes(self.v) == ():
            return show.fraction(self.u, self.v)
        return show.product(self.u, r" \oslash ", self.v, levels=(3, 3))

    def failure(self, u: np.ndarray) -> str:
        return "division by zero in {text}" if np.any(u == 0) else super().failure(u)


class Negative(ByElements):
    signs, cases = (-1,), ("-u", "-s", "-A")
    slopes = lambda self, z, of: [ONE]
    value = lambda self, on: np.negative
    text = lambda self: (f"-{plain(self.u, 3)}", 2)
    tex = lambda self, show: show.negative(self.u)


class Power(ByElements):
    """z = u^p, with the slope p u^(p-1)."""

    cases = ("u**2", "u**3", "u**-1", "u**(1/2)", "s**2", "A**2")
    slopes = lambda self, z, of: [
        times(Number(self.i), power(self.u, self.i - 1)) if self.i != 1 else ones(*of(self.u))
    ]
    tex = lambda self, show: show.power(self.u, self.i)

    value = lambda self, on: lambda u: on.numbers.power(u, self.i)

    def text(self) -> tuple[str, int]:
        p = self.i if self.i >= 0 and self.i.denominator == 1 else f"({self.i})"
        return f"{plain(self.u, 5)}**{p}", 4

    def failure(self, u: np.ndarray) -> str:
        if np.min(u) <= 0 and self.i.denominator != 1:
            return f"a broken power of a negative number ({np.min(u):.6g}) in {{text}}"
        return "division by zero in {text}" if np.any(u == 0) else super().failure(u)


# --- functions of one number -----------------------------------------------------------------------

X = sympy.Symbol("x")


class Function(ByElements):
    """z = f(u), element by element."""

    arity = 1
    f: ClassVar[sympy.Expr]  # of X
    slope: ClassVar[Callable[[Function, Node], Node]]  # f'(u), also in terms of z
    floats: ClassVar[Callable]  # f of an array of floats
    complexes: ClassVar[Callable | None] = None  # of complex numbers, where `floats` does not do
    digits = classmethod(lambda cls, context, u: getattr(context, cls.kind)(u))  # by mpmath
    value = lambda self, on: on.numbers.function(type(self))
    slopes = lambda self, z, of: [self.slope(z)]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.cases = (f"{cls.kind}(u)", *cls.cases) if cls.arity else ()


class Tanh(Function):
    f, floats, notation, cases = sympy.tanh(X), np.tanh, r"\tanh", ("tanh(s)",)
    slope = lambda self, z: Subtract(ONE, power(z, 2))


class Sigmoid(Function):
    f, floats = 1 / (1 + sympy.exp(-X)), scipy.special.expit
    slope = lambda self, z: Multiply(z, Subtract(ONE, z))
    digits = lambda context, u: 1 / (1 + context.exp(-u))
    cases = ("sigmoid(A)",)
    tex = lambda self, show: show.function(r"\sigma", self.u, 2)

    @staticmethod
    def complexes(u: np.ndarray) -> np.ndarray:
        right = np.real(u) >= 0
        e = np.exp(np.where(right, -u, u))  # of non-positive real part: no overflow
        return np.where(right, 1, e) / (1 + e)


class Softplus(Function):
    """log(1 + e^u); its slope is the sigmoid, where 1 - e^-z would cancel."""

    f = sympy.log(1 + sympy.exp(X))
    digits = lambda context, u: context.ln(1 + context.exp(u))
    slope = lambda self, z: Sigmoid(self.u)

    @staticmethod
    def floats(u: np.ndarray) -> np.ndarray:
        right = np.real(u) >= 0
        return np.where(right, u, 0) + np.log1p(np.exp(np.where(right, -u, u)))


class Exp(Function):
    f, floats, notation = sympy.exp(X), np.exp, r"\exp"
    slope = lambda self, z: z


class Log(Function):
    f, floats, notation = sympy.log(X), np.log, r"\log"
    slope = lambda self, z: Divide(ONE, self.u)

    def failure(self, u: np.ndarray) -> str:
        if np.min(u) > 0:
            return super().failure(u)
        what = "zero" if np.min(u) == 0 else f"a negative number ({np.min(u):.6g})"
        return f"the logarithm of {what} in {{text}}"


class Sqrt(Function):
    f, floats = sympy.sqrt(X), np.sqrt
    slope = lambda self, z: Divide(ONE, Multiply(TWO, z))
    tex = lambda self, show: show.root(self.u)

    def failure(self, u: np.ndarray) -> str:
        if np.min(u) >= 0:
            return super().failure(u)
        return f"the square root of a negative number ({np.min(u):.6g}) in {{text}}"


class Sin(Function):
    f, floats, notation = sympy.sin(X), np.sin, r"\sin"
    slope = lambda self, z: Cos(self.u)


class Cos(Function):
    f, floats, notation = sympy.cos(X), np.cos, r"\cos"
    slope = lambda self, z: Negative(Sin(self.u))


class Relu(Function):
    """max(u, 0), with the slope 0 at 0, as in torch."""

    f = sympy.Piecewise((X, X > 0), (0, True))
    floats = lambda u: np.maximum(u, 0.0)
    complexes = lambda u: np.where(np.real(u) > 0, u, 0)
    digits = lambda context, u: u if u > 0 else context.zero
    slope = lambda self, z: Step(self.u)


class Step(Function):
    """The slope of relu; constant on both sides of its jump."""

    f, arity = sympy.Piecewise((1, X > 0), (0, True)), 0
    floats = lambda u: np.where(np.real(u) > 0, 1.0, 0.0)
    digits = lambda context, u: context.one if u > 0 else context.zero
    slope = lambda self, z: ZERO
    slopes = lambda self, z, of: [None]


class Max(Pair):
    """The larger of u and v; where they are equal, v, and it alone is what moves z."""

    arity, infix, written = 2, ("max", 5), "{infix[0]}({}, {})"
    chosen = lambda self: Step(Subtract(self.u, self.v))
    slopes = lambda self, z, of: [self.chosen(), Subtract(ONE, self.chosen())]
    text = Rule.text
    tex = lambda self, show: show.joined(show(self.u), show(self.v).enclosed(", ")).bracketed(
        r"\max", 3
    )

    def function(self, on: Operands) -> Callable:
        step, one = on.numbers.function(Step), on.numbers.number(Fraction(1))

        def larger(u: np.ndarray, v: np.ndarray) -> np.ndarray:
            chosen = step(np.subtract(u, v))
            return np.multiply(chosen, u) + np.multiply(np.subtract(one, chosen), v)

        return larger


# --- scalars of vectors ----------------------------------------------------------------------------


class Functional(Rule):
    """A scalar z of vectors u, with gradients w: u receives g w, and z receives T^T w."""

    gradients: ClassVar[Callable[[Functional, Shapes], list[Node]]]
    pullback = lambda self, g, z, of: [times(g, w) for w in self.gradients(of)]
    push = lambda self, k, T, z, of: matmul(transpose(T), self.gradients(of)[k])


class Sum(Functional):
    arity, cases = 1, ("sum(u)", "sum(A)", "sum(s)")
    shape = lambda self, u: ()
    gradients = lambda self, of: [ones(*of(self.u))]

    def value(self, on: Operands) -> Callable:
        axes = tuple(range(-on.ranks[0], 0))
        return (lambda u: np.sum(u, axis=axes)) if axes else (lambda u: u)

    def push(self, k: int, T: Node, z: Node, of: Shapes) -> Node:
        if of(self.u) == ():
            return T
        return matmul(transpose(T), ones(of(T)[0]))  # of a matrix, T has a row per element


class Dot(Functional):
    arity, cases, wants = 2, ("dot(u, v)",), "dot wants two vectors of one length"
    shape = lambda self, u, v: () if len(u) == 1 and u == v else None
    value = lambda self, on: (lambda u, v: (u * v).sum(-1)) if any(on.timed) else np.dot
    gradients = lambda self, of: [self.v, self.u]
    tex = lambda self, show: show.product(Row(self.u), r" \, ", self.v)


class LogSumExp(Functional):
    """log sum_j e^(u_j), with the gradient softmax(u)."""

    arity, cases, wants = 1, ("log_sum_exp(u)",), "log_sum_exp wants a vector"
    notation = r"\log \sum \exp"
    shape = lambda self, u: () if len(u) == 1 else None
    gradients = lambda self, of: [Softmax(self.u)]

    def value(self, on: Operands) -> Callable:
        exp, log = on.numbers.function(Exp), on.numbers.function(Log)

        def log_sum_exp(u: np.ndarray) -> np.ndarray:
            top = on.numbers.largest(u)
            shift = top[..., 0] if isinstance(top, np.ndarray) else top
            return log(exp(u - top).sum(-1)) + shift

        return log_sum_exp


class Index(Functional):
    """u_i, with the gradient e_i."""

    cases, wants = ("u[1]",), "only a vector has elements to index"
    leaf = property(lambda self: isinstance(self.u, Name))
    value = lambda self, on: lambda u: u[..., self.i]
    gradients = lambda self, of: [Unit(detail=(self.i, *of(self.u)))]
    text = lambda self: (f"{plain(self.u, 5)}[{self.i}]", 5)
    tex = lambda self, show: show.part(self.u, str(self.i + 1))

    def shape(self, u: Shape) -> Shape | str | None:
        if len(u) == 1 and self.i >= u[0]:
            return f"the index {self.i} is beyond the last, {u[0] - 1},"
        return () if len(u) == 1 else None


# --- vectors and matrices --------------------------------------------------------------------------


class Softmax(Rule):
    """z_i = e^(u_i) / sum_j e^(u_j), with J = diag(z) - z z^T."""

    arity, cases, wants = 1, ("softmax(u)", "softmax(w)"), "softmax wants a vector"
    shape = lambda self, u: u if len(u) == 1 else None
    jacobians = lambda self, z, of: [SoftmaxJacobian(z)]

    def value(self, on: Operands) -> Callable:
        exp, largest = on.numbers.function(Exp), on.numbers.largest

        def softmax(u: np.ndarray) -> np.ndarray:
            e = exp(u - largest(u))
            return e / e.sum(-1, keepdims=True)

        return softmax


class Matmul(Rule):
    """Z = A B: A receives G B^T and B receives A^T G; vec dZ = (I (x) B^T) vec dA + (A (x) I) vec dB.

    Magnus and Neudecker (2019), ch. 9. For a vector b, A receives g b^T.
    """

    cases = ("A @ w", "A @ transpose(B)", "transpose(A) @ u", "transpose(A) @ B")
    text = lambda self: (f"{plain(self.A, 2)} @ {plain(self.B, 3)}", 2)
    tex = lambda self, show: show.product(self.A, r" \, ", self.B)
    quicker = lambda self: without_large_matrix(self.A, self.B) or self

    def shape(self, A: Shape, B: Shape) -> Shape | str | None:
        match A, B:
            case (m, n), (k, *p) if n == k:
                return (m, *p)
            case ((), _) | (_, ()):
                return "@ multiplies by a matrix; write * for a scalar"
            case (_,), (_,):
                return "@ wants a matrix on its left; write dot or outer for two vectors"
            case (_,), (_, _):
                return "@ wants a matrix on its left; write transpose(A) @ u for u times A"
        return None

    def value(self, on: Operands) -> Callable:
        if on.ranks[1] == 2 or not on.timed[1]:
            return np.matmul
        if on.timed[0]:  # (T, m, n) @ (T, n)
            return lambda A, b: (A @ b[..., None])[..., 0]
        return lambda A, b: b @ A.T  # (T, n) @ (n, m): one product for all steps

    def pullback(self, g: Node, z: Node, of: Shapes) -> list[Node | None]:
        by_A = Outer(g, self.B) if len(of(self.B)) == 1 else matmul(g, transpose(self.B))
        return [by_A, matmul(transpose(self.A), g)]

    def jacobians(self, z: Node, of: Shapes) -> list[Node]:
        (m, _), (_, *p) = of(self.A), of(self.B)
        if not p:
            return [Kronecker(_identity(m), Row(self.B)), self.A]
        return [Kronecker(_identity(m), transpose(self.B)), Kronecker(self.A, _identity(*p))]


class Outer(Rule):
    """Z = u v^T: u receives G v and v receives G^T u; vec dZ = (I (x) v) du + (u (x) I) dv."""

    arity, cases, wants = 2, ("outer(u, w)",), "outer wants two vectors"
    shape = lambda self, u, v: u + v if len(u) == len(v) == 1 else None
    value = lambda self, on: lambda u, v: u[..., :, None] * v[..., None, :]
    pullback = lambda self, g, z, of: [matmul(g, self.v), matmul(transpose(g), self.u)]
    jacobians = lambda self, z, of: [
        Kronecker(_identity(*of(self.u)), Column(self.v)),
        Kronecker(Column(self.u), _identity(*of(self.v))),
    ]
    tex = lambda self, show: show.product(self.u, r" \, ", Row(self.v))


class Transpose(Rule):
    """Z = A^T: A receives G^T; vec dZ = K vec dA. Proved with the matrix products."""

    arity, wants = 1, "transpose wants a matrix"
    shape = lambda self, A: A[::-1] if len(A) == 2 else None
    value = lambda self, on: lambda A: np.swapaxes(A, -1, -2)
    pullback = lambda self, g, z, of: [transpose(g)]
    jacobians = lambda self, z, of: [Commutation(detail=of(self.A))]
    tex = lambda self, show: show.transposed(self.A)


class Slice(Rule):
    """u_i ... u_j-1."""

    cases, wants, leaf = ("w[0:2]", "w[1:3]"), Index.wants, Index.leaf
    value = lambda self, on: lambda u: u[..., self.i : self.j]
    pullback = lambda self, g, z, of: [Embed(g, detail=(*self.detail, *of(self.u)))]
    push = lambda self, k, T, z, of: Rows(T, detail=self.detail)
    text = lambda self: (f"{plain(self.u, 5)}[{self.i}:{self.j}]", 5)
    tex = Rows.tex

    def shape(self, u: Shape) -> Shape | str | None:
        if len(u) == 1 and not 0 <= self.i < self.j <= u[0]:
            return f"the slice {self.i}:{self.j} is empty or beyond {u[0]}"
        return (self.j - self.i,) if len(u) == 1 else None


class Concatenate(Rule):
    """Vectors and scalars one after the other; each receives its own piece of g."""

    arity, cases = ANY_NUMBER, ("concatenate(u, s, w)", "concatenate(s, u)")
    wants = "concatenate joins vectors and scalars"
    # with numbers one column, not a column of columns
    leaf = property(lambda self: all(isinstance(u, Name) for u in self.arguments))
    shape = lambda self, *u: (sum(map(_size, u)),) if all(len(part) < 2 for part in u) else None
    value = lambda self, on: lambda *parts: join(parts, on, 1)
    tex = Stack.tex

    def pullback(self, g: Node, z: Node, of: Shapes) -> list[Node | None]:
        pulls, first = [], 0
        for part in map(of, self.arguments):
            stop = first + _size(part)
            pulls.append(Slice(g, detail=(first, stop)) if part else Index(g, detail=(first,)))
            first = stop
        return pulls

    def tangent(self, tangents: Sequence[Node | None], z: Node, of: Shapes) -> Node | None:
        sizes = {of(T)[-1] for T in tangents if T is not None}
        parts = zip(self.arguments, tangents, strict=True)
        return StackRows(*(T or zeros(*of(u), *sizes) for u, T in parts)) if sizes else None


class Next(Operation):
    """A formula at the next step; only printed derivations have it."""

    shape = lambda self, u: u
    tex = lambda self, show: show.at_next_step(self.u)


FUNCTIONS = {k: op for k, op in Operation.kinds.items() if op.arity and not op.__subclasses__()}


def gradient_by_components(formula: Node, name: str, of: Shapes) -> Node | None:
    r"""\partial f / \partial y of a scalar f that uses the vector y only as y[0], y[1], ...

    None if f uses y in another way (then the general rules apply).
    """
    slopes: dict[int, Node] = {}

    def walk(node: Node, g: Node) -> bool:
        match node:
            case Index(Name(name=base), detail=(i,)) if base == name:
                slopes[i] = plus(slopes.get(i), g)
                return True
            case ByElements(arguments=arguments) if name in names_in(node):
                pulls = zip(arguments, node.pullback(g, node, of), strict=True)
                return all(walk(u, pulled) for u, pulled in pulls if pulled is not None)
        return name not in names_in(node)

    if of(formula) != () or len(of(Name(name))) != 1 or not walk(formula, ONE):
        return None
    return Stack(*(slopes.get(i, ZERO) for i in range(*of(Name(name)))))
