"""Train the networks of a part of the settings: task, delay and model."""

import time
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from analysis.data import parts
from analysis.maths import recurrent_cells as cells
from analysis.maths import training
from analysis.maths.bounds import hold
from analysis.maths.reservoir import Reservoir
from analysis.maths.training import Adding, Outcome, Recall, Start, Task
from workings.messages import InputError, say, track

ECHO_STATE = "echo state"
MODELS = [*cells.CELLS, ECHO_STATE]
SOLVED = 0.1  # of the baseline's error, under which a network counts as having learnt the task
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


def together(paths: list[str]) -> list[Found]:
    """All parts, in the order of the settings: the same, however many there were."""
    found = [
        Found(
            Setting(**entry["setting"]),
            Choice(**entry["choice"]),
            entry["tried"],
            [Outcome(**one) for one in entry["outcomes"]],
        )
        for entry in parts.load(paths)
    ]
    return sorted(found, key=lambda f: f.setting)


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
    """Every setting, those that take longest first, so that the parts take equally long."""
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
    choices = choices_of(config, setting.model)
    best = choices[0]
    if len(choices) > 1:
        repeats = range(config["validation"])
        wanted = [(choice, repeat) for choice in choices for repeat in repeats]
        outcomes = dict(zip(wanted, networks(config, setting, wanted, VALIDATION), strict=True))
        best = min(choices, key=lambda c: _rank(config, setting, [outcomes[c, r] for r in repeats]))
    wanted = [(best, repeat) for repeat in range(config["repeats"])]
    outcomes = networks(config, setting, wanted, REPORTED)
    return Found(setting, best, len(choices), outcomes)


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


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    own = config["training"]
    check(own)
    found = []
    for setting in track(parts.mine(settings_of(own), config["part"]), "settings trained"):
        started = time.monotonic()
        found.append(run_setting(own, setting))
        count = own["repeats"] + own["validation"] * found[-1].tried
        each = (time.monotonic() - started) / count
        say(f"{setting.model}, {setting.task}, {setting.delay} steps: {each:.2f} s a network")
    parts.save(outputs.found, found)
