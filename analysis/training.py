"""Train recurrent networks, and fit echo state networks, on tasks that need a memory."""

import time
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch

from analysis.maths import recurrent_cells as cells
from analysis.maths import training
from analysis.maths.bounds import hold, upward
from analysis.maths.reservoir import Reservoir
from analysis.maths.training import Adding, Outcome, Recall, Task
from workings import explore, figures, measurements
from workings.build import processes
from workings.measurements import Record, record
from workings.messages import InputError, say, track

ECHO_STATE = "echo state"
MODELS = [*cells.CELLS, ECHO_STATE]
SOLVED = 0.1  # of the baseline's error, under which a network counts as having learnt the task
SIZES_DIFFER = 0.2  # of the number of weights that is asked for, at most


@dataclass(frozen=True, order=True)
class Trial:
    """One network to train."""

    task: str
    delay: int
    model: str
    repeat: int


@dataclass(frozen=True)
class Done:
    trial: Trial
    outcome: Outcome
    seconds: float  # said, not recorded: no two runs take equally long


def tasks_of(config: dict) -> dict[str, Task]:
    return {
        "adding": Adding(),
        "recall": Recall(config["symbols"], config["distractors"]),
    }


def check(config: dict) -> None:
    """Whether the recurrent networks can have the number of weights that is asked for, and its sequences.

    Raises:
        InputError: one cannot, within `SIZES_DIFFER`, or there is no memory for so many sequences.
    """
    wanted = config["parameters"]
    for task in tasks_of(config).values():
        for kind in cells.CELLS:
            units = cells.units_for(kind, wanted, task.inputs, task.outputs)
            nearest = cells.count(kind, units, task.inputs, task.outputs)
            if abs(nearest / wanted - 1) > SIZES_DIFFER:
                raise InputError(
                    f"{wanted}: with {task.inputs} inputs and {task.outputs} outputs the nearest "
                    f"that whole units of the {kind} cell come to is {nearest}; for a fair "
                    "comparison more weights are right",
                    key="training.parameters",
                )
        # Each step's input, and the activations of four gates.
        units = cells.units_for("LSTM", wanted, task.inputs, task.outputs)
        each = (max(config["delays"]) + 1) * (task.inputs + 4 * units)
        for key in ("batch", "test_sequences"):
            hold(each * config[key], config[key], f"training.{key}")
        sequences, steps = config["echo_state"]["sequences"], max(config["delays"]) + 1
        hold(steps * task.inputs * sequences, sequences, "training.echo_state.sequences")


def trials_of(config: dict) -> list[Trial]:
    """Every network, those that take longest first, so that the processes end together."""
    trials = [
        Trial(task, delay, model, repeat)
        for task in tasks_of(config)
        for delay in config["delays"]
        for model in MODELS
        for repeat in range(config["repeats"])
    ]
    return sorted(trials, key=lambda t: (-t.delay, t.model != "GRU", t))


def run_trial(config: dict, trial: Trial) -> Done:
    """Train and test one network. Its random numbers depend on the trial alone.

    Raises:
        InputError: the echo state network's W is too sparse, or its readout is not determined.
    """
    started = time.monotonic()
    task = tasks_of(config)[trial.task]
    place = list(tasks_of(config)).index(trial.task), MODELS.index(trial.model)
    weights, data = np.random.default_rng(
        [config["seed"], *place, trial.delay, trial.repeat]
    ).spawn(2)
    own, tested = config["echo_state"], config["test_sequences"]
    if trial.model == ECHO_STATE:
        chosen = {key: own[key] for key in ("spectral_radius", "leak", "input_scaling", "density")}
        try:
            reservoir = Reservoir.draw(own["units"], task.inputs, weights, **chosen)
        except ValueError as error:
            raise InputError(str(error), key="training.echo_state.density") from None
        chosen = {key: own[key] for key in ("sequences", "ridge")} | {"test_sequences": tested}
        try:
            outcome = training.fit_echo_state(reservoir, task, trial.delay, data, **chosen)
        except ValueError as error:
            raise InputError(str(error), key="training.echo_state.ridge") from None
    else:
        units = cells.units_for(trial.model, config["parameters"], task.inputs, task.outputs)
        shape = units, task.inputs, task.outputs
        start = (config[key] for key in ("gain", "bias", "drive"))
        parameters = cells.draw(trial.model, *shape, *start, weights)
        chosen = {key: config[key] for key in ("updates", "batch", "clip", "check_every")}
        chosen |= {"rate": config[f"{trial.task}_rate"], "solved": config["stop_at"]}
        outcome = training.train(
            trial.model, parameters, task, trial.delay, data, test_sequences=tested, **chosen
        )
    return Done(trial, outcome, time.monotonic() - started)


def run_all(config: dict, count: int) -> dict[Trial, Outcome]:
    """Every trial, over `count` processes; the same result whatever their number."""
    trials = trials_of(config)
    work = partial(run_trial, config)
    done = processes.spread(work, trials, torch.set_num_threads, (1,), count)
    outcomes, seconds = {}, dict.fromkeys(MODELS, 0.0)
    for one in track(done, "networks trained", len(trials)):
        outcomes[one.trial] = one.outcome
        seconds[one.trial.model] += one.seconds
    for model, total in seconds.items():
        each = total / (len(trials) / len(MODELS))
        say(f"{model}: {each:.2f} s to train a network, on average")
    return outcomes


