"""Train recurrent networks, and fit echo state networks, on tasks that need a memory."""

from types import SimpleNamespace

import numpy as np

from analysis.maths import recurrent_cells as cells
from analysis.maths.bounds import upward
from analysis.maths.gradient_lags import VANISHED
from analysis.maths.shares import wilson
from analysis.maths.training import Task
from analysis.training_part import ECHO_STATE, MODELS, SOLVED, Found, tasks_of, together
from workings import explore, figures, measurements
from workings.measurements import Record, record

PAIRS = [("LSTM", "vanilla"), ("GRU", "vanilla"), ("GRU", "LSTM"), (ECHO_STATE, "vanilla")]
CONFIDENCE = 0.95  # of the interval around a share of networks


def measure(found: list[Found], config: dict) -> Record:
    """How many networks of each model learn each task at each delay, and what their training took."""
    tasks = {name: _of_task(name, task, found, config) for name, task in tasks_of(config).items()}
    sizes = [
        row["trained"] for task in tasks.values() for row in task["models"] if row["by_gradient"]
    ]
    gate = 1 / (1 + np.exp(-config["bias"]))  # that keeps, while its W h + U x is small
    learnt = [  # at the longest delay by most networks, though no gradient came from its start
        record(task=name, model=row["model"], **row["last"])
        for name, task in tasks.items()
        for row in task["models"]
        if row["by_gradient"]
        and row["last"]["solved"] > config["repeats"] / 2
        and row["last"]["left_before"] < VANISHED
    ]
    return record(
        tasks,
        solved_below=SOLVED,
        confidence=CONFIDENCE,
        longest_delay=max(config["delays"]),
        largest_difference_in_size=upward(max(abs(s / config["parameters"] - 1) for s in sizes), 3),
        networks_each=len(config["delays"]) * config["repeats"],
        radii=record(
            {
                cell: [start for start in starts if not isinstance(start, str)]
                for cell, starts in config["starts"].items()
            }
        ),
        gate_at_start=gate,
        path_at_start=gate ** max(config["delays"]),
        learnt_though_vanished=learnt,
        least_gain_when_learnt=min(map(_gain, learnt), default=None),
    )


def _gain(point: Record) -> float:
    """How much more of the gradient comes back after training than before."""
    return point["left_after"] / max(point["left_before"], 1e-30)


def _of_task(name: str, task: Task, found: list[Found], config: dict) -> Record:
    rows = [
        _of_model(
            task, [f for f in found if (f.setting.task, f.setting.model) == (name, model)], config
        )
        for model in MODELS
    ]
    by_model = {row["model"].replace(" ", "_"): row for row in rows}
    by_gradient = [row["multiplications"] for row in rows if row["by_gradient"]]
    pairs = {(a, b): _compare(a, b, by_model) for a, b in PAIRS}
    gates = [pairs["LSTM", "vanilla"], pairs["GRU", "vanilla"]]
    return record(
        baseline=task.baseline,
        inputs=task.inputs,
        models=rows,
        by_model=by_model,
        pairs=list(pairs.values()),
        pairs_apart=sum(bool(pair["more"] or pair["less"]) for pair in pairs.values()),
        # The delays at which both gated cells learn more often than the vanilla cell, or one less often.
        gates_above=[d for d in gates[0]["more"] if d in gates[1]["more"]],
        gates_below=sorted({*gates[0]["less"], *gates[1]["less"]}),
        fewest_solved_by_gates=min(by_model[kind]["solved"] for kind in ("LSTM", "GRU")),
        cost_over_echo_state=min(by_gradient) / by_model["echo_state"]["multiplications"],
    )


def _compare(model: str, other: str, by_model: dict) -> Record:
    """The delays at which the interval of `model` lies above that of the `other`, or below."""
    mine, theirs = (by_model[name.replace(" ", "_")]["points"] for name in (model, other))
    both = list(zip(mine, theirs, strict=True))
    return record(
        model=model,
        than=other,
        more=[a["delay"] for a, b in both if a["low"] > b["high"]],
        less=[a["delay"] for a, b in both if a["high"] < b["low"]],
    )


