"""Constants and linear maps: the operations that only derivatives are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workings.derive.arithmetic import Operands
from workings.derive.expression import Node, Operation, Shape

# --- constants ---------------------------------------------------------------------------------


class Constant(Operation):
    """A vector or matrix of zeros and ones, given by its `detail`."""

    def entries(self) -> np.ndarray:
        raise NotImplementedError

    def value(self, on: Operands) -> Callable:
        constant = on.numbers.array(self.entries())
        return lambda: constant

    def is_whole(self) -> bool:
        return True


class Ones(Constant):
    """1 in every place."""

    def entries(self) -> np.ndarray:
        return np.ones(self.detail, dtype=int)

    def shape(self) -> Shape:
        return self.detail

    def tex(self, show: Any) -> Any:
        size = r" \times ".join(map(str, self.detail))
        return show.symbol(rf"\mathbf{{1}}_{{{size}}}", 2)


class Unit(Constant):
    """e_i of length n."""

    def entries(self) -> np.ndarray:
        i, n = self.detail
        return np.eye(n, dtype=int)[i]

    def shape(self) -> Shape:
        return self.detail[1:]

    def tex(self, show: Any) -> Any:
        return show.symbol(rf"e_{{{self.detail[0] + 1}}}", 2)


class Identity(Constant):
    """I_n."""

    def entries(self) -> np.ndarray:
        return np.eye(self.detail[0], dtype=int)

    def shape(self) -> Shape:
        return self.detail * 2

    def tex(self, show: Any) -> Any:
        return show.symbol(rf"I_{{{self.detail[0]}}}", 2)


class Commutation(Constant):
    """K with vec(A^T) = K vec(A), A m by n (Magnus and Neudecker 2019, ch. 3.7)."""

    def entries(self) -> np.ndarray:
        m, n = self.detail
        return np.eye(m * n, dtype=int)[np.arange(m * n).reshape(m, n).T.ravel()]

    def shape(self) -> Shape:
        return (self.detail[0] * self.detail[1],) * 2

    def tex(self, show: Any) -> Any:
        return show.symbol(rf"K_{{{self.detail[0]},{self.detail[1]}}}", 3)

    def is_whole(self) -> bool:
        return False


# --- maps --------------------------------------------------------------------------------------


class Diag(Operation):
    """diag(d)."""

    def shape(self, d: Shape) -> Shape:
        return d * 2

    def value(self, on: Operands) -> Callable:
        return lambda d: d[..., :, None] * _eye(d)

    def is_whole(self) -> bool:
        return True

    def substituted(self, show: Any) -> Any:
        if show.shapes(self)[0] <= 3:
            return show.numbers_of(self)
        inner = show.numbers_of(self.first, 4)
        return show.symbol(rf"\operatorname{{diag}} {inner.text}", inner.width + 4)


class SoftmaxJacobian(Operation):
    """diag(y) - y y^T."""

    def shape(self, y: Shape) -> Shape:
        return y * 2

    def value(self, on: Operands) -> Callable:
        return lambda y: y[..., :, None] * _eye(y) - y[..., :, None] * y[..., None, :]

    def is_whole(self) -> bool:
        return True

    def tex(self, show: Any) -> Any:
        y = show(self.first, 4)
        diagonal = show.symbol(rf"\operatorname{{diag}}\left({y.text}\right)", y.width + 6, 1)
        square = rf"- {y.text}\,{show.transposed(self.first).text}"
        return show.joined(diagonal, show.symbol(square, 2 * y.width + 3, 1))


class Row(Operation):
    """v^T, a matrix of one row."""

    def shape(self, v: Shape) -> Shape:
        return (1, *v)

    def value(self, on: Operands) -> Callable:
        return lambda v: v[..., None, :]

    def tex(self, show: Any) -> Any:
        return show.transposed(self.first)


class Column(Operation):
    """v, a matrix of one column."""

    def shape(self, v: Shape) -> Shape:
        return (*v, 1)

    def value(self, on: Operands) -> Callable:
        return lambda v: v[..., :, None]

    def tex(self, show: Any) -> Any:
        return show(self.first)


class Vec(Operation):
    """The rows of a matrix, one after the other."""

    def shape(self, A: Shape) -> Shape:
        return (A[0] * A[1],)

    def value(self, on: Operands) -> Callable:
        return lambda A: A.reshape(*A.shape[:-2], -1)


class Kronecker(Operation):
    """A (x) B."""

    def shape(self, A: Shape, B: Shape) -> Shape:
        return (A[0] * B[0], A[1] * B[1])

    def value(self, on: Operands) -> Callable:
        def kronecker(A: np.ndarray, B: np.ndarray) -> np.ndarray:
            product = A[..., :, None, :, None] * B[..., None, :, None, :]
            rows, columns = A.shape[-2] * B.shape[-2], A.shape[-1] * B.shape[-1]
            return product.reshape(*product.shape[:-4], rows, columns)

        return kronecker

    def tex(self, show: Any) -> Any:
        return show.product(self.first, r" \otimes ", self.second, levels=(3, 3))


class Rows(Operation):
    """The rows i:j of a matrix."""

    def shape(self, A: Shape) -> Shape:
        return (self.detail[1] - self.detail[0], A[1])

    def value(self, on: Operands) -> Callable:
        i, j = self.detail
        return lambda A: A[..., i:j, :]

    def tex(self, show: Any) -> Any:
        return show.part(self.first, f"{self.detail[0] + 1}:{self.detail[1]}")


class Embed(Operation):
    """g at the places i:j of a vector of n, and zeros around it."""

    def shape(self, g: Shape) -> Shape:
        return (self.detail[2],)

    def value(self, on: Operands) -> Callable:
        i, j, n = self.detail

        def embed(g: np.ndarray) -> np.ndarray:
            result = np.zeros((*g.shape[:-1], n), dtype=g.dtype)
            if g.dtype == object:
                result = result * g[..., :1]  # zeros of the same kind of number
            result[..., i:j] = g
            return result

        return embed

    def is_whole(self) -> bool:
        return True

    def tex(self, show: Any) -> Any:
        i, j, n = self.detail
        zero = [show.symbol("0", 1)]
        return show.column([*zero * (i > 0), show(self.first), *zero * (j < n)])


class Stack(Operation):
    """A vector of scalars."""

    def shape(self, *scalars: Shape) -> Shape:
        return (len(scalars),)

    def value(self, on: Operands) -> Callable:
        return lambda *parts: join(parts, on, 1)

    def is_whole(self) -> bool:
        return True

    def tex(self, show: Any) -> Any:
        return show.column([show(part) for part in self.arguments])


class StackRows(Operation):
    """Matrices and row vectors one above the other."""

    def shape(self, *parts: Shape) -> Shape:
        return (sum(part[0] if len(part) == 2 else 1 for part in parts), parts[0][-1])

    def value(self, on: Operands) -> Callable:
        return lambda *parts: join(parts, on, 2)

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


# --- products with a large matrix that is never made ---------------------------------------------


class ScaleRows(Operation):
    """diag(d) A."""

    def shape(self, d: Shape, A: Shape) -> Shape:
        return A

    def value(self, on: Operands) -> Callable:
        return np.multiply if on.ranks[1] == 1 else lambda d, A: d[..., :, None] * A


class SoftmaxRows(Operation):
    """(diag(y) - y y^T) A = y * (A - y^T A)."""

    def shape(self, y: Shape, A: Shape) -> Shape:
        return A

    def value(self, on: Operands) -> Callable:
        if on.ranks[1] == 1:
            return lambda y, g: y * (g - (y * g).sum(-1, keepdims=True))

        def product(y: np.ndarray, A: np.ndarray) -> np.ndarray:
            y = y[..., :, None]
            return y * (A - (y * A).sum(-2, keepdims=True))

        return product


class ContractRows(Operation):
    """(I_m (x) v^T) A, where A has m n rows."""

    def shape(self, v: Shape, A: Shape) -> Shape:
        return (self.detail[0], *A[1:])

    def value(self, on: Operands) -> Callable:
        (m,) = self.detail

        def contract(v: np.ndarray, A: np.ndarray) -> np.ndarray:
            blocks = A.reshape(*A.shape[:-2], m, v.shape[-1], A.shape[-1])
            return np.matmul(v[..., None, None, :], blocks)[..., 0, :]

        return contract


def without_large_matrix(left: Node, A: Node) -> Operation | None:
    """The product of these two, where there is a shorter way to it."""
    match left:
        case Diag(d):
            return ScaleRows(d, A)
        case SoftmaxJacobian(y):
            return SoftmaxRows(y, A)
        case Kronecker(Identity(detail=m), Row(v)):
            return ContractRows(v, A, detail=m)
    return None