def measure(outcomes: dict[Trial, Outcome], config: dict) -> Record:
    """The error of each model on each task against the delay, and what its training took."""
    tasks = {
        name: _of_task(name, task, outcomes, config) for name, task in tasks_of(config).items()
    }
    sizes = [
        row["trained"] for task in tasks.values() for row in task["models"] if row["by_gradient"]
    ]
    return record(
        tasks,
        solved_below=SOLVED,
        longest_delay=max(config["delays"]),
        largest_difference_in_size=upward(max(abs(s / config["parameters"] - 1) for s in sizes), 3),
        networks_each=len(config["delays"]) * config["repeats"],
    )


def _of_task(name: str, task: Task, outcomes: dict[Trial, Outcome], config: dict) -> Record:
    rows = [_of_model(name, model, task, outcomes, config) for model in MODELS]
    by_model = {row["model"].replace(" ", "_"): row for row in rows}
    by_gradient = [row["multiplications"] for row in rows if row["by_gradient"]]
    return record(
        baseline=task.baseline,
        inputs=task.inputs,
        models=rows,
        by_model=by_model,
        fewest_solved_by_gates=min(by_model[kind]["solved"] for kind in ("LSTM", "GRU")),
        cost_over_echo_state=min(by_gradient) / by_model["echo_state"]["multiplications"],
    )


def _of_model(
    name: str, model: str, task: Task, outcomes: dict[Trial, Outcome], config: dict
) -> Record:
    own = {t: o for t, o in sorted(outcomes.items()) if (t.task, t.model) == (name, model)}
    points = [
        _of_delay(delay, task, [o for t, o in own.items() if t.delay == delay])
        for delay in sorted(config["delays"])
    ]
    units = config["echo_state"]["units"]
    if model != ECHO_STATE:
        units = cells.units_for(model, config["parameters"], task.inputs, task.outputs)
    return record(
        model=model,
        by_gradient=model != ECHO_STATE,
        units=units,
        trained=next(iter(own.values())).trained,
        points=points,
        last=points[-1],
        solved=sum(point["solved"] for point in points),
        updates=float(np.mean([o.updates for o in own.values()])),
        multiplications=float(np.mean([o.multiplications for o in own.values()])),
    )


def _of_delay(delay: int, task: Task, outcomes: list[Outcome]) -> Record:
    errors = [o.error for o in outcomes]
    median = float(np.median(errors))
    return record(
        delay=delay,
        errors=errors,
        median=median,
        relative=median / task.baseline,
        solved=sum(e < SOLVED * task.baseline for e in errors),
        updates=float(np.mean([o.updates for o in outcomes])),
    )


LOOK = {
    "vanilla": (figures.WARM, "o"),
    "LSTM": ("#5E9BC0", "s"),
    "GRU": (figures.ACCENT, "D"),
    ECHO_STATE: ("#5B7F2B", "^"),
}


def draw(values: dict):
    """Error over the baseline's against the delay: a row for each task, a panel for each model."""
    figure, panels = figures.new("wide", 84.0, nrows=2, ncols=4, sharex=True, sharey=True)
    names = {"adding": "Adding problem", "recall": "Delayed recall"}
    apart = 0.02 * values["longest_delay"]  # marks that would lie on each other
    for row, (task, words) in zip(panels, names.items(), strict=True):
        own = values[task]
        for axes, model in zip(row, own["models"], strict=True):
            colour, marker = LOOK[model["model"]]
            points = model["points"]
            axes.axhline(1, color=figures.GREY, linewidth=0.8, linestyle=(0, (4, 2)))
            delays = [point["delay"] for point in points]
            axes.plot(delays, [point["relative"] for point in points], color=colour)
            for point in points:
                errors = np.sort(point["errors"]) / own["baseline"]
                at = point["delay"] + apart * (np.arange(len(errors)) - (len(errors) - 1) / 2)
                axes.plot(at, errors, marker, color=colour, ms=3.2, mfc="white", mew=0.8)
            axes.set(xticks=delays, yticks=[0, 0.5, 1])
            if task == "adding":
                axes.set_title(model["model"])
        row[0].set_ylabel(f"{words}\nerror / baseline")
    highest = max(
        max(p["errors"]) / values[t]["baseline"]
        for t in names
        for m in values[t]["models"]
        for p in m["points"]
    )
    panels[0, 0].set_ylim(-0.05, max(1.25, 1.08 * highest))
    for axes in panels[-1]:
        axes.set_xlabel("delay, in steps")
    panels[0, 1].annotate(
        "baseline", (1, 1), (0, -3), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="top", color=figures.GREY, fontsize=7,
    )  # fmt: skip
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
    check(own)
    values = measure(run_all(own, processes.count()), own)
    measurements.write(outputs.measurements, values)
    figures.save(draw(values), outputs.figure)
    explore.write(outputs.explore, to_explore(values))
