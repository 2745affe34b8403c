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
and its digits -log10. With many parameters, components give way to random directions of signs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from workings.derive.arithmetic import COMPLEX, DOUBLE, Arithmetic, multiprecision
from workings.derive.expression import Name, Node, Number, Operation
from workings.derive.operations import substitute
from workings.derive.recurrence import Gradients, Recurrence

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
MANY_PARAMETERS = 1000  # beyond: directions instead of components
DIRECTIONS = 3
MOST_MULTIPRECISION_WORK = 400_000  # steps x components of all parameters and lines

Array = np.ndarray


class GradientError(ValueError):
    """Two gradients that ought to agree do not."""


@dataclass(frozen=True)
class Row:
    """One comparison. `digits` of agreement; `required` of them; `lost` to ill-conditioning.

    verdict: `agrees`, `agrees, ill-conditioned`, `disagrees` or `not run`.
    """

    parameter: str
    method: str
    difference: float | None
    digits: float | None
    required: float
    lost: float
    verdict: str
    remark: str = ""


@dataclass(frozen=True)
class Agreement:
    """The table of all comparisons."""

    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether no comparison disagrees, and at least one was made."""
        verdicts = {row.verdict for row in self.rows}
        return "disagrees" not in verdicts and bool(verdicts - {"not run"})

    def row(self, parameter: str, method: str) -> Row:
        return next(r for r in self.rows if (r.parameter, r.method) == (parameter, method))

    def least_digits(self, method: str) -> float | None:
        """The fewest digits of agreement of a method over the parameters; None if it was not run."""
        digits = [r.digits for r in self.rows if r.method == method and r.digits is not None]
        return min(digits, default=None)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows for a table or JSON."""
        return [asdict(row) for row in self.rows]

    def require(self) -> None:
        """Raises GradientError naming what disagrees."""
        bad = [
            f"dL/d{r.parameter} against {r.method}: {r.digits:.1f} digits, {r.required:.0f} required"
            for r in self.rows
            if r.verdict == "disagrees"
        ]
        if bad or not self.passed:
            raise GradientError("; ".join(bad) or "no comparison was made")


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


def directions(cell: Recurrence, parameter: str, seed: int = 0) -> list[Array]:
    """What a gradient is projected on: unit vectors, or random signs if the cell has many parameters."""
    shape = cell.shape(parameter)
    size = int(np.prod(shape))
    if cell.size <= MANY_PARAMETERS:
        return [row.reshape(shape) for row in np.eye(size)]
    random = np.random.default_rng([seed, *parameter.encode()])
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
    if points == 5:
        return np.array([(8 * difference(d, 1) - difference(d, 2)) / (12 * eps) for d in along])
    raise ValueError(f"points must be 3 or 5, not {points}")


def error_curve(
    cell: Recurrence,
    parameter: str,
    gradient: Array,
    steps: Sequence[float] = tuple(10.0 ** (-k / 4) for k in range(4, 49)),
    points: int = 3,
) -> list[tuple[float, float]]:
    """(eps, relative error of the central difference against `gradient`) for every eps.

    The error falls as eps^2 until rounding, which grows as 1/eps, takes over; with three points the
    least is near (3 u |L| / |L'''|)^(1/3), u = 1.1e-16 (Press et al., Numerical Recipes, 5.7).
    An eps at which the loss cannot be computed is left out.
    """
    along = directions(cell, parameter)
    target = _projected(gradient, along)
    curve = []
    for eps in steps:
        try:
            estimate = central_differences(cell, parameter, along, eps, points)
        except ValueError:
            continue  # the loss has no value there
        curve.append((float(eps), relative_difference(estimate, target)))
    return curve


def forward_gradient(cell: Recurrence, parameter: str, along: Sequence[Array]) -> Array:
    """The derivatives of L along directions by forward mode.

    Along a direction d, the sensitivity to the scalar s of p + s d at s = 0.
    """
    run = cell.forward()
    if cell.size <= MANY_PARAMETERS:
        return _projected(cell.forward_mode(run, parameter).total, along)
    results = []
    for d in along:
        moved = _moved_along(cell, parameter, d)
        results.append(float(moved.forward_mode(moved.forward(), "shift").total))
    return np.array(results)


def _moved_along(cell: Recurrence, parameter: str, d: Array) -> Recurrence:
    """The cell with p + shift * d in the place of p, and the scalar parameter shift = 0."""
    step = Operation("multiply", (Name("shift"), Name("direction")))
    moved = Operation("add", (Name(parameter), step))
    lines = {name: substitute(formula, {parameter: moved}) for name, formula in cell.lines.items()}
    constants = cell.constants | cell.parameters | {"direction": d}
    return replace(cell, lines=lines, parameters={"shift": np.array(0.0)}, constants=constants)


