r"""Checks of a gradient against others that were found by different means.

For every parameter p the reverse-mode gradient dL/dp is compared with

    forward mode            real-time recurrent learning, another composition of the rules
    torch autograd          another implementation of cell and rules, double precision
    complex step            Im L(p + i h e_k) / h, h = 1e-30: no subtraction, no truncation error
                            (Squire and Trapp 1998; Martins et al. 2003), for analytic pieces
    central differences     (8 (L_1 - L_-1) - (L_2 - L_-2)) / (12 eps), L_k = L(p + k eps e_k), at the
                            best eps of a grid (Fornberg 1988)
    doubled precision       the reverse mode itself in many digits: what rounding costs
    multiprecision          the reverse mode in many digits, against central differences there

Agreement of a and b is the relative difference max|a - b| / max|b| over the components of a parameter,
and its digits -log10. With many parameters or steps, components give way to random directions of signs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from workings.derive.arithmetic import COMPLEX, DOUBLE, multiprecision
from workings.derive.expression import LOSS, Name, Node, Number, substitute
from workings.derive.operations import Add, Multiply
from workings.derive.recurrence import Gradients, Recurrence
from workings.messages import InputError

TOLERANCES = {
    "forward mode": 1e-12,
    "torch autograd": 1e-12,
    "complex step": 1e-13,
    "central differences": 1e-9,
    "doubled precision": 1e-12,
    "multiprecision": 1e-35,
}
COMPLEX_STEP = 1e-30
STEPS = tuple(10.0 ** (-k / 2) for k in range(3, 11))  # 3e-2 ... 1e-5
FINER_STEPS = tuple(10.0 ** (-k / 2) for k in range(11, 27))  # where the loss bends within 1e-5
MOST_BY_COMPONENT = 200_000  # work of moving each component by itself; beyond: random directions
MOST_SENSITIVE = 1000  # components, whose sensitivities forward mode carries all at once
DIRECTIONS = 3
MOST_MULTIPRECISION_WORK = 400_000  # steps x components of all parameters and lines

VERDICTS = ("disagrees", "agrees, ill-conditioned", "agrees", "not run")  # the worst first
DIGITS = 60  # of numbers in many digits
UNIT = 2.0**-52  # of rounding

Array = np.ndarray


@dataclass(frozen=True)
class Row:
    """One comparison: its verdict, the digits of agreement, and those lost to ill-conditioning."""

    parameter: str
    method: str
    verdict: str
    digits: float | None = None
    lost: float = 0.0

    @property
    def required(self) -> float:
        """How many digits the method asks for."""
        return -math.log10(TOLERANCES[self.method])

    def __str__(self) -> str:
        against = f"dL/d{self.parameter} against {self.method}"
        return f"{against}: {self.digits:.1f} digits, {self.required:.0f} required"


@dataclass(frozen=True)
class Agreement:
    """The table of all comparisons."""

    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether no comparison disagrees, and at least one was made."""
        verdicts = {row.verdict for row in self.rows}
        return "disagrees" not in verdicts and bool(verdicts - {"not run"})

    def of(self, parameter: str) -> list[Row]:
        """The comparisons of a parameter, a row for each method."""
        return [row for row in self.rows if row.parameter == parameter]

    def least_digits(self, method: str) -> float | None:
        """The fewest digits of agreement of a method over the parameters; None if it was not run."""
        digits = [r.digits for r in self.rows if r.method == method and r.digits is not None]
        return min(digits, default=None)


def relative_difference(a: Array, b: Array) -> float:
    """max|a - b| / max|b|; 0 if both are zero, infinite if b alone is zero or a value is not finite."""
    a, b = np.asarray(a), np.asarray(b)
    gap = max((abs(x - y) for x, y in zip(a.flat, b.flat, strict=True)), default=0)
    scale = max((abs(y) for y in b.flat), default=0)
    if not (math.isfinite(gap) and math.isfinite(scale)):
        return math.inf
    if gap == 0:
        return 0.0
    return float(gap / scale) if scale else math.inf


def digits_of(difference: float, most: float = 16.0) -> float:
    """-log10 of a relative difference, between 0 and `most`."""
    if difference == 0:
        return most
    return float(min(most, max(0.0, -math.log10(difference))))


# --- gradients by other means ------------------------------------------------------------------


