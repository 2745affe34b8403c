"""Train recurrent networks, and fit echo state networks, on tasks that need a memory."""

import time
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np

from analysis.maths import recurrent_cells as cells
from analysis.maths import training
from analysis.maths.bounds import hold, upward
from analysis.maths.reservoir import Reservoir
from analysis.maths.training import Adding, Outcome, Recall, Start, Task, wilson
from workings import explore, figures, measurements
from workings.build import processes
from workings.measurements import Record, record
from workings.messages import InputError, say, track

ECHO_STATE = "echo state"
MODELS = [*cells.CELLS, ECHO_STATE]
PAIRS = [("LSTM", "vanilla"), ("GRU", "vanilla"), ("GRU", "LSTM"), (ECHO_STATE, "vanilla")]
VANISHED = 0.01  # of the gradient, as in gradient_lags
SOLVED = 0.1  # of the baseline's error, under which a network counts as having learnt the task
CONFIDENCE = 0.95  # of the interval around a share of networks
SIZES_DIFFER = 0.2  # of the number of weights that is asked for, at most
TOGETHER = 12  # networks in one stack: more of them leave the processor's cache
VALIDATION, REPORTED = 0, 1  # no network has the random numbers of one of the other sort


@dataclass(frozen=True, order=True)
class Setting:
    """One task with one delay, for one model."""

    task: str
    delay: int
    model: str


@dataclass(frozen=True)
class Choice:
    """What is tried for a model: of a recurrent cell the start and the rate, of a reservoir its scales."""

    start: float | str = ""
    rate: float = 0.0
    spectral_radius: float = 0.0
    input_scaling: float = 0.0


@dataclass(frozen=True)
class Found:
    """What came of one setting."""

    setting: Setting
    choice: Choice
    tried: int  # choices
    outcomes: list[Outcome]  # of the reported networks
    seconds: float  # said, not recorded: no two runs take equally long


def tasks_of(config: dict) -> dict[str, Task]:
    return {
        "adding": Adding(),
        "recall": Recall(config["symbols"], config["distractors"]),
    }


def choices_of(config: dict, model: str) -> list[Choice]:
    """All that is tried for a model."""
    if model == ECHO_STATE:
        own = config["echo_state"]
        return [
            Choice(spectral_radius=radius, input_scaling=scaling)
            for radius in own["spectral_radii"]
            for scaling in own["input_scalings"]
        ]
    starts = config["starts"]["gated" if model in cells.KEEPS else "vanilla"]
    return [Choice(start=start, rate=rate) for start in starts for rate in config["rates"]]


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
        # Each step's input and state, the activations of four gates, and the LSTM's c.
        units = cells.units_for("LSTM", wanted, task.inputs, task.outputs)
        steps = max(config["delays"]) + 1
        each = steps * (2 * task.inputs + 8 * units)
        hold(each * config["batch"] * TOGETHER, config["batch"], "training.batch")
        key = "test_sequences"
        held = each + 2 * TOGETHER * steps * task.inputs
        hold(held * config[key], config[key], f"training.{key}")
        sequences = config["echo_state"]["sequences"]
        hold(steps * task.inputs * sequences, sequences, "training.echo_state.sequences")


def settings_of(config: dict) -> list[Setting]:
    """Every setting, those that take longest first, so that the processes end together."""
    settings = [
        Setting(task, delay, model)
        for task in tasks_of(config)
        for delay in config["delays"]
        for model in MODELS
    ]
    return sorted(settings, key=lambda s: (-s.delay, s.model == ECHO_STATE, s))


def run_setting(config: dict, setting: Setting) -> Found:
    """Choose on validation networks, then train those that are reported.

    Its random numbers depend on the setting alone, so settings may be run in any order, anywhere.

    Raises:
        InputError: the echo state network's W is too sparse, or its readout is not determined.
    """
    started = time.monotonic()
    choices = choices_of(config, setting.model)
    best = choices[0]
    if len(choices) > 1:
        repeats = range(config["validation"])
        wanted = [(choice, repeat) for choice in choices for repeat in repeats]
        outcomes = dict(zip(wanted, networks(config, setting, wanted, VALIDATION), strict=True))
        best = min(choices, key=lambda c: _rank(config, setting, [outcomes[c, r] for r in repeats]))
    wanted = [(best, repeat) for repeat in range(config["repeats"])]
    outcomes = networks(config, setting, wanted, REPORTED)
    return Found(setting, best, len(choices), outcomes, time.monotonic() - started)


