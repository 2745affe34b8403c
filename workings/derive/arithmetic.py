"""The numbers that a program runs on.

Double precision, complex double precision (for the complex step), and any number of digits by mpmath;
exact.py has those of the proofs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np


@dataclass(eq=False)
class Arithmetic:
    """Numbers of one kind."""

    dtype: Any
    number: Callable[[Fraction], Any]  # makes one
    function: Callable[[type], Callable]  # of a class of operations.py, on arrays of these numbers
    largest: Callable[[np.ndarray], Any]  # of the last axis, kept; any shift makes softmax the same

    def array(self, values: np.ndarray) -> np.ndarray:
        """An array of these numbers from an array of Fractions or floats."""
        values = np.asarray(values)
        if self.dtype is not object:
            return values.astype(self.dtype)  # always a copy
        result = np.empty(values.shape, dtype=object)
        for index in np.ndindex(values.shape):
            value = values[index]
            value = int(value) if isinstance(value, np.integer) else value
            result[index] = self.number(Fraction(value))
        return result

    def power(self, u: np.ndarray, p: Fraction) -> np.ndarray:
        if p == 2:
            return u * u
        return u ** (int(p) if p.denominator == 1 else self.number(p))

    def zeros(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.array(np.zeros(shape, dtype=int))


DOUBLE = Arithmetic(
    np.float64,
    float,
    lambda function: function.floats,
    lambda u: u.max(-1, keepdims=True),
)
COMPLEX = Arithmetic(
    np.complex128,
    lambda value: complex(float(value)),
    lambda function: function.complexes or function.floats,
    lambda u: u.real.max(-1, keepdims=True),
)


@functools.cache
def multiprecision(digits: int) -> Arithmetic:
    """mpmath numbers with so many decimal digits, in a context of their own."""
    context = mpmath.MPContext()
    context.dps = digits
    return Arithmetic(
        object,
        lambda value: context.mpf(value.numerator) / value.denominator,
        lambda function: np.frompyfunc(functools.partial(function.digits, context), 1, 1),
        lambda u: np.max(u, -1, keepdims=True),
    )


@dataclass(frozen=True)
class Operands:
    """What an operation runs on: numbers of one kind, where each operand may carry a time axis.

    Operands whose `timed` is true have a leading axis of steps: then all steps are computed at once.
    `ranks` are those of the operands without that axis, `rank` that of the result.
    """

    numbers: Arithmetic
    ranks: list[int]
    timed: list[bool]
    rank: int