def directions(cell: Recurrence, parameter: str) -> list[Array]:
    """What a gradient is projected on: unit vectors or, where these take long, random signs."""
    shape = cell.shape(parameter)
    size = int(np.prod(shape))
    work = cell.size * cell.steps * max(cell.size, 100)  # runs x steps x what a step costs
    if size <= DIRECTIONS or work <= MOST_BY_COMPONENT:
        return [row.reshape(shape) for row in np.eye(size)]
    random = np.random.default_rng([0, *parameter.encode()])
    return [random.choice([-1.0, 1.0], size=shape) for _ in range(DIRECTIONS)]


def complex_step(cell: Recurrence, parameter: str, along: Sequence[Array]) -> Array:
    """The derivatives of L along directions, Im L(p + i h d) / h."""
    value = COMPLEX.array(cell.parameters[parameter])
    shift = 1j * COMPLEX_STEP
    losses = [cell.forward({parameter: value + shift * d}, COMPLEX).loss for d in along]
    return np.array([loss.imag / COMPLEX_STEP for loss in losses])


def central_differences(
    cell: Recurrence, parameter: str, along: Sequence[Array], eps: float, points: int = 5
) -> Array:
    """The derivatives of L along directions by the central difference formula of 3 or 5 points."""
    value = DOUBLE.array(cell.parameters[parameter])

    def loss(shift: Array) -> float:
        return float(cell.forward({parameter: value + shift}).loss)

    def difference(d: Array, k: int) -> float:
        return loss(k * eps * d) - loss(-k * eps * d)

    if points == 3:
        return np.array([difference(d, 1) / (2 * eps) for d in along])
    return np.array([(8 * difference(d, 1) - difference(d, 2)) / (12 * eps) for d in along])


def error_curve(
    cell: Recurrence, parameter: str, gradient: Array, steps: Sequence[float]
) -> list[tuple[float, float]]:
    """(eps, relative error of the three-point difference against `gradient`) for every eps.

    The error falls as eps^2 until rounding, which grows as 1/eps, takes over; the least is near
    (3 u |L| / |L'''|)^(1/3), u = 1.1e-16 (Press et al., Numerical Recipes, 5.7).
    An eps at which the loss cannot be computed is left out.
    """
    target = _projected(gradient, directions(cell, parameter))
    return [
        (float(eps), relative_difference(estimate, target))
        for eps, estimate in _estimates(cell, parameter, steps, points=3)
    ]


def _estimates(
    cell: Recurrence, parameter: str, steps: Sequence[float], points: int = 5
) -> Iterator[tuple[float, Array]]:
    """(eps, the central differences with that step), where the loss has a value there."""
    along = directions(cell, parameter)
    for eps in steps:
        with suppress(ValueError):
            yield eps, central_differences(cell, parameter, along, eps, points)


def forward_gradient(cell: Recurrence, parameter: str, along: Sequence[Array]) -> Array:
    """The derivatives of L along directions by forward mode.

    Along a direction d, the sensitivity to the scalar s of p + s d at s = 0.
    """
    run = cell.forward()
    if cell.size <= MOST_SENSITIVE:
        return _projected(cell.forward_mode(run, parameter)[LOSS].sum(axis=0), along)
    results = []
    for d in along:
        moved = _moved_along(cell, parameter, d)
        results.append(float(moved.forward_mode(moved.forward(), "shift")[LOSS].sum()))
    return np.array(results)


def _moved_along(cell: Recurrence, parameter: str, d: Array) -> Recurrence:
    """The cell with p + shift * d in the place of p, and the scalar parameter shift = 0."""
    moved = Add(Name(parameter), Multiply(Name("shift"), Name("direction")))
    lines = {name: substitute(formula, {parameter: moved}) for name, formula in cell.lines.items()}
    constants = cell.constants | cell.parameters | {"direction": d}
    return replace(cell, lines=lines, parameters={"shift": np.array(0.0)}, constants=constants)