def _rank(config: dict, setting: Setting, outcomes: list[Outcome]) -> tuple[int, float]:
    """Lower is better: fewer networks that did not learn the task, then the median error."""
    errors = [o.error for o in outcomes]
    below = SOLVED * tasks_of(config)[setting.task].baseline
    return sum(e >= below for e in errors), float(np.median(errors))


def networks(
    config: dict, setting: Setting, wanted: list[tuple[Choice, int]], sort: int
) -> list[Outcome]:
    """Train and test a network for each choice and repeat.

    The random numbers of a repeat are the same for all choices.
    """
    task = tasks_of(config)[setting.task]
    places = list(tasks_of(config)).index(setting.task), MODELS.index(setting.model)

    def generators(repeat: int) -> list[np.random.Generator]:
        seed = [config["seed"], sort, *places, setting.delay, repeat]
        return np.random.default_rng(seed).spawn(2)  # of the weights, of the sequences

    if setting.model == ECHO_STATE:
        return [
            _echo_state(config, task, setting.delay, choice, *generators(repeat))
            for choice, repeat in wanted
        ]
    outcomes: dict[tuple[Choice, int], Outcome] = {}
    for kind in (setting.model, "relu"):
        own = [(c, r) for c, r in wanted if (c.start == "identity") == (kind == "relu")]
        units = cells.units_for(kind, config["parameters"], task.inputs, task.outputs)
        for place in range(0, len(own), TOGETHER):
            together = own[place : place + TOGETHER]
            starts = []
            for choice, repeat in together:
                weights, data = generators(repeat)
                parameters = cells.draw(
                    kind, units, task.inputs, task.outputs,
                    choice.start, config["bias"], config["drive"], weights,
                )  # fmt: skip
                starts.append(Start(parameters, choice.rate, data))
            chosen = {k: config[k] for k in ("batch", "clip", "check_every")}
            chosen["updates"] = config["updates" if sort == REPORTED else "validation_updates"]
            chosen |= {"solved": config["stop_at"], "test_sequences": config["test_sequences"]}
            ended = training.train(kind, starts, task, setting.delay, **chosen)
            outcomes |= dict(zip(together, ended, strict=True))
    return [outcomes[one] for one in wanted]


def _echo_state(
    config: dict,
    task: Task,
    delay: int,
    choice: Choice,
    weights: np.random.Generator,
    data: np.random.Generator,
) -> Outcome:
    own = config["echo_state"]
    chosen = {key: own[key] for key in ("leak", "density")}
    chosen |= {"spectral_radius": choice.spectral_radius, "input_scaling": choice.input_scaling}
    try:
        reservoir = Reservoir.draw(own["units"], task.inputs, weights, **chosen)
    except ValueError as error:
        raise InputError(str(error), key="training.echo_state.density") from None
    chosen = {key: own[key] for key in ("sequences", "ridge")}
    chosen |= {"test_sequences": config["test_sequences"]}
    try:
        return training.fit_echo_state(reservoir, task, delay, data, **chosen)
    except ValueError as error:
        raise InputError(str(error), key="training.echo_state.ridge") from None


def run_all(config: dict, count: int) -> list[Found]:
    """Every setting, over `count` processes; the same result whatever their number."""
    settings = settings_of(config)
    done = processes.spread(partial(run_setting, config), settings, lambda: None, (), count)
    found = list(track(done, "settings trained", len(settings)))
    for model in MODELS:
        own = [f for f in found if f.setting.model == model]
        each = config["repeats"] + config["validation"] * own[0].tried
        say(f"{model}: {sum(f.seconds for f in own) / (each * len(own)):.2f} s a network")
    return sorted(found, key=lambda f: f.setting)


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
    check(own)
    values = measure(run_all(own, processes.count()), own)
    measurements.write(outputs.measurements, values)
    figures.save(draw(values), outputs.figure)
    explore.write(outputs.explore, to_explore(values))
