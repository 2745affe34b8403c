r"""How far back the gradient of one step's loss reaches, and at which rate it decays.

What the loss \ell_t of the last step owes to an earlier step k is known by its *lag* t - k. The
recurrence's own reverse program gives it exactly: dL/dh_k at every step, and each step's term in

    dL/dp = sum_k (\partial^+ v_k / \partial p)^T dL/dv_k      (Werbos 1990).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from workings.derive.expression import total
from workings.derive.program import Program
from workings.derive.recurrence import Gradients, Recurrence, Run

Array = NDArray[np.floating]

# Norms within this range have squares that floating point holds in all their digits.
_SMALLEST, _LARGEST = 1e-140, 1e140
VANISHED = 0.01  # of the gradient at lag 0: what has less left at the farthest lag
LETTERS = ("W", "U", "b")  # not V, which the one loss uses in its own step alone


@dataclass(frozen=True)
class Lags:
    """Of one sequence, by lag; index 0 of each array is lag 0."""

    dh: Array  # (T, n) dL/dh_k
    terms: dict[str, Array]  # W, U, b -> (T,) the norm of the step's term in dL/dW ...

    @property
    def strength(self) -> Array:
        """‖dL/dh_k‖ by lag, (T,)."""
        return np.linalg.norm(self.dh, axis=-1)


def follow_back(cell: Recurrence, run: Run, gradients: Gradients, lags: int) -> Lags:
    """The gradient of `cell`, whose loss is that of its last step, apart by the first `lags` lags.

    The gates' matrices count as one: ‖dL/dW‖² is the sum over the gates.
    """
    own = cell.adjoint_lines()
    formulas = {p: own[total(p)] for p in cell.parameters if p[0] in LETTERS}
    values = run.values | run.parameters | gradients.total
    fixed = [*cell.parameters, *cell.constants]
    timed = [name for name in values if name not in fixed]
    program = Program(formulas, cell.gradient_shapes, timed, fixed)
    by_step = program.run(values, cell.steps, run.arithmetic)  # each (T, *shape of p)
    squares = {letter: np.zeros(lags) for letter in LETTERS}
    for name, terms in by_step.items():
        recent = terms[: -lags - 1 : -1]  # lag 0 first
        squares[name[0]] += (recent**2).reshape(lags, -1).sum(axis=1)
    return Lags(
        gradients.total[total("h")][: -lags - 1 : -1],
        {letter: np.sqrt(square) for letter, square in squares.items()},
    )


def shares(terms: Array) -> Array:
    """The share of each lag in the sum of the terms' norms; terms that cancel still count.

    Scaled first, so that a gradient near the ends of floating point keeps its shares.
    """
    scaled = terms / terms.max()
    return scaled / scaled.sum()


def usable(strength: Array) -> int:
    """How many lags, from 0 on, have a gradient within the range of floating point.

    `strength` is sequences × lags.
    """
    inside = np.all((strength > _SMALLEST) & (strength < _LARGEST), axis=0)
    return len(inside) if inside.all() else int(np.argmin(inside))


def log_rate(strength: Array, first: int) -> float:
    """The logarithm of the factor by which the gradient changes with each further step back.

    The slope of the line through the mean logarithm of ‖dL/dh_k‖ over the lags from `first` on
    (least squares); `strength` is sequences × lags.

    Raises:
        ValueError: fewer than three lags remain.
    """
    usual = np.log(strength[:, first:]).mean(axis=0)  # (lags,)
    if len(usual) < 3:
        raise ValueError(f"a rate needs three lags or more; there are {len(usual)}")
    return float(np.polyfit(np.arange(len(usual)), usual, 1)[0])


def mean_interval(sample: Sequence[float], level: float) -> tuple[float, float]:
    """Student's interval for the mean: m ± t s/√n, with the quantile t of n − 1 degrees of freedom."""
    n = len(sample)
    t = scipy.special.stdtrit(n - 1, (1 + level) / 2)
    half = t * np.std(sample, ddof=1) / np.sqrt(n)
    mean = float(np.mean(sample))
    return mean - float(half), mean + float(half)