def torch_gradients(cell: Recurrence) -> tuple[float, dict[str, Array]]:
    """L and dL/dp by torch's autograd, with the cell run by torch's own functions in a Python loop.

    Raises:
        InputError: torch is not installed.
    """
    try:
        import torch  # the only place that needs it
    except ImportError:
        raise InputError(
            "the check 'torch autograd' needs torch, which is not installed: install it, or choose "
            "the methods without it"
        ) from None

    def tensor(array: Any) -> torch.Tensor:
        return torch.tensor(DOUBLE.array(array), dtype=torch.float64)

    # where torch has another name for it, or other arguments
    functions = {
        "softplus": lambda u: torch.nn.functional.softplus(u, threshold=1e9),  # default: 20
        "softmax": lambda u: torch.softmax(u, -1),
        "log_sum_exp": lambda u: torch.logsumexp(u, -1),
        "transpose": lambda A: A.T,
        "max": lambda u, v: torch.where(u > v, u, v),  # torch's own halves the slope between equals
        "concatenate": lambda *parts: torch.cat([part.reshape(-1) for part in parts]),
        "power": lambda u, p: u ** float(p),
        "index": lambda u, i: u[i],
        "slice": lambda u, i, j: u[i:j],
    }

    def value(node: Node, names: Mapping[str, torch.Tensor]) -> torch.Tensor:
        match node:
            case Number(value=number):
                return tensor(float(number))
            case Name(name=name):
                return names[name]
        function = functions.get(node.kind) or getattr(torch, node.kind)
        return function(*(value(u, names) for u in node.arguments), *node.detail)

    parameters = {k: tensor(v).requires_grad_() for k, v in cell.parameters.items()}
    fixed = {name: tensor(array) for name, array in cell.constants.items()}
    carried = {f"{k}_prev": tensor(v) for k, v in cell.initial_state.items()}
    sequences = {name: tensor(array) for name, array in cell.sequences.items()}
    total = torch.zeros((), dtype=torch.float64)
    for t in range(cell.steps):
        names = parameters | fixed | carried | {name: s[t] for name, s in sequences.items()}
        for name, formula in cell.lines.items():
            names[name] = value(formula, names)
        total = total + names[LOSS]
        carried = {prev: names[state] for prev, state in cell.states.items()}
    total.backward()
    gradients = {
        name: np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        for name, p in parameters.items()
    }
    return float(total.detach()), gradients


# --- many digits -------------------------------------------------------------------------------


def multiprecision_gradients(cell: Recurrence, digits: int) -> Gradients:
    """Reverse mode in numbers of so many digits, from the exact values of the config."""
    return cell.reverse(cell.forward(arithmetic=multiprecision(digits)))


