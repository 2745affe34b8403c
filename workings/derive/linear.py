"""Constants and linear maps: the operations that only derivatives are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workings.derive.arithmetic import Operands
from workings.derive.expression import Node, Operation


class Constant(Operation):
    """A vector or matrix of zeros and ones, `entries`, given by its `detail`."""

    leaf = True

    def value(self, on: Operands) -> Any:
        constant = on.numbers.array(self.entries())
        return lambda: constant


class Ones(Constant):
    """1 in every place."""

    shape = lambda self: self.detail
    entries = lambda self: np.ones(self.detail, dtype=int)
    size = property(lambda self: r" \times ".join(map(str, self.detail)))
    tex = lambda self, show: show.symbol(rf"\mathbf{{1}}_{{{self.size}}}", 2)


class Unit(Constant):
    """e_i of length n."""

    shape = lambda self: (self.j,)
    entries = lambda self: np.eye(self.j, dtype=int)[self.i]
    tex = lambda self, show: show.symbol(rf"e_{{{self.i + 1}}}", 2)


class Identity(Constant):
    """I_n."""

    shape = lambda self: self.detail * 2
    entries = lambda self: np.eye(self.i, dtype=int)
    tex = lambda self, show: show.symbol(rf"I_{{{self.i}}}", 2)


class Commutation(Constant):
    """K with vec(A^T) = K vec(A), A m by n (Magnus and Neudecker 2019, ch. 3.7)."""

    leaf = False
    shape = lambda self: (self.i * self.j,) * 2
    entries = lambda self: np.eye(self.i * self.j, dtype=int)[self.order()]
    order = lambda self: np.arange(self.i * self.j).reshape(self.detail).T.ravel()
    tex = lambda self, show: show.symbol(rf"K_{{{self.i},{self.j}}}", 3)


class Diag(Operation):
    """diag(u)."""

    leaf = True
    shape = lambda self, u: u * 2
    value = lambda self, on: lambda u: u[..., :, None] * _eye(u)

    def substituted(self, show: Any) -> Any:
        if show.shapes(self)[0] <= 3:
            return show.numbers_of(self)
        inner = show.numbers_of(self.u, 4)
        return show.symbol(rf"\operatorname{{diag}} {inner.text}", inner.width + 4)


class SoftmaxJacobian(Operation):
    """diag(u) - u u^T, where u is a softmax."""

    leaf = True
    shape = lambda self, u: u * 2
    value = lambda self, on: lambda u: u[..., :, None] * _eye(u) - u[..., :, None] * u[..., None, :]

    def tex(self, show: Any) -> Any:
        u = show(self.u, 4)
        diagonal = show.symbol(rf"\operatorname{{diag}}\left({u.text}\right)", u.width + 6, 1)
        square = rf"- {u.text}\,{show.transposed(self.u).text}"
        return show.joined(diagonal, show.symbol(square, 2 * u.width + 3, 1))


class Row(Operation):
    """u^T, a matrix of one row."""

    shape = lambda self, u: (1, *u)
    value = lambda self, on: lambda u: u[..., None, :]
    tex = lambda self, show: show.transposed(self.u)


class Column(Operation):
    """u, a matrix of one column."""

    shape = lambda self, u: (*u, 1)
    value = lambda self, on: lambda u: u[..., :, None]
    tex = lambda self, show: show(self.u)


class Vec(Operation):
    """The rows of a matrix, one after the other."""

    shape = lambda self, A: (A[0] * A[1],)
    value = lambda self, on: lambda A: A.reshape(*A.shape[:-2], -1)


class Kronecker(Operation):
    """A (x) B."""

    shape = lambda self, A, B: (A[0] * B[0], A[1] * B[1])
    tex = lambda self, show: show.product(self.A, r" \otimes ", self.B, levels=(3, 3))

    def value(self, on: Operands) -> Any:
        def kronecker(A: np.ndarray, B: np.ndarray) -> np.ndarray:
            product = A[..., :, None, :, None] * B[..., None, :, None, :]
            rows, columns = A.shape[-2] * B.shape[-2], A.shape[-1] * B.shape[-1]
            return product.reshape(*product.shape[:-4], rows, columns)

        return kronecker


class Rows(Operation):
    """The rows i:j of a matrix."""

    shape = lambda self, A: (self.j - self.i, A[1])
    value = lambda self, on: lambda A: A[..., self.i : self.j, :]
    tex = lambda self, show: show.part(self.A, f"{self.i + 1}:{self.j}")


class Embed(Operation):
    """u at the places i:j of a vector of n, and zeros around it."""

    leaf = True
    shape = lambda self, u: self.detail[2:]

    def value(self, on: Operands) -> Any:
        def embed(u: np.ndarray) -> np.ndarray:
            result = np.zeros((*u.shape[:-1], self.detail[2]), dtype=u.dtype)
            if u.dtype == object:
                result = result * u[..., :1]  # zeros of the same kind of number
            result[..., self.i : self.j] = u
            return result

        return embed

    def tex(self, show: Any) -> Any:
        zero = [show.symbol("0", 1)]
        after = zero * (self.j < self.detail[2])
        return show.column([*zero * (self.i > 0), show(self.u), *after])


class Stack(Operation):
    """A vector of scalars."""

    leaf = True
    shape = lambda self, *scalars: (len(scalars),)
    value = lambda self, on: lambda *parts: join(parts, on, 1)
    tex = lambda self, show: show.column([show(part) for part in self.arguments])


class StackRows(Operation):
    """Matrices and row vectors one above the other."""

    shape = lambda self, *parts: (sum(p[0] if len(p) == 2 else 1 for p in parts), parts[0][-1])
    value = lambda self, on: lambda *parts: join(parts, on, 2)
    tex = Stack.tex


def join(parts: Sequence[Any], on: Operands, rank: int) -> np.ndarray:
    """Parts of that rank, or one less, joined along the first axis after time."""
    arrays = [np.asarray(part, dtype=on.numbers.dtype) for part in parts]
    arrays = [
        np.expand_dims(array, -rank) if own < rank else array
        for array, own in zip(arrays, on.ranks, strict=True)
    ]
    lead = np.broadcast_shapes(*(array.shape[:-rank] for array in arrays))
    whole = [np.broadcast_to(array, (*lead, *array.shape[-rank:])) for array in arrays]
    return np.concatenate(whole, axis=-rank)


def _eye(u: np.ndarray) -> np.ndarray:
    return np.eye(u.shape[-1], dtype=int)


# --- products with a large matrix that is never made -----------------------------------------------


class ScaleRows(Operation):
    """diag(u) B."""

    shape = lambda self, u, B: B
    value = lambda self, on: np.multiply if on.ranks[1] == 1 else lambda u, B: u[..., :, None] * B


class SoftmaxRows(Operation):
    """(diag(u) - u u^T) B = u * (B - u^T B)."""

    shape = lambda self, u, B: B

    def value(self, on: Operands) -> Any:
        def product(u: np.ndarray, B: np.ndarray) -> np.ndarray:
            axis = -on.ranks[1]
            u = u if axis == -1 else u[..., :, None]
            return u * (B - (u * B).sum(axis, keepdims=True))

        return product


class ContractRows(Operation):
    """(I_m (x) u^T) B, where B has m n rows."""

    shape = lambda self, u, B: (self.i, *B[1:])

    def value(self, on: Operands) -> Any:
        def contract(u: np.ndarray, B: np.ndarray) -> np.ndarray:
            blocks = B.reshape(*B.shape[:-2], self.i, u.shape[-1], B.shape[-1])
            return np.matmul(u[..., None, None, :], blocks)[..., 0, :]

        return contract


def without_large_matrix(left: Node, B: Node) -> Operation | None:
    """The product of these two, where there is a shorter way to it."""
    match left:
        case Diag(u):
            return ScaleRows(u, B)
        case SoftmaxJacobian(u):
            return SoftmaxRows(u, B)
        case Kronecker(Identity(detail=m), Row(u)):
            return ContractRows(u, B, detail=m)
    return None
