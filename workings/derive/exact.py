r"""Exact numbers for the proofs: symbols, residues at a random point, and dual numbers over either.

Functions are opaque: of f it is known that equal arguments give equal values, and what f' is. So are
the broken powers u^f, 0 < f < 1, while u^(k + f) = u^k u^f.

A dual number is a + b \epsilon with \epsilon^2 = 0 (Clifford 1873). What a formula gives on names u + d \epsilon
has as its b the derivative of the formula along d, found by the arithmetic of scalars and the slopes
of the functions alone, without any rule of operations.py.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import sympy

from workings.derive.arithmetic import Arithmetic
from workings.derive.expression import Name, Node, Shape, Shapes, names_in
from workings.derive.operations import Function
from workings.derive.program import Program, evaluate

PRIME = 2**61 - 1


@dataclass(eq=False)
class Exact(Arithmetic):
    """Exact numbers of one kind."""

    named: Callable[[str, int], list]  # so many unknowns of that name
    opaque: Callable[[str, Any], Any]  # f(u), by the name of f

    def unknowns(self, name: object, shape: Shape) -> np.ndarray:
        """An array of unknowns."""
        array = np.empty(shape, dtype=object)
        array.flat = self.named(str(name), array.size)
        return array

    def power(self, u: Any, p: Fraction) -> Any:
        whole, broken = divmod(p, 1)
        root = np.frompyfunc(functools.partial(self.opaque, f"power {broken}"), 1, 1)
        return u**whole * root(u) if broken else u**whole


def _exact(number: Callable, named: Callable, opaque: Callable) -> Exact:
    def function(f: type[Function]) -> Callable:
        return np.frompyfunc(functools.partial(opaque, f.kind), 1, 1)

    return Exact(object, number, function, lambda u: 0, named, opaque)


def symbols() -> Exact:
    """Symbols by sympy; the value of an opaque function is a symbol too."""

    @functools.cache
    def opaque(name: str, u: sympy.Expr) -> sympy.Symbol:
        return sympy.Dummy(name)

    def number(value: Fraction) -> sympy.Expr:
        return sympy.Rational(value.numerator, value.denominator)

    def named(name: str, count: int) -> list[sympy.Symbol]:
        return [sympy.Symbol(f"{name}[{i}]") for i in range(count)]

    return _exact(number, named, opaque)


class Residue:
    """A number modulo PRIME; goes with whole numbers too."""

    __slots__ = ("n",)

    def __init__(self, n: int):
        self.n = n % PRIME

    def __add__(self, other: Residue | int) -> Residue:
        return Residue(self.n + (other.n if type(other) is Residue else other))

    def __mul__(self, other: Residue | int) -> Residue:
        return Residue(self.n * (other.n if type(other) is Residue else other))

    def __pow__(self, p: int) -> Residue:
        return Residue(pow(self.n, p, PRIME))

    def __neg__(self) -> Residue:
        return Residue(-self.n)

    def __sub__(self, other: Residue | int) -> Residue:
        return self + -other

    def __rsub__(self, other: int) -> Residue:
        return -self + other

    def __truediv__(self, other: Residue) -> Residue:
        return self * other**-1

    __radd__, __rmul__ = __add__, __mul__


def at_point(k: int) -> Exact:
    """Residues at the k-th random point: unknowns and opaque values are drawn by their names."""

    def named(name: str, count: int) -> list[Residue]:
        random = Random(f"{k} {name}")  # the text itself is the seed, not its hash
        return [Residue(random.randrange(PRIME)) for _ in range(count)]

    return _exact(
        lambda value: Residue(value.numerator) / Residue(value.denominator),
        named,
        lambda name, u: named(f"{name} {u.n}", 1)[0],
    )


@dataclass(frozen=True)
class Dual:
    r"""a + b \epsilon."""

    a: Any
    b: Any = 0

    def __add__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __mul__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __neg__(self) -> Dual:
        return Dual(-self.a, -self.b)

    def __sub__(self, other: Any) -> Dual:
        return self + -other

    def __truediv__(self, other: Any) -> Dual:
        quotient = self.a / other.a
        return Dual(quotient, (self.b - quotient * other.b) / other.a)

    __radd__, __rmul__ = __add__, __mul__


def _dual(value: Any) -> Dual:
    return value if isinstance(value, Dual) else Dual(value)


@functools.lru_cache(maxsize=4)
def dual(base: Exact) -> Arithmetic:
    """Dual numbers over exact ones."""

    def function(f: type[Function]) -> Callable:
        own, slope = base.function(f), _slope(f)

        def lifted(u: Dual) -> Dual:
            z = own(u.a)
            return Dual(z, slope.run({"u": u.a, "z": z}, 1, base)["slope"] * u.b)

        return np.frompyfunc(lifted, 1, 1)

    class Duals(Arithmetic):
        def power(self, u: np.ndarray, p: Fraction) -> np.ndarray:
            def lifted(u: Dual) -> Dual:
                return Dual(base.power(u.a, p), base.number(p) * base.power(u.a, p - 1) * u.b)

            return np.frompyfunc(lifted, 1, 1)(u)

    return Duals(object, lambda value: Dual(base.number(value)), function, lambda u: 0)


def _slope(f: type[Function]) -> Program:
    """f' of the numbers u and z = f(u)."""
    slope = f(Name("u")).slope(Name("z"))
    return Program({"slope": slope}, Shapes({"u": (), "z": ()}), [], ["u", "z"])


def along(
    formula: Node,
    values: Mapping[Any, np.ndarray],
    slopes: Mapping[Any, np.ndarray],
    shapes: Shapes,
    base: Exact,
) -> np.ndarray:
    """The derivative of a formula when each name moves by its slope, flat; a name without one stays."""
    lift = np.frompyfunc(Dual, 2, 1)
    lifted = {name: lift(values[name], slopes.get(name, 0)) for name in names_in(formula)}
    result = evaluate(formula, lifted, shapes, dual(base))
    return np.array([entry.b for entry in result.flat], dtype=object)