def _of_model(task: Task, found: list[Found], config: dict) -> Record:
    """One model over all delays."""
    model = found[0].setting.model
    outcomes = [o for f in found for o in f.outcomes]
    points = [_of_delay(task, f) for f in found]
    units = config["echo_state"]["units"]
    if model != ECHO_STATE:
        units = cells.units_for(model, config["parameters"], task.inputs, task.outputs)
    return record(
        model=model,
        by_gradient=model != ECHO_STATE,
        units=units,
        trained=outcomes[0].trained,
        points=points,
        last=points[-1],
        solved=sum(point["solved"] for point in points),
        updates=float(np.mean([o.updates for o in outcomes])),
        multiplications=float(np.mean([o.multiplications for o in outcomes])),
    )


def _of_delay(task: Task, found: Found) -> Record:
    errors = [o.error for o in found.outcomes]
    median, below = float(np.median(errors)), SOLVED * task.baseline
    solved = sum(e < below for e in errors)
    low, high = wilson(solved, len(errors), CONFIDENCE)
    chosen = found.choice
    values = record(
        delay=found.setting.delay,
        errors=errors,
        median=median,
        relative=median / task.baseline,
        solved=solved,
        low=low,
        high=high,
        updates=float(np.mean([o.updates for o in found.outcomes])),
    )
    if found.setting.model == ECHO_STATE:
        return values | record(radius=chosen.spectral_radius, scaling=chosen.input_scaling)
    return values | record(
        start=chosen.start if isinstance(chosen.start, str) else f"radius {chosen.start:g}",
        rate=chosen.rate,
        left_before=float(np.median([o.left_before for o in found.outcomes])),
        left_after=float(np.median([o.left_after for o in found.outcomes])),
    )


LOOK = {  # colour, fill, hatch: four kinds of bar without colour too
    "vanilla": ("#444444", "white", ""),
    "LSTM": (figures.ACCENT, "white", "/////"),
    "GRU": (figures.ACCENT, "#9CC3DB", ""),
    ECHO_STATE: ("#5B7F2B", "white", "....."),
}


def draw(values: dict):
    """How many networks learn: a panel for each task, a group of bars for each delay."""
    figure, panels = figures.new("wide", 46.0, ncols=2, sharey=True)
    names = {"adding": "Adding problem", "recall": "Delayed recall"}
    width = 0.2
    for axes, (task, words) in zip(panels, names.items(), strict=True):
        for place, model in enumerate(values[task]["models"]):
            edge, face, hatch = LOOK[model["model"]]
            points = model["points"]
            share = np.array([p["solved"] / len(p["errors"]) for p in points])
            at = np.arange(len(points)) + (place - 1.5) * width
            axes.bar(
                at, share, 0.86 * width, color=face, edgecolor=edge, hatch=hatch, linewidth=0.8,
                label=model["model"],
            )  # fmt: skip
            ends = np.array([[p["low"], p["high"]] for p in points]).T
            axes.vlines(at, *ends, color="black", linewidth=0.8)
            axes.plot(at, share, "_", color="black", ms=4, mew=0.8)
        delays = [p["delay"] for p in points]
        axes.set(title=words, xlabel="delay, in steps", ylim=(0, 1.04), yticks=[0, 0.5, 1])
        axes.set_xticks(range(len(delays)), [str(delay) for delay in delays])
        axes.tick_params(axis="x", length=0)
    panels[0].set_ylabel("share that learns")
    panels[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), handlelength=1.4)
    return figure


def to_explore(values: dict) -> dict:
    """The error of each network at each delay, over the baseline's."""
    lines = [
        {
            "task": {"adding": "adding problem", "recall": "delayed recall"}[task],
            "cell": model["model"],
            "name": model["model"],
            "x": [point["delay"] for point in model["points"]],
            "y": [point["relative"] for point in model["points"]],
            "points": [
                np.array(point["errors"]) / values[task]["baseline"] for point in model["points"]
            ],
        }
        for task in ("adding", "recall")
        for model in values[task]["models"]
    ]
    return explore.curves(lines, ["task", "cell"], x="delay, in steps", y="error over baseline")


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    own = config["training"]
    values = measure(together(inputs.parts), own)
    measurements.write(outputs.measurements, values)
    figures.save(draw(values), outputs.figure)
    explore.write(outputs.explore, to_explore(values))
