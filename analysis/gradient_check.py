"""Check the derived gradients against independent ways to get them."""

from types import SimpleNamespace

import numpy as np

from analysis.maths.bounds import upward
from workings import figures, measurements
from workings.derive import checks
from workings.derive.description import refusing
from workings.derive.recurrence import Recurrence
from workings.derive.symbols import symbol
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

Curves = dict[str, list[tuple[float, float]]]  # parameter -> (ε, relative error) at every ε


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
    return record(
        symbol=symbol(parameter),
        components=rows,
        places=list(range(1, len(rows) + 1)),
        gradient=np.reshape([row["gradient"] for row in rows], start.shape),
    )


def measure(
    cell: Recurrence, gradients: dict[str, np.ndarray], agreement: checks.Agreement, chosen: dict
) -> tuple[Record, Curves]:
    """The table of agreements, the original's own check, and the error curves.

    Args:
        chosen: the block `gradient_check` of the configuration.
    """
    epsilons = np.geomspace(chosen["smallest_epsilon"], chosen["largest_epsilon"], chosen["points"])
    drawn = {
        name: checks.error_curve(cell, name, gradient, epsilons)
        for name, gradient in gradients.items()
    }
    best = [min(points, key=lambda point: point[1]) for points in drawn.values()]
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
                digits=[row.digits for row in agreement.of(name)],
                lost=max(row.lost for row in agreement.of(name)),
                verdict=min((row.verdict for row in agreement.of(name)), key=checks.VERDICTS.index),
            )
            for name in gradients
        ],
        autograd_digits=agreement.least_digits("torch autograd"),
        smallest_best_epsilon=min(epsilon for epsilon, _ in best),
        largest_best_epsilon=max(epsilon for epsilon, _ in best),
        best_digits=upward(max(checks.digits_of(error) for _, error in best), 1),
    )
    if cell.update:
        parameter, rate = cell.update
        values["by_hand"] = hand = by_hand(cell, parameter, chosen["epsilon"])
        moved = np.asarray(cell.parameters[parameter], float) + float(rate) * hand["gradient"]
        difference = checks.relative_difference(hand["gradient"], gradients[parameter])
        hand["digits"] = checks.digits_of(difference)
        hand["loss_when_added"] = float(cell.forward({parameter: moved}).loss)
    return values, drawn


MARKS = "os^vD*"


def draw(drawn: Curves, epsilon: float):
    """Relative error of the central difference against ε, for each parameter."""
    height = max(54.0, 22.0 + NAME_HEIGHT * len(drawn))
    figure, axes = figures.new("text", height)
    ends = []
    for i, (name, points) in enumerate(drawn.items()):
        x, y = np.array([(e, max(error, 1e-17)) for e, error in points]).T
        colour, mark = figures.CYCLE[i % len(figures.CYCLE)], MARKS[i % len(MARKS)]
        # Told apart without colour too: by the mark, at other points of each curve.
        axes.loglog(
            x, y, marker=mark, markevery=(i % 4, 4), ms=3.6, mfc="white", lw=0.9, color=colour
        )
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


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["gradient_check"]
    if chosen["smallest_epsilon"] >= chosen["largest_epsilon"]:
        raise InputError(
            f"{chosen['smallest_epsilon']}; it must be below gradient_check.largest_epsilon, "
            f"which is {chosen['largest_epsilon']}",
            key="gradient_check.smallest_epsilon",
        )
    with refusing("recurrence"):
        cell = Recurrence.from_config(config["recurrence"])
        recorded = measurements.read(inputs.recurrence)["gradients"]
        gradients = {name: np.asarray(recorded[name]) for name in cell.parameters}
        agreement = checks.check_gradients(cell, gradients)
        if not agreement.passed:
            bad = "; ".join(str(row) for row in agreement.rows if row.verdict == "disagrees")
            raise InputError(
                f"the derived gradients do not pass their checks: {bad or 'none could be run'}",
                key="recurrence",
            )
        values, drawn = measure(cell, gradients, agreement, chosen)
    measurements.write(outputs.measurements, values)
    figures.save(draw(drawn, chosen["epsilon"]), outputs.figure)