def multiprecision_differences(
    cell: Recurrence, parameter: str, along: Sequence[Array], digits: int
) -> Array:
    """The derivatives of L along directions by central differences in many digits.

    eps = 10^(-digits/3), where the truncation error eps^2 meets the rounding error 10^-digits / eps.
    """
    arithmetic = multiprecision(digits)
    value = arithmetic.array(cell.parameters[parameter])
    eps = arithmetic.number(Fraction(1, 10 ** (digits // 3)))
    derivatives = []
    for d in along:
        shift = arithmetic.array(d) * eps
        above = cell.forward({parameter: value + shift}, arithmetic).loss
        below = cell.forward({parameter: value - shift}, arithmetic).loss
        derivatives.append((above - below) / (2 * eps))
    return np.array(derivatives, dtype=object)


def conditioning(cell: Recurrence, digits: int = DIGITS) -> dict[str, float]:
    """How much each gradient moves, relatively, when all parameters move by one unit of rounding.

    Every parameter is multiplied by 1 +- 2^-52, and the gradients are computed in many digits: no
    algorithm in double precision can be expected to do better than this.
    """
    arithmetic = multiprecision(digits)
    exact = multiprecision_gradients(cell, digits).parameters
    unit = arithmetic.number(Fraction(1, 2**52))
    random = np.random.default_rng(0)
    worst = dict.fromkeys(cell.parameters, 0.0)
    for _ in range(2):
        moved = {}
        for name, array in cell.parameters.items():
            signs = arithmetic.array(random.choice([-1, 1], size=array.shape))
            moved[name] = arithmetic.array(array) * (1 + signs * unit)
        gradients = cell.reverse(cell.forward(moved, arithmetic)).parameters
        for name in worst:
            worst[name] = max(worst[name], relative_difference(gradients[name], exact[name]))
    return worst


# --- the table ---------------------------------------------------------------------------------


def check_gradients(
    cell: Recurrence,
    gradients: Mapping[str, Array] | None = None,
    *,
    methods: Sequence[str] = tuple(TOLERANCES),
) -> Agreement:
    """Compare the gradient of every parameter with each of the `methods`.

    gradients: those to check (default: the cell's reverse mode in double precision).

    A float64 pair that falls short of its tolerance is looked at again in many digits: if one unit of
    rounding in the parameters moves the gradient itself by more (`conditioning`), the digits lost are
    reported, and the tolerance is a hundred times that movement; for central differences, which
    cannot be better, a hundred times its power 4/5.
    """
    if gradients is None:
        gradients = cell.reverse(cell.forward()).parameters
    checks = _Checks(cell, gradients)
    return Agreement(tuple(checks.row(p, method) for p in cell.parameters for method in methods))


class _Checks:
    """The comparisons of one cell; what several of them need is computed once."""

    def __init__(self, cell: Recurrence, gradients: Mapping[str, Array]):
        self.cell, self.gradients = cell, gradients
        components = cell.size + sum(int(np.prod(cell.shape(name))) for name in cell.lines)
        self.affordable = cell.steps * components <= MOST_MULTIPRECISION_WORK
        # 4 more for every 10 steps, so that growth does not use them up
        self.enough = DIGITS + 4 * (cell.steps // 10)
        self.autograd = cache(lambda: torch_gradients(cell)[1])
        self.precise = cache(lambda digits: multiprecision_gradients(cell, digits).parameters)
        self.moved = cache(lambda: conditioning(cell, self.enough))

    def row(self, parameter: str, method: str) -> Row:
        if method in ("doubled precision", "multiprecision") and not self.affordable:
            return Row(parameter, method, "not run")
        if method == "multiprecision":
            return self.in_many_digits(parameter)
        difference = self.difference(parameter, method)
        if difference <= TOLERANCES[method]:
            return Row(parameter, method, "agrees", digits_of(difference))
        if self.affordable:
            return self.conditioned(parameter, method, difference)
        return Row(parameter, method, "disagrees", digits_of(difference))

    def difference(self, parameter: str, method: str, steps: Sequence[float] = STEPS) -> float:
        """How far the gradient is from that of a float64 method."""
        gradient, along = self.gradients[parameter], directions(self.cell, parameter)
        match method:
            case "central differences":  # at the best of the steps
                ours, estimates = (
                    _projected(gradient, along),
                    _estimates(self.cell, parameter, steps),
                )
                return min((relative_difference(ours, e) for _, e in estimates), default=math.inf)
            case "forward mode":
                other = forward_gradient(self.cell, parameter, along)
            case "torch autograd":
                other = _projected(self.autograd()[parameter], along)
            case "complex step":
                other = complex_step(self.cell, parameter, along)
            case "doubled precision":
                other = _projected(self.precise(self.enough)[parameter], along)
        return relative_difference(_projected(gradient, along), other)

    def conditioned(self, parameter: str, method: str, difference: float) -> Row:
        """The row of a difference that is too large, unless the gradient itself moves as much."""
        moved = self.moved()[parameter]
        lost = max(0.0, math.log10(max(moved, UNIT) / UNIT))
        allowed = 100 * moved
        if moved >= 1 and method in ("central differences", "doubled precision"):
            return Row(parameter, method, "not run", lost=lost)
        if method == "central differences":
            # eps^4 against rounding / eps: at the best eps, rounding^(4/5) is left
            difference = self.difference(parameter, method, STEPS + FINER_STEPS)
            allowed = 100 * moved**0.8
        verdict = "agrees, ill-conditioned" if difference <= allowed else "disagrees"
        return Row(parameter, method, verdict, digits_of(difference), lost)

    def in_many_digits(self, parameter: str) -> Row:
        along = directions(self.cell, parameter)
        tolerance = TOLERANCES["multiprecision"]
        for used in (DIGITS, 2 * DIGITS, 4 * DIGITS):  # more where the cell amplifies the step eps
            mine = _projected(self.precise(used)[parameter], along)
            other = multiprecision_differences(self.cell, parameter, along, used)
            difference = relative_difference(mine, other)
            if difference <= tolerance or (difference > 1e-3 and used > DIGITS):
                break
        verdict = "agrees" if difference <= tolerance else "disagrees"
        return Row(parameter, "multiprecision", verdict, digits_of(difference, used))


def _projected(gradient: Array, along: Sequence[Array]) -> Array:
    gradient = np.asarray(gradient)
    if len(along) == gradient.size and all(np.count_nonzero(d) == 1 for d in along):
        return gradient.reshape(-1)  # unit vectors, in order
    return np.array([(gradient * d).sum() for d in along])