def torch_gradients(cell: Recurrence) -> tuple[float, dict[str, Array]]:
    """L and dL/dp by torch's autograd, with the cell run by torch's own functions in a Python loop."""
    import torch

    def tensor(array: Array) -> Any:
        return torch.tensor(DOUBLE.array(array), dtype=torch.float64)

    elementwise = {
        "softplus": torch.nn.functional.softplus,
        **{
            name: getattr(torch, name)
            for name in ("tanh", "sigmoid", "relu", "exp", "log", "sqrt", "sin", "cos")
        },
    }

    def value(node: Node, names: Mapping[str, Any]) -> Any:
        if isinstance(node, Number):
            return float(node.value)
        if isinstance(node, Name):
            return names[node.name]
        parts = [value(argument, names) for argument in node.arguments]
        match node.kind:
            case "add":
                return parts[0] + parts[1]
            case "subtract":
                return parts[0] - parts[1]
            case "multiply":
                return parts[0] * parts[1]
            case "divide":
                return parts[0] / parts[1]
            case "negative":
                return -parts[0]
            case "power":
                return parts[0] ** float(node.detail[0])
            case "matmul":
                return parts[0] @ parts[1]
            case "index":
                return parts[0][node.detail[0]]
            case "slice":
                return parts[0][node.detail[0] : node.detail[1]]
            case "softmax":
                return torch.softmax(parts[0], -1)
            case "log_sum_exp":
                return torch.logsumexp(parts[0], -1)
            case "sum":
                return torch.sum(torch.as_tensor(parts[0]))
            case "dot":
                return torch.dot(parts[0], parts[1])
            case "outer":
                return torch.outer(parts[0], parts[1])
            case "transpose":
                return parts[0].T
            case "concatenate":
                whole = [torch.as_tensor(part, dtype=torch.float64) for part in parts]
                return torch.cat([part.reshape(-1) for part in whole])
        (u,) = (torch.as_tensor(part, dtype=torch.float64) for part in parts)
        if node.kind == "softplus":
            return elementwise["softplus"](u, threshold=1e9)  # torch's default is linear beyond 20
        return elementwise[node.kind](u)

    parameters = {k: tensor(v).requires_grad_() for k, v in cell.parameters.items()}
    fixed = {name: tensor(array) for name, array in cell.constants.items()}
    carried = {f"{k}_prev": tensor(v) for k, v in cell.initial_state.items()}
    total = torch.zeros((), dtype=torch.float64)
    sequences = {"x": cell.inputs, "target": cell.targets}
    sequences = {name: tensor(array) for name, array in sequences.items() if array is not None}
    for t in range(cell.steps):
        names = parameters | fixed | carried | {name: s[t] for name, s in sequences.items()}
        for name, formula in cell.lines.items():
            names[name] = value(formula, names)
        total = total + names["loss"]
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


def conditioning(
    cell: Recurrence, digits: int = 60, draws: int = 2, seed: int = 0
) -> dict[str, float]:
    """How much each gradient moves, relatively, when all parameters move by one unit of rounding.

    Every parameter is multiplied by 1 +- 2^-52, and the gradients are computed in many digits: no
    algorithm in double precision can be expected to do better than this.
    """
    arithmetic = multiprecision(digits)
    exact = multiprecision_gradients(cell, digits).parameters
    unit = Fraction(1, 2**52)
    random = np.random.default_rng(seed)
    worst = dict.fromkeys(cell.parameters, 0.0)
    for _ in range(draws):
        moved = {}
        for name, array in cell.parameters.items():
            signs = random.choice([-1, 1], size=array.shape)
            factors = arithmetic.array(np.ones(array.shape, dtype=int)) + arithmetic.array(
                signs
            ) * arithmetic.number(unit)
            moved[name] = arithmetic.array(array) * factors
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
    digits: int = 60,
    reverse: Callable[[Recurrence, Arithmetic], Mapping[str, Array]] | None = None,
) -> Agreement:
    """Compare the gradient of every parameter with each of the `methods`.

    gradients: those to check (default: the cell's reverse mode in double precision). reverse: how the
    gradients are computed in any arithmetic (default: the cell's reverse mode), for `multiprecision`.

    A float64 pair that falls short of its tolerance is looked at again in many digits: if one unit of
    rounding in the parameters moves the gradient itself by more (`conditioning`), the digits lost are
    reported, and the tolerance is a hundred times that movement; for central differences, which
    cannot be better, a hundred times its power 4/5.
    """
    unknown = set(methods) - set(TOLERANCES)
    if unknown:
        raise ValueError(f"unknown methods {sorted(unknown)}; known: {', '.join(TOLERANCES)}")
    if reverse is None:

        def reverse(cell: Recurrence, arithmetic: Arithmetic) -> Mapping[str, Array]:
            return cell.reverse(cell.forward(arithmetic=arithmetic)).parameters

    if gradients is None:
        gradients = reverse(cell, DOUBLE)
    work = cell.steps * (cell.size + sum(int(np.prod(cell.shape(name))) for name in cell.lines))
    affordable = work <= MOST_MULTIPRECISION_WORK
    moved: dict[str, float] | None = None
    torch_result = torch_gradients(cell)[1] if "torch autograd" in methods else {}
    precise: dict[int, Mapping[str, Array]] = {}
    rows = []
    for parameter in cell.parameters:
        along = directions(cell, parameter)
        mine = _projected(gradients[parameter], along)
        for method in methods:
            required = -math.log10(TOLERANCES[method])
            if method in ("doubled precision", "multiprecision") and not affordable:
                remark = f"{cell.steps} steps of {cell.size} components are too many"
                rows.append(Row(parameter, method, None, None, required, 0.0, "not run", remark))
                continue
            if method == "multiprecision":
                rows.append(_multiprecision_row(cell, parameter, along, digits, reverse, precise))
                continue
            if method == "doubled precision":
                used = _digits_for(cell, digits)
                if used not in precise:
                    precise[used] = reverse(cell, multiprecision(used))
                exact = _projected(precise[used][parameter], along)
                difference, remark = relative_difference(mine, exact), f"against {used} digits"
            else:
                difference, remark = _compare(cell, parameter, along, mine, method, torch_result)
            lost, verdict = 0.0, "agrees"
            if difference > TOLERANCES[method]:
                verdict = "disagrees"
                if affordable:
                    moved = (
                        conditioning(cell, _digits_for(cell, digits)) if moved is None else moved
                    )
                    lost = max(0.0, math.log10(max(moved[parameter], 2.0**-52) / 2.0**-52))
                    allowed = 100 * moved[parameter]
                    if method == "central differences":
                        # eps^4 against rounding / eps: at the best eps, rounding^(4/5) is left
                        difference, remark = _at_the_best_step(
                            cell, parameter, along, mine, STEPS + FINER_STEPS
                        )
                        allowed = 100 * moved[parameter] ** 0.8
                    if moved[parameter] >= 1 and method in (
                        "central differences",
                        "doubled precision",
                    ):
                        remark = "double precision has no digit left here"
                        rows.append(
                            Row(parameter, method, None, None, required, lost, "not run", remark)
                        )
                        continue
                    if difference <= allowed:
                        verdict = "agrees, ill-conditioned"
                        remark = f"double precision loses {lost:.1f} digits here"
            rows.append(
                Row(
                    parameter, method, difference if math.isfinite(difference) else None,
                    digits_of(difference), required, lost, verdict, remark,
                )
            )  # fmt: skip
    return Agreement(tuple(rows))


