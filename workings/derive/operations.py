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

from workings.derive.arithmetic import SYMBOLIC, Operands
from workings.derive.expression import (
    Misfit,
    Name,
    Node,
    Number,
    Operation,
    Shape,
    Shapes,
    names_in,
    plain,
    substitute,
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
ONE = Number(Fraction(1))

# --- building formulas -------------------------------------------------------------------------


def plus(u: Node | None, v: Node | None) -> Node | None:
    """u + v, where None stands for zero."""
    if u is None or v is None:
        return v if u is None else u
    return Add(u, v)


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
    if isinstance(u, Number) and isinstance(v, Number):
        return Number(u.value * v.value)
    for one, other in ((u, v), (v, u)):
        if one == ONE:
            return other
        if one == Number(Fraction(-1)):
            return minus(other)
    return Multiply(u, v)


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
    return Identity(detail=(_size(shape),)) if shape else ones(1)


def zeros(*shape: int) -> Node:
    return times(Number(Fraction(0)), ones(*shape))


def _size(shape: Shape) -> int:
    return int(np.prod(shape))


def _flat(A: Node, shape: Shapes) -> Node:
    return Vec(A) if len(shape(A)) == 2 else A


# --- what can be differentiated ------------------------------------------------------------------


class Rule(Operation):
    """An operation z = f(u, v, ...) with its two rules; `z` in them is what its value is called."""

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        """J^T g for every operand; None where the operand does not matter."""
        raise NotImplementedError

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        """J T of the k-th operand."""
        raise NotImplementedError

    def tangent(self, tangents: Sequence[Node | None], z: Node, shape: Shapes) -> Node | None:
        """The sum of J T over the operands; None stands for a tangent of zero."""
        pushed = [self.push(k, T, z, shape) for k, T in enumerate(tangents) if T is not None]
        return functools.reduce(plus, pushed, None)

    def failure(self, u: np.ndarray) -> str:
        """Why the value is not finite; `u` is the last operand."""
        return "overflow: {text} is beyond 1.8e308"


def tangent_of(
    node: Node, tangents: Mapping[str, Node], called: Node, shape: Shapes
) -> Node | None:
    """The tangent of a formula whose names have these tangents; `called` is the name of its value."""
    match node:
        case Name(name=name):
            return tangents.get(name)
        case Rule(arguments=arguments):
            inner = [tangent_of(u, tangents, u, shape) for u in arguments]
            return node.tangent(inner, called, shape)
    return None


class ByElements(Rule):
    r"""z_i = f(u_i, v_i), with J = diag(s) of the slopes s_i = \partial z_i / \partial u_i.

    u receives s * g, summed where u is a scalar that acts on every element; z receives diag(s) T.
    """

    signs: ClassVar[tuple[int, ...]] = (1, 1)  # of the slopes
    smooth: ClassVar[bool] = True
    whole: ClassVar[bool] = False  # to sympy a function of its own, not a formula of exponentials

    def shape(self, u: Shape) -> Shape:
        return u

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        """The s of each operand, without its sign; None for zero."""
        raise NotImplementedError

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        def pull(u: Node, s: Node | None) -> Node | None:
            if s is None:
                return None
            if shape(u) == shape(g):
                if len(shape(u)) != 1 or shape(s) == ():
                    return times(s, g)
                return matmul(Diag(s), g)
            if s != ONE and len(shape(g)) == 1:
                return Dot(s, g)
            return Sum(times(s, g))

        pulls = map(pull, self.arguments, self.slopes(z, shape))
        return [minus(p) if sign < 0 else p for p, sign in zip(pulls, self.signs, strict=False)]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        s, u = self.slopes(z, shape)[k], self.arguments[k]
        if s is None:
            return None
        if s == ONE and shape(u) != shape(self):
            pushed = Outer(ones(_size(shape(self))), T)
        elif shape(s) == ():
            pushed = times(s, T)
        elif shape(u) == ():
            pushed = Outer(_flat(s, shape), T)
        else:
            pushed = matmul(Diag(_flat(s, shape)), T)
        return minus(pushed) if self.signs[k] < 0 else pushed


class Pair(ByElements):
    """z = u o v, element by element; a scalar goes with every element."""

    apply: ClassVar[np.ufunc]
    infix: ClassVar[tuple[str, int]]  # how it is written in the language, and how tightly it holds

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        operands = ("u v", "s u", "u s", "s r", "A B", "s A", "A s")
        cls.cases = tuple(pair.replace(" ", f" {cls.infix[0]} ") for pair in operands)

    def shape(self, u: Shape, v: Shape) -> Shape:
        if u == v or v == ():
            return u
        if u == ():
            return v
        raise Misfit("the shapes do not fit")

    def value(self, on: Operands) -> Callable:
        """Scalars over time (T,) may meet vectors (T, n) and matrices (T, m, n)."""
        if not any(t and r < on.rank for r, t in zip(on.ranks, on.timed, strict=True)):
            return self.apply
        i, j = (
            (slice(None), *[None] * (on.rank - r)) if t else ()
            for r, t in zip(on.ranks, on.timed, strict=True)
        )
        return lambda u, v: self.apply(u[i] if i else u, v[j] if j else v)

    def text(self) -> tuple[str, int]:
        symbol, level = self.infix
        return f"{plain(self.first, level)} {symbol} {plain(self.second, level + 1)}", level


class Add(Pair):
    apply = np.add
    infix = ("+", 1)

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        return [ONE, ONE]

    def tex(self, show: Any) -> Any:
        match self.second:
            case Negative(v):
                return show.sum(self.first, "-", v)
            case Number(value=value) if value < 0:
                return show.sum(self.first, "-", Number(-value))
        return show.sum(self.first, "+", self.second)


class Subtract(Pair):
    apply = np.subtract
    infix = ("-", 1)
    signs = (1, -1)
    slopes = Add.slopes

    def tex(self, show: Any) -> Any:
        return show.sum(self.first, "-", self.second)


class Multiply(Pair):
    apply = np.multiply
    infix = ("*", 2)

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        return [self.second, self.first]

    def tex(self, show: Any) -> Any:
        u, v = self.arguments
        if show.shapes(u) == show.shapes(v) != ():
            # one level looser than a matrix product: W (r * h) needs its brackets
            return show.product(u, r" \odot ", v, level=1)
        return show.product(u, r" \, " if show.numbers is None else r" \cdot ", v)


class Divide(Pair):
    """z = u / v, with the slopes 1/v and -u/v^2."""

    apply = np.divide
    infix = ("/", 2)
    signs = (1, -1)

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        u, v = self.arguments
        return [Divide(ONE, v), Divide(u, Power(v, detail=(Fraction(2),)))]

    def tex(self, show: Any) -> Any:
        u, v = self.arguments
        if show.shapes(v) != ():
            return show.product(u, r" \oslash ", v, levels=(3, 3))
        return show.fraction(u, v)

    def failure(self, u: np.ndarray) -> str:
        return "division by zero in {text}" if np.any(u == 0) else super().failure(u)


class Negative(ByElements):
    signs = (-1,)
    cases = ("-u", "-s", "-A")

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        return [ONE]

    def value(self, on: Operands) -> Callable:
        return np.negative

    def text(self) -> tuple[str, int]:
        return f"-{plain(self.first, 3)}", 2

    def tex(self, show: Any) -> Any:
        return show.negative(self.first)


class Power(ByElements):
    """z = u^p, with the slope p u^(p-1)."""

    cases = ("u**2", "u**3", "u**-1", "u**(1/2)", "s**2", "A**2")

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        u, (p,) = self.first, self.detail
        if p == 1:
            return [ones(*shape(u))]
        return [times(Number(p), u if p == 2 else Power(u, detail=(p - 1,)))]

    def value(self, on: Operands) -> Callable:
        (p,) = self.detail
        p = int(p) if p.denominator == 1 else on.numbers.number(p)
        return (lambda u: u * u) if p == 2 else (lambda u: u**p)

    def text(self) -> tuple[str, int]:
        (p,) = self.detail
        exponent = p if p >= 0 and p.denominator == 1 else f"({p})"
        return f"{plain(self.first, 5)}**{exponent}", 4

    def tex(self, show: Any) -> Any:
        return show.power(self.first, self.detail[0])

    def failure(self, u: np.ndarray) -> str:
        if np.min(u) <= 0 and self.detail[0].denominator != 1:
            return f"a broken power of a negative number ({np.min(u):.6g}) in {{text}}"
        return "division by zero in {text}" if np.any(u == 0) else super().failure(u)


# --- functions of one number, whose slopes sympy finds --------------------------------------------

X = sympy.Symbol("x")
Y = sympy.Symbol("y", positive=True)  # so that sqrt(y^2) is y; tanh' and its y^2 do not mind


class Function(ByElements):
    """z = f(u), element by element."""

    f: ClassVar[sympy.Expr]  # of X
    inverse: ClassVar[sympy.Expr | None] = None  # of Y = f(X), where f' is shorter in terms of f
    floats: ClassVar[Callable]
    complexes: ClassVar[Callable | None] = None  # where `floats` does not do

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.cases = (f"{cls.kind}(u)", *cls.cases) if cls.arity else ()

    @classmethod
    def digits(cls, context: Any, u: Any) -> Any:
        return getattr(context, cls.kind)(u)

    @classmethod
    def symbols(cls, u: sympy.Expr) -> sympy.Expr:
        return cls.f.subs(X, u)

    def value(self, on: Operands) -> Callable:
        return on.numbers.function(type(self))

    @classmethod
    @functools.cache
    def slope(cls) -> Node:
        """f' as a formula in `z` = f(u) or in `u`: tanh' = 1 - z^2, exp' = z, log' = 1 / u."""
        slope = sympy.diff(cls.f, X)
        if cls.inverse is None:
            return from_sympy(slope, {X: Name("u")})
        slope = sympy.powsimp(sympy.simplify(slope.subs(X, cls.inverse)))
        return from_sympy(slope, {Y: Name("z")})

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        return [substitute(self.slope(), {"z": z, "u": self.first})]


class Tanh(Function):
    f, inverse, floats = sympy.tanh(X), sympy.atanh(Y), np.tanh
    arity, notation, cases = 1, r"\tanh", ("tanh(s)",)


class Sigmoid(Function):
    f, inverse, floats = 1 / (1 + sympy.exp(-X)), sympy.log(Y / (1 - Y)), scipy.special.expit
    arity, whole, cases = 1, True, ("sigmoid(A)",)

    @staticmethod
    def complexes(u: np.ndarray) -> np.ndarray:
        right = np.real(u) >= 0
        e = np.exp(np.where(right, -u, u))  # of non-positive real part: no overflow
        return np.where(right, 1, e) / (1 + e)

    @staticmethod
    def digits(context: Any, u: Any) -> Any:
        return 1 / (1 + context.exp(-u))

    def tex(self, show: Any) -> Any:
        return show.function(r"\sigma", self.first, 2)


class Softplus(Function):
    """log(1 + e^u); its slope is the sigmoid, where 1 - e^-z would cancel."""

    f, arity, whole = sympy.log(1 + sympy.exp(X)), 1, True

    @staticmethod
    def floats(u: np.ndarray) -> np.ndarray:
        right = np.real(u) >= 0
        return np.where(right, u, 0) + np.log1p(np.exp(np.where(right, -u, u)))

    @staticmethod
    def digits(context: Any, u: Any) -> Any:
        return context.ln(1 + context.exp(u))

    @classmethod
    def slope(cls) -> Node:
        return Sigmoid(Name("u"))


class Exp(Function):
    f, inverse, floats = sympy.exp(X), sympy.log(Y), np.exp
    arity, notation = 1, r"\exp"


class Log(Function):
    f, floats, arity, notation = sympy.log(X), np.log, 1, r"\log"

    def failure(self, u: np.ndarray) -> str:
        if np.min(u) > 0:
            return super().failure(u)
        what = "zero" if np.min(u) == 0 else f"a negative number ({np.min(u):.6g})"
        return f"the logarithm of {what} in {{text}}"


class Sqrt(Function):
    f, inverse, floats, arity = sympy.sqrt(X), Y**2, np.sqrt, 1

    def tex(self, show: Any) -> Any:
        return show.root(self.first)

    def failure(self, u: np.ndarray) -> str:
        if np.min(u) >= 0:
            return super().failure(u)
        return f"the square root of a negative number ({np.min(u):.6g}) in {{text}}"


class Sin(Function):
    f, floats, arity, notation = sympy.sin(X), np.sin, 1, r"\sin"


class Cos(Function):
    f, floats, arity, notation = sympy.cos(X), np.cos, 1, r"\cos"


class Relu(Function):
    """max(u, 0), with the slope 0 at 0, as in torch."""

    f, arity, smooth = sympy.Piecewise((X, X > 0), (0, True)), 1, False

    @staticmethod
    def floats(u: np.ndarray) -> np.ndarray:
        return np.maximum(u, 0.0)

    @staticmethod
    def complexes(u: np.ndarray) -> np.ndarray:
        return np.where(np.real(u) > 0, u, 0)

    @staticmethod
    def digits(context: Any, u: Any) -> Any:
        return u if u > 0 else context.zero

    @classmethod
    def slope(cls) -> Node:
        return Step(Name("u"))


class Step(Function):
    """The slope of relu; constant on both sides of its jump."""

    f, smooth = sympy.Piecewise((1, X > 0), (0, True)), False

    @staticmethod
    def floats(u: np.ndarray) -> np.ndarray:
        return np.where(np.real(u) > 0, 1.0, 0.0)

    @staticmethod
    def digits(context: Any, u: Any) -> Any:
        return context.one if u > 0 else context.zero

    def slopes(self, z: Node, shape: Shapes) -> list[Node | None]:
        return [None]


# --- scalars of vectors ----------------------------------------------------------------------------


class Functional(Rule):
    """A scalar z of vectors u, with gradients w: u receives g w, and z receives T^T w."""

    def gradients(self, shape: Shapes) -> list[Node]:
        raise NotImplementedError

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        return [times(g, w) for w in self.gradients(shape)]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        return matmul(transpose(T), self.gradients(shape)[k])


class Sum(Functional):
    arity, cases = 1, ("sum(u)", "sum(A)", "sum(s)")

    def shape(self, u: Shape) -> Shape:
        return ()

    def value(self, on: Operands) -> Callable:
        axes = tuple(range(-on.ranks[0], 0))
        return (lambda u: np.sum(u, axis=axes)) if axes else (lambda u: u)

    def gradients(self, shape: Shapes) -> list[Node]:
        return [ones(*shape(self.first))]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        if shape(self.first) == ():
            return T
        return matmul(transpose(T), ones(shape(T)[0]))  # of a matrix, T has a row per element


class Dot(Functional):
    arity, cases = 2, ("dot(u, v)",)

    def shape(self, u: Shape, v: Shape) -> Shape:
        if len(u) == 1 and u == v:
            return ()
        raise Misfit("dot wants two vectors of one length")

    def value(self, on: Operands) -> Callable:
        if any(on.timed):
            return lambda u, v: (u * v).sum(-1)
        return lambda u, v: u @ v

    def gradients(self, shape: Shapes) -> list[Node]:
        return [self.second, self.first]

    def tex(self, show: Any) -> Any:
        return show.inner(self.first, self.second)


class LogSumExp(Functional):
    """log sum_j e^(u_j), with the gradient softmax(u)."""

    arity, notation, cases = 1, r"\log \sum \exp", ("log_sum_exp(u)",)

    def shape(self, u: Shape) -> Shape:
        if len(u) == 1:
            return ()
        raise Misfit("log_sum_exp wants a vector")

    def value(self, on: Operands) -> Callable:
        exp, log = on.numbers.function(Exp), on.numbers.function(Log)

        def log_sum_exp(u: np.ndarray) -> np.ndarray:
            top = on.numbers.largest(u)
            shift = top[..., 0] if isinstance(top, np.ndarray) else top
            return log(exp(u - top).sum(-1)) + shift

        return log_sum_exp

    def gradients(self, shape: Shapes) -> list[Node]:
        return [Softmax(self.first)]


class Index(Functional):
    """u_i, with the gradient e_i."""

    cases = ("u[1]",)

    def shape(self, u: Shape) -> Shape:
        if len(u) != 1:
            raise Misfit("only a vector has elements to index")
        if self.detail[0] >= u[0]:
            raise Misfit(f"the index {self.detail[0]} is beyond the last, {u[0] - 1},")
        return ()

    def value(self, on: Operands) -> Callable:
        (i,) = self.detail
        return lambda u: u[..., i]

    def gradients(self, shape: Shapes) -> list[Node]:
        return [Unit(detail=(self.detail[0], *shape(self.first)))]

    def text(self) -> tuple[str, int]:
        return f"{plain(self.first, 5)}[{self.detail[0]}]", 5

    def tex(self, show: Any) -> Any:
        return show.part(self.first, str(self.detail[0] + 1))

    def is_whole(self) -> bool:
        return isinstance(self.first, Name)


# --- vectors and matrices --------------------------------------------------------------------------


class Softmax(Rule):
    """z_i = e^(u_i) / sum_j e^(u_j), with J = diag(z) - z z^T."""

    arity, cases = 1, ("softmax(u)", "softmax(w)")

    def shape(self, u: Shape) -> Shape:
        if len(u) == 1:
            return u
        raise Misfit("softmax wants a vector")

    def value(self, on: Operands) -> Callable:
        exp = on.numbers.function(Exp)

        def softmax(u: np.ndarray) -> np.ndarray:
            e = exp(u - on.numbers.largest(u))
            return e / e.sum(-1, keepdims=True)

        return softmax

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        return [matmul(SoftmaxJacobian(z), g)]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        return matmul(SoftmaxJacobian(z), T)


class Matmul(Rule):
    """Z = A B: A receives G B^T and B receives A^T G; vec dZ = (I (x) B^T) vec dA + (A (x) I) vec dB.

    Magnus and Neudecker (2019), ch. 9. For a vector b, A receives g b^T.
    """

    cases = ("A @ w", "A @ transpose(B)", "transpose(A) @ u", "transpose(A) @ B")

    def shape(self, A: Shape, B: Shape) -> Shape:
        match A, B:
            case (m, n), (k, *p) if n == k:
                return (m, *p)
            case ((), _) | (_, ()):
                raise Misfit("@ multiplies by a matrix; write * for a scalar")
            case (_,), (_,):
                raise Misfit("@ wants a matrix on its left; write dot or outer for two vectors")
        raise Misfit("the shapes do not fit")

    def value(self, on: Operands) -> Callable:
        if on.ranks[1] == 2 or not on.timed[1]:
            return np.matmul
        if on.timed[0]:  # (T, m, n) @ (T, n)
            return lambda A, b: (A @ b[..., None])[..., 0]
        return lambda A, b: b @ A.T  # (T, n) @ (n, m): one product for all steps

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        A, B = self.arguments
        by_A = Outer(g, B) if len(shape(B)) == 1 else matmul(g, transpose(B))
        return [by_A, matmul(transpose(A), g)]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        A, B = self.arguments
        vector = len(shape(B)) == 1
        if k == 0:
            I = Identity(detail=shape(A)[:1])
            return matmul(Kronecker(I, Row(B) if vector else transpose(B)), T)
        return matmul(A if vector else Kronecker(A, Identity(detail=shape(B)[1:])), T)

    def quicker(self) -> Operation:
        """The same product without a large matrix on its left."""
        return without_large_matrix(*self.arguments) or self

    def text(self) -> tuple[str, int]:
        return f"{plain(self.first, 2)} @ {plain(self.second, 3)}", 2

    def tex(self, show: Any) -> Any:
        return show.product(self.first, r" \, ", self.second)


class Outer(Rule):
    """Z = u v^T: u receives G v and v receives G^T u; vec dZ = (I (x) v) du + (u (x) I) dv."""

    arity, cases = 2, ("outer(u, w)",)

    def shape(self, u: Shape, v: Shape) -> Shape:
        if len(u) == len(v) == 1:
            return u + v
        raise Misfit("outer wants two vectors")

    def value(self, on: Operands) -> Callable:
        return lambda u, v: u[..., :, None] * v[..., None, :]

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        u, v = self.arguments
        return [matmul(g, v), matmul(transpose(g), u)]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        u, v = self.arguments
        if k == 0:
            return matmul(Kronecker(Identity(detail=shape(u)), Column(v)), T)
        return matmul(Kronecker(Column(u), Identity(detail=shape(v))), T)

    def tex(self, show: Any) -> Any:
        return show.outer(self.first, self.second)


class Transpose(Rule):
    """Z = A^T: vec dZ = K vec dA."""

    arity = 1  # proved with the matrix products

    def shape(self, A: Shape) -> Shape:
        if len(A) == 2:
            return A[::-1]
        raise Misfit("transpose wants a matrix")

    def value(self, on: Operands) -> Callable:
        return lambda A: np.swapaxes(A, -1, -2)

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        return [transpose(g)]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        return matmul(Commutation(detail=shape(self.first)), T)

    def tex(self, show: Any) -> Any:
        return show.transposed(self.first)


class Slice(Rule):
    """u_i ... u_j-1."""

    cases = ("w[0:2]", "w[1:3]")

    def shape(self, u: Shape) -> Shape:
        i, j = self.detail
        if len(u) != 1:
            raise Misfit("only a vector has elements to index")
        if not 0 <= i < j <= u[0]:
            raise Misfit(f"the slice {i}:{j} is empty or beyond {u[0]}")
        return (j - i,)

    def value(self, on: Operands) -> Callable:
        i, j = self.detail
        return lambda u: u[..., i:j]

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        return [Embed(g, detail=(*self.detail, *shape(self.first)))]

    def push(self, k: int, T: Node, z: Node, shape: Shapes) -> Node | None:
        return Rows(T, detail=self.detail)

    def text(self) -> tuple[str, int]:
        return f"{plain(self.first, 5)}[{self.detail[0]}:{self.detail[1]}]", 5

    tex, is_whole = Rows.tex, Index.is_whole


class Concatenate(Rule):
    """Vectors and scalars one after the other; each receives its own piece of g."""

    arity, cases = ANY_NUMBER, ("concatenate(u, s, w)", "concatenate(s, u)")

    def shape(self, *parts: Shape) -> Shape:
        if any(len(part) == 2 for part in parts):
            raise Misfit("concatenate joins vectors and scalars")
        return (sum(map(_size, parts)),)

    def value(self, on: Operands) -> Callable:
        return lambda *parts: join(parts, on, 1)

    def pullback(self, g: Node, z: Node, shape: Shapes) -> list[Node | None]:
        pulls, first = [], 0
        for part in map(shape, self.arguments):
            stop = first + _size(part)
            pulls.append(Slice(g, detail=(first, stop)) if part else Index(g, detail=(first,)))
            first = stop
        return pulls

    def tangent(self, tangents: Sequence[Node | None], z: Node, shape: Shapes) -> Node | None:
        parts = list(zip(self.arguments, tangents, strict=True))
        sizes = {shape(T)[-1] for _, T in parts if T is not None}
        blocks = [T or zeros(*shape(u), *sizes) for u, T in parts]
        return StackRows(*blocks) if sizes else None

    tex = Stack.tex

    def is_whole(self) -> bool:  # one column, not a column of columns
        return all(isinstance(argument, Name) for argument in self.arguments)


class Next(Operation):
    """A formula at the next step; only printed derivations have it."""

    def shape(self, u: Shape) -> Shape:
        return u

    def tex(self, show: Any) -> Any:
        return show.at_next_step(self.first)


FUNCTIONS = {kind: operation for kind, operation in Operation.kinds.items() if operation.arity}

# --- formulas from sympy -------------------------------------------------------------------------


def from_sympy(expression: sympy.Expr, names: dict[sympy.Symbol, Node]) -> Node:
    """The formula of a scalar sympy expression made of +, *, numeric powers and known functions."""

    def read(part: sympy.Expr) -> Node:
        return from_sympy(part, names)

    if expression.is_Rational:
        return Number(Fraction(int(expression.p), int(expression.q)))
    if expression in names:
        return names[expression]
    if expression.is_Add:
        # 1 - y^2 rather than -y^2 + 1
        first, *others = sorted(
            expression.as_ordered_terms(), key=lambda term: term.could_extract_minus_sign()
        )
        total = read(first)
        for term in others:
            negative = term.could_extract_minus_sign()
            total = Subtract(total, read(-term)) if negative else Add(total, read(term))
        return total
    if expression.is_Mul:
        if expression.could_extract_minus_sign():
            return minus(read(-expression))
        top, bottom = sympy.fraction(expression)  # nested fractions stay as they are
        if bottom != 1:
            return Divide(read(top), read(bottom))
        return functools.reduce(times, map(read, expression.as_ordered_factors()))
    if expression.is_Pow and expression.exp.is_Rational:
        if expression.exp == sympy.Rational(1, 2):
            return Sqrt(read(expression.base))
        if expression.exp.is_negative:
            return Divide(ONE, read(1 / expression))
        exponent = Fraction(int(expression.exp.p), int(expression.exp.q))
        return Power(read(expression.base), detail=(exponent,))
    return Operation.kinds[expression.func.__name__](read(expression.args[0]))


def gradient_by_components(formula: Node, name: str, size: int) -> Node | None:
    r"""\partial f / \partial y of a scalar f that uses the vector y only as y[0], y[1], ...

    sympy differentiates by each component; whatever does not contain y is a constant to it. None if f
    uses y in another way (then the general rules apply).
    """
    symbols: dict[Node, sympy.Symbol] = {}

    def symbol_for(node: Node) -> sympy.Symbol:
        fresh = sympy.Dummy(f"k{len(symbols)}", positive=True)
        return symbols.setdefault(node, fresh)

    def convert(node: Node) -> sympy.Expr | None:
        match node:
            case Number(value=value):
                return SYMBOLIC.number(value)
            case Index(Name(name=base)) if base == name:
                return symbol_for(node)
        if name not in names_in(node):
            return symbol_for(node)
        if not isinstance(node, ByElements) or not node.smooth or node.whole:
            return None
        parts = [convert(argument) for argument in node.arguments]
        if any(part is None for part in parts):
            return None
        count = len(parts)
        return node.value(Operands(SYMBOLIC, [0] * count, [False] * count, 0))(*parts)

    expression = convert(formula)
    if expression is None:
        return None
    slopes = [
        sympy.diff(expression, symbol_for(Index(Name(name), detail=(i,)))) for i in range(size)
    ]
    back = {symbol: node for node, symbol in symbols.items()}
    return Stack(*(from_sympy(slope, back) for slope in slopes))
