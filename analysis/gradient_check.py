"""Check the derived gradients against independent ways to get them."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import numpy as np

from analysis.recurrence import read, refused
from workings import figures, measurements
from workings.derive import gradient_check as checks
from workings.derive.derivation import symbol
from workings.derive.recurrence import Recurrence, RecurrenceError
from workings.measurements import Record, record
from workings.messages import InputError

# How the table's columns are headed.
COLUMNS = {
    "forward mode": "forward",
    "torch autograd": "autograd",
    "complex step": "complex step",
    "central differences": "central",
    "doubled precision": "doubled",
    "multiprecision": "many digits",
}

NAME_HEIGHT = 2.8  # mm, of a curve's name in the figure
AROUND = 14.0  # mm, of title and axis above and below the curves


def by_hand(cell: Recurrence, parameter: str, epsilon: float) -> Record:
    """The central differences as the original took them, component by component.

        ∂L/∂p_i ≈ (L(p + ε e_i) − L(p − ε e_i)) / 2ε

    Returns the losses on both sides and the quotient for each component, and the gradient.
    """
    start = np.asarray(cell.parameters[parameter], dtype=float)
    rows = []
    for direction in np.eye(start.size):
        step = epsilon * direction.reshape(start.shape)
        plus = float(cell.forward({parameter: start + step}).loss)
        minus = float(cell.forward({parameter: start - step}).loss)
        rows.append(record(minus=minus, plus=plus, gradient=(plus - minus) / (2 * epsilon)))
    gradient = np.array([row["gradient"] for row in rows]).reshape(start.shape)
    return record(
        symbol=symbol(parameter),
        components=rows,
        places=list(range(len(rows))),
        gradient=gradient,
    )


def curves(
    cell: Recurrence, gradients: dict[str, np.ndarray], epsilons: np.ndarray
) -> dict[str, list[tuple[float, float]]]:
    """For each parameter, (ε, relative error of the three-point difference) at every ε."""
    return {
        name: checks.error_curve(cell, name, gradient, steps=epsilons, points=3)
        for name, gradient in gradients.items()
    }


def measure(
    cell: Recurrence, gradients: dict[str, np.ndarray], config: dict
) -> tuple[Record, dict]:
    """The table of agreements, the original's own check, and the error curves."""
    agreement = checks.check_gradients(cell, gradients)
    chosen = config["gradient_check"]
    epsilons = np.geomspace(chosen["smallest_epsilon"], chosen["largest_epsilon"], chosen["points"])
    drawn = curves(cell, gradients, epsilons)
    best = record()
    for name, points in drawn.items():
        epsilon, error = min(points, key=lambda point: point[1])
        best[name] = record(epsilon=epsilon, digits=checks.digits_of(error))
    values = record(
        comparisons=sum(row.verdict != "not run" for row in agreement.rows),
        agreeing=sum(row.verdict.startswith("agrees") for row in agreement.rows),
        methods=[
            record(
                method=method,
                column=COLUMNS[method],
                required=checks.digits_of(tolerance, most=100.0),
                fewest=agreement.least_digits(method),
            )
            for method, tolerance in checks.TOLERANCES.items()
        ],
        rows=[
            record(
                symbol=symbol(name),
                digits=[agreement.row(name, method).digits for method in checks.TOLERANCES],
                lost=max(agreement.row(name, method).lost for method in checks.TOLERANCES),
                verdict=verdict(
                    agreement.row(name, method).verdict for method in checks.TOLERANCES
                ),
            )
            for name in gradients
        ],
        any_lost=any(row.lost > 0 for row in agreement.rows),
        autograd_digits=agreement.least_digits("torch autograd"),
        best=best,
        smallest_best_epsilon=min(b["epsilon"] for b in best.values()),
        largest_best_epsilon=max(b["epsilon"] for b in best.values()),
        best_digits=max(b["digits"] for b in best.values()),
    )
    update = config["recurrence"].get("update")
    values["has_by_hand"] = update is not None
    if update:
        values["by_hand"] = hand = by_hand(cell, update["parameter"], chosen["epsilon"])
        start = np.asarray(cell.parameters[update["parameter"]], dtype=float)
        exact = gradients[update["parameter"]]
        moved = start + update["rate"] * hand["gradient"]
        hand["digits"] = checks.digits_of(checks.relative_difference(hand["gradient"], exact))
        hand["added"] = moved
        hand["loss_when_added"] = float(cell.forward({update["parameter"]: moved}).loss)
    return values, drawn


