r"""Exact numbers for the proofs: polynomials, residues at a random point, dual numbers over either.

Functions are opaque: of f it is known that equal arguments give equal values, and what f' is. So are
the broken powers u^f, 0 < f < 1, while u^(k + f) = u^k u^f.

A dual number is a + b \epsilon with \epsilon^2 = 0 (Clifford 1873). What a formula gives on names u + d \epsilon
has as its b the derivative of the formula along d, found by the arithmetic of scalars and the slopes
of the functions alone, without any rule of operations.py.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

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


class OutOfBudget(Exception):
    """More terms than may be multiplied."""


@dataclass
class _Home:
    """What polynomials of one statement share: a budget, and the names of opaque values."""

    budget: int  # of products of terms
    opaque: dict[Any, Polynomial] = field(default_factory=dict)
    roots: dict[Any, tuple[Polynomial, int]] = field(default_factory=dict)  # of u^k: u and k

    def generator(self, *what: Any) -> Polynomial:
        """A new unknown for what is opaque; the same for equal things."""
        if what not in self.opaque:
            self.opaque[what] = Polynomial({((len(self.opaque), 1),): 1}, self)
        return self.opaque[what]

    def spend(self, terms: int) -> None:
        self.budget -= terms
        if self.budget < 0:
            raise OutOfBudget


class Polynomial:
    """A sum of terms c x^i y^j ...; the exponents may be negative. Goes with whole numbers too.

    1/u of more than one term is opaque.
    """

    __slots__ = ("home", "terms")

    def __init__(self, terms: dict[tuple[tuple[int, int], ...], Any], home: _Home):
        self.terms, self.home = terms, home

    def key(self) -> frozenset:
        return frozenset(self.terms.items())

    def _other(self, value: Polynomial | int) -> dict:
        return value.terms if isinstance(value, Polynomial) else {(): value} if value else {}

    def __add__(self, other: Polynomial | int) -> Polynomial:
        terms, more = dict(self.terms), self._other(other)
        self.home.spend(len(more))
        for monomial, c in more.items():
            terms[monomial] = terms.get(monomial, 0) + c
            if terms[monomial] == 0:
                del terms[monomial]
        return Polynomial(terms, self.home)

    def __mul__(self, other: Polynomial | int) -> Polynomial:
        terms: dict = {}
        more = self._other(other)
        self.home.spend(len(self.terms) * len(more))
        for (m, a), (n, b) in itertools.product(self.terms.items(), more.items()):
            monomial = _product(m, n)
            terms[monomial] = terms.get(monomial, 0) + a * b
        return Polynomial({m: c for m, c in terms.items() if c}, self.home)

    def __neg__(self) -> Polynomial:
        return self * -1

    def __sub__(self, other: Polynomial | int) -> Polynomial:
        return self + -other

    def __rsub__(self, other: int) -> Polynomial:
        return -self + other

    def __pow__(self, p: int) -> Polynomial:
        if p < 0:
            return self.inverse() ** -p
        result = Polynomial({(): 1}, self.home)
        for k in range(1, p + 1):
            result = result * self
            self.home.roots.setdefault(result.key(), (self, k))
        return result

    def inverse(self) -> Polynomial:
        if len(self.terms) == 1:
            ((monomial, c),) = self.terms.items()
            return Polynomial({tuple((x, -e) for x, e in monomial): Fraction(1) / c}, self.home)
        root, k = self.home.roots.get(self.key(), (self, 1))
        return self.home.generator("1/", root.key()) ** k

    def __truediv__(self, other: Polynomial) -> Polynomial:
        return self * other.inverse()

    __radd__, __rmul__ = __add__, __mul__


def _product(m: tuple, n: tuple) -> tuple:
    if not m or not n:
        return m or n
    exponents = dict(m)
    for x, e in n:
        exponents[x] = exponents.get(x, 0) + e
    return tuple(sorted((x, e) for x, e in exponents.items() if e))


def symbols(budget: int) -> Exact:
    """Polynomials in symbols and opaque values, until so many products of terms are taken."""
    home = _Home(budget)

    def named(name: str, count: int) -> list[Polynomial]:
        return [home.generator(name, i) for i in range(count)]

    return _exact(
        lambda value: Polynomial({(): Fraction(value)} if value else {}, home),
        named,
        lambda name, u: home.generator(name, u.key()),
    )


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
