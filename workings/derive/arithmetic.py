"""The numbers that a program runs on, and the operations on arrays of them.

Double precision, complex double precision (for the complex step), any number of digits by mpmath, and
symbols by sympy (for the proofs).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import scipy.special
import sympy

from workings.derive.expression import Operation
from workings.derive.operations import SCALAR_DEFINITIONS, VARIABLE


@dataclass(frozen=True)
class Arithmetic:
    """Numbers of one kind: how to make them, and the elementwise functions on arrays of them.

    The name tells one arithmetic from another.
    """

    name: str
    dtype: Any
    number: Callable[[Fraction], Any]
    functions: dict[str, Callable]
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

    def softmax(self, u: np.ndarray) -> np.ndarray:
        """exp(u_i) / sum_j exp(u_j) over the last axis."""
        e = self.functions["exp"](u - self.largest(u))
        return e / e.sum(-1, keepdims=True)

    def log_sum_exp(self, u: np.ndarray) -> np.ndarray:
        """log sum_j exp(u_j) over the last axis."""
        top = self.largest(u)
        total = self.functions["exp"](u - top).sum(-1)
        shift = top[..., 0] if isinstance(top, np.ndarray) else top
        return self.functions["log"](total) + shift


def _complex_sigmoid(x: np.ndarray) -> np.ndarray:
    right = np.real(x) >= 0
    e = np.exp(np.where(right, -x, x))  # of non-positive real part: no overflow
    return np.where(right, 1, e) / (1 + e)


def _softplus(x: np.ndarray) -> np.ndarray:
    right = np.real(x) >= 0
    return np.where(right, x, 0) + np.log1p(np.exp(np.where(right, -x, x)))


_NUMPY = {name: getattr(np, name) for name in ("tanh", "exp", "log", "sqrt", "sin", "cos")} | {
    "softplus": _softplus,
    "relu": lambda x: np.where(np.real(x) > 0, x, 0),
    "step": lambda x: np.where(np.real(x) > 0, 1.0, 0.0),
}

DOUBLE = Arithmetic(
    "double precision",
    np.float64,
    float,
    _NUMPY | {"sigmoid": scipy.special.expit, "relu": lambda x: np.maximum(x, 0.0)},
    lambda u: u.max(-1, keepdims=True),
)
COMPLEX = Arithmetic(
    "complex double precision",
    np.complex128,
    lambda value: complex(float(value)),
    _NUMPY | {"sigmoid": _complex_sigmoid},
    lambda u: u.real.max(-1, keepdims=True),
)


@functools.cache
def multiprecision(digits: int) -> Arithmetic:
    """mpmath numbers with so many decimal digits, in a context of their own."""
    context = mpmath.MPContext()
    context.dps = digits

    def function(scalar: Callable) -> Callable:
        return np.frompyfunc(scalar, 1, 1)

    functions = {
        name: function(getattr(context, name)) for name in ("tanh", "exp", "sqrt", "sin", "cos")
    } | {
        "log": function(context.ln),
        "sigmoid": function(lambda x: 1 / (1 + context.exp(-x))),
        "softplus": function(lambda x: context.ln(1 + context.exp(x))),
        "relu": function(lambda x: x if x > 0 else context.zero),
        "step": function(lambda x: context.one if x > 0 else context.zero),
    }
    return Arithmetic(
        f"{digits} digits",
        object,
        lambda value: context.mpf(value.numerator) / value.denominator,
        functions,
        lambda u: np.max(u, -1, keepdims=True),
    )


def _symbolic_function(name: str) -> Callable:
    definition = SCALAR_DEFINITIONS[name]
    return np.frompyfunc(lambda x: definition.subs(VARIABLE, x), 1, 1)


SYMBOLIC = Arithmetic(
    "symbols",
    object,
    lambda value: sympy.Rational(value.numerator, value.denominator),
    {name: _symbolic_function(name) for name in SCALAR_DEFINITIONS}
    | {
        "relu": np.frompyfunc(lambda x: sympy.Piecewise((x, x > 0), (0, True)), 1, 1),
        "step": np.frompyfunc(lambda x: sympy.Piecewise((1, x > 0), (0, True)), 1, 1),
    },
    lambda u: 0,
)


# --- values ------------------------------------------------------------------------------------


def implementation(
    node: Operation, ranks: list[int], timed: list[bool], rank: int, arithmetic: Arithmetic
) -> Callable:
    """The function that computes `node` from the values of its operands.

    Operands may carry a leading time axis where `timed` says so: then all steps are computed at once.
    `ranks` are those of the operands without that axis, `rank` that of the result.
    """
    kind, detail = node.kind, node.detail
    any_timed = any(timed)

    def lifted(function: Callable) -> Callable:
        """Let scalars over time (T,) meet vectors (T, n) and matrices (T, m, n)."""
        if not any_timed or all(r == rank or not on for r, on in zip(ranks, timed, strict=True)):
            return function
        pads = [
            (slice(None),) + (None,) * (rank - r) if on else ...
            for r, on in zip(ranks, timed, strict=True)
        ]
        return lambda u, v: function(u[pads[0]] if timed[0] else u, v[pads[1]] if timed[1] else v)

    axes = tuple(range(-ranks[0], 0)) if ranks else ()
    match kind:
        case "add":
            return lifted(np.add)
        case "subtract":
            return lifted(np.subtract)
        case "multiply" | "scale_rows":
            if kind == "scale_rows" and ranks[1] == 2:
                return lambda d, a: d[..., :, None] * a
            return lifted(np.multiply)
        case "divide":
            return lifted(np.divide)
        case "negative":
            return np.negative
        case "power":
            exponent = (
                int(detail[0]) if detail[0].denominator == 1 else arithmetic.number(detail[0])
            )
            if exponent == 2:
                return lambda u: u * u
            return lambda u: u**exponent
        case "softmax":
            return arithmetic.softmax
        case "log_sum_exp":
            return arithmetic.log_sum_exp
        case "sum":
            return (lambda u: np.sum(u, axis=axes)) if axes else (lambda u: u)
        case "dot":
            if any_timed:
                return lambda u, v: (u * v).sum(-1)
            return lambda u, v: u @ v
        case "outer":
            return lambda u, v: u[..., :, None] * v[..., None, :]
        case "matmul":
            if ranks[1] == 2 or not timed[1]:
                return np.matmul
            if timed[0]:  # (T, m, n) @ (T, n)
                return lambda a, v: (a @ v[..., None])[..., 0]
            return lambda a, v: v @ a.T  # (T, n) @ (n, m): one product for all steps
        case "transpose":
            return lambda a: np.swapaxes(a, -1, -2)
        case "index":
            return lambda u: u[..., detail[0]]
        case "slice":
            return lambda u: u[..., detail[0] : detail[1]]
        case "rows":
            return lambda a: a[..., detail[0] : detail[1], :]
        case "concatenate" | "stack":
            return functools.partial(_join, ranks=ranks, timed=timed, dtype=arithmetic.dtype)
        case "stack_rows":
            return lambda *parts: _stack_rows(parts, ranks)
        case "embed":
            return functools.partial(_embed, detail=detail)
        case "ones" | "unit" | "identity" | "commutation":
            constant = arithmetic.array(_constant(kind, detail))
            return lambda: constant
        case "diag":
            return lambda u: u[..., :, None] * _eye(u)
        case "softmax_jacobian":  # diag(y) - y y^T
            return lambda y: y[..., :, None] * _eye(y) - y[..., :, None] * y[..., None, :]
        case "softmax_rows":  # (diag(y) - y y^T) g = y * (g - y . g)
            return _softmax_rows if ranks[1] == 1 else _softmax_rows_of_matrix
        case "contract_rows":  # (I_m (x) v^T) A, A with m n rows
            return functools.partial(_contract_rows, m=detail[0])
        case "row":
            return lambda u: u[..., None, :]
        case "column":
            return lambda u: u[..., :, None]
        case "vec":
            return lambda a: a.reshape(*a.shape[:-2], -1)
        case "kronecker":
            return _kronecker
    return arithmetic.functions[kind]


def _eye(u: np.ndarray) -> np.ndarray:
    return np.eye(u.shape[-1], dtype=int)


def _constant(kind: str, detail: tuple) -> np.ndarray:
    match kind:
        case "ones":
            return np.ones(detail, dtype=int)
        case "identity":
            return np.eye(detail[0], dtype=int)
        case "unit":
            return np.eye(detail[1], dtype=int)[detail[0]]
    m, n = detail  # commutation: vec(A^T) = K vec(A), A m by n
    order = np.arange(m * n).reshape(m, n).T.ravel()
    return np.eye(m * n, dtype=int)[order]


def _join(*parts: Any, ranks: list[int], timed: list[bool], dtype: Any) -> np.ndarray:
    parts = [
        np.asarray(part, dtype=dtype)[..., None] if r == 0 else part
        for part, r in zip(parts, ranks, strict=True)
    ]
    lead = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return np.concatenate([np.broadcast_to(p, (*lead, p.shape[-1])) for p in parts], axis=-1)


def _stack_rows(parts: Sequence[np.ndarray], ranks: list[int]) -> np.ndarray:
    parts = [part[..., None, :] if r == 1 else part for part, r in zip(parts, ranks, strict=True)]
    lead = np.broadcast_shapes(*(part.shape[:-2] for part in parts))
    return np.concatenate([np.broadcast_to(p, (*lead, *p.shape[-2:])) for p in parts], axis=-2)


def _embed(g: np.ndarray, detail: tuple) -> np.ndarray:
    first, stop, n = detail
    result = np.zeros((*g.shape[:-1], n), dtype=g.dtype)
    if g.dtype == object:
        result = result * g[..., :1]  # zeros of the same kind of number
    result[..., first:stop] = g
    return result


def _softmax_rows(y: np.ndarray, g: np.ndarray) -> np.ndarray:
    return y * (g - (y * g).sum(-1, keepdims=True))


def _softmax_rows_of_matrix(y: np.ndarray, a: np.ndarray) -> np.ndarray:
    y = y[..., :, None]
    return y * (a - (y * a).sum(-2, keepdims=True))


def _contract_rows(v: np.ndarray, a: np.ndarray, m: int) -> np.ndarray:
    blocks = a.reshape(*a.shape[:-2], m, v.shape[-1], a.shape[-1])
    return np.matmul(v[..., None, None, :], blocks)[..., 0, :]


def _kronecker(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product = a[..., :, None, :, None] * b[..., None, :, None, :]
    rows, columns = a.shape[-2] * b.shape[-2], a.shape[-1] * b.shape[-1]
    return product.reshape(*product.shape[:-4], rows, columns)