def verdict(verdicts: Iterable[str]) -> str:
    """One word for a parameter: the worst of what its comparisons say."""
    order = ("disagrees", "agrees, ill-conditioned", "agrees", "not run")
    return min(verdicts, key=order.index)


def draw(drawn: dict, epsilon: float):
    """Relative error of the central difference against ε, for each parameter."""
    height = max(54.0, 22.0 + NAME_HEIGHT * len(drawn))
    figure, axes = figures.new("text", height)
    ends = []
    for (name, points), colour in zip(drawn.items(), _colours(len(drawn)), strict=True):
        x, y = np.array([(e, max(error, 1e-17)) for e, error in points]).T
        axes.loglog(x, y, marker="o", ms=2.0, lw=0.9, color=colour)
        ends.append((np.log10(y[0]), x[0], name, colour))
    # Names at the left ends, moved apart where the curves lie close.
    low, high = np.log10(axes.get_ylim())
    place, apart = np.inf, NAME_HEIGHT / (height - AROUND) * (high - low)
    for log, x, name, colour in sorted(ends, reverse=True):
        place = min(log, place - apart)
        axes.annotate(
            name, (x, 10**place), (-4, 0), textcoords="offset points", ha="right", va="center",
            fontsize=7, color=colour, annotation_clip=False,
        )  # fmt: skip
    axes.axvline(epsilon, color=figures.GREY, lw=0.6, ls=(0, (4, 3)))
    axes.annotate(
        "the original's ε", (epsilon, 1), (3, -2), xycoords=("data", "axes fraction"),
        textcoords="offset points", fontsize=7, color=figures.GREY, va="top",
    )  # fmt: skip
    axes.set(xlabel="ε", title="Relative error of the central difference")
    axes.set_xlim(left=10 ** (np.log10(axes.get_xlim()[0]) - 0.6))
    return figure


def _colours(count: int) -> list[str]:
    return [figures.CYCLE[i % len(figures.CYCLE)] for i in range(count)]


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["gradient_check"]
    if chosen["smallest_epsilon"] >= chosen["largest_epsilon"]:
        raise InputError(
            f"{chosen['smallest_epsilon']}; it must be below gradient_check.largest_epsilon, "
            f"which is {chosen['largest_epsilon']}",
            key="gradient_check.smallest_epsilon",
        )
    cell = read(config["recurrence"])
    recorded = measurements.read(inputs.recurrence)["gradients"]
    gradients = {name: np.asarray(recorded[name]) for name in cell.parameters}
    try:
        values, drawn = measure(cell, gradients, config)
    except RecurrenceError as error:
        raise refused(error) from None
    if values["agreeing"] < values["comparisons"]:
        required = [method["required"] for method in values["methods"]]
        bad = [
            f"dL/d{name} against {method['method']}: {digits:.1f} digits"
            for name, row in zip(gradients, values["rows"], strict=True)
            for method, digits, needed in zip(
                values["methods"], row["digits"], required, strict=True
            )
            if row["verdict"] == "disagrees" and digits is not None and digits < needed
        ]
        raise InputError(
            "the derived gradients do not pass their checks: " + "; ".join(bad), key="recurrence"
        )
    measurements.write(outputs.measurements, values)
    figures.save(draw(drawn, chosen["epsilon"]), outputs.figure)