def _projected(gradient: Array, along: Sequence[Array]) -> Array:
    gradient = np.asarray(gradient)
    if len(along) == gradient.size and all(np.count_nonzero(d) == 1 for d in along):
        return gradient.reshape(-1)  # unit vectors, in order
    return np.array([(gradient * d).sum() for d in along])


def _compare(
    cell: Recurrence,
    parameter: str,
    along: Sequence[Array],
    mine: Array,
    method: str,
    torch_result: Mapping[str, Array],
) -> tuple[float, str]:
    if method == "forward mode":
        return relative_difference(mine, forward_gradient(cell, parameter, along)), ""
    if method == "torch autograd":
        return relative_difference(mine, _projected(torch_result[parameter], along)), ""
    if method == "complex step":
        return relative_difference(mine, complex_step(cell, parameter, along)), ""
    return _at_the_best_step(cell, parameter, along, mine, STEPS)


def _at_the_best_step(
    cell: Recurrence,
    parameter: str,
    along: Sequence[Array],
    mine: Array,
    steps: Sequence[float],
) -> tuple[float, str]:
    best, at = math.inf, 0.0
    for eps in steps:
        try:
            estimate = central_differences(cell, parameter, along, eps)
        except ValueError:
            continue  # the loss has no value there
        difference = relative_difference(mine, estimate)
        if difference < best:
            best, at = difference, eps
    return best, f"best at eps = {at:.1e}"


def _digits_for(cell: Recurrence, digits: int) -> int:
    """Enough digits that steps of growth do not use them up: 4 more for every 10 steps."""
    return digits + 4 * (cell.steps // 10)


def _multiprecision_row(
    cell: Recurrence,
    parameter: str,
    along: Sequence[Array],
    digits: int,
    reverse: Callable[[Recurrence, Arithmetic], Mapping[str, Array]],
    precise: dict[int, Mapping[str, Array]],
) -> Row:
    tolerance = TOLERANCES["multiprecision"]
    required = -math.log10(tolerance)
    for used in (digits, 2 * digits, 4 * digits):  # more where the cell amplifies the step eps
        if used not in precise:
            precise[used] = reverse(cell, multiprecision(used))
        mine = _projected(precise[used][parameter], along)
        other = multiprecision_differences(cell, parameter, along, used)
        difference = relative_difference(mine, other)
        if difference <= tolerance:
            break
        if difference > 1e-3 and used > digits:
            break
    verdict = "agrees" if difference <= tolerance else "disagrees"
    finite = difference if math.isfinite(difference) else None
    return Row(
        parameter, "multiprecision", finite, digits_of(difference, used), required, 0.0, verdict,
        f"in {used} digits",
    )  # fmt: skip
