"""Measure how much echo state networks remember, against spectral radius and leaking rate."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from analysis.maths import reservoir as esn
from analysis.maths.bounds import hold
from analysis.maths.reservoir import Reservoir
from workings import figures, measurements
from workings.measurements import Record, record
from workings.messages import InputError, track

RECALLED = 0.5  # r², from which on a delay counts as recalled
FORGOTTEN = 1e-3  # of the distance between two starting states, left after the wash-out


@dataclass(frozen=True)
class Setting:
    """Reservoirs of one leaking rate and spectral radius."""

    leak: float
    radius: float
    r2: NDArray  # (reservoirs, delays + 1)
    left: NDArray  # (reservoirs,) of the distance between two starting states, after the wash-out

    @property
    def capacities(self) -> NDArray:
        return self.r2.sum(axis=1)

    @property
    def capacity(self) -> float:
        return float(self.capacities.mean())

    @property
    def forgets(self) -> bool:
        """Whether every reservoir forgets where it started: the echo state property, on this signal."""
        return bool((self.left < FORGOTTEN).all())


def check(config: dict) -> None:
    """What the schema cannot see.

    Raises:
        InputError: the signal is too short for the delays, or for a readout of this size.
    """
    if config["delays"] > config["steps"]:
        raise InputError(
            f"{config['delays']}: the signal has {config['steps']} steps, so no later step can "
            "recall one that long ago; a delay of at most 'steps' is right",
            key="echo_state.delays",
        )
    length = config["steps"] + past(config)
    hold(length * (config["units"] + config["delays"]), config["steps"], "echo_state.steps")
    if config["steps"] // 2 <= config["units"]:
        raise InputError(
            f"{config['steps']}: half of the steps fit a readout of {config['units']} weights, "
            f"which needs more than that; {2 * config['units'] + 2} or more are right",
            key="echo_state.steps",
        )


def past(config: dict) -> int:
    """Steps before the first state that counts: the wash-out, and the longest delay's past."""
    return max(config["washout"], config["delays"])


def judged(config: dict) -> int:
    """Steps on which r² is computed."""
    return config["steps"] - config["steps"] // 2


def remember(reservoir: Reservoir, u: NDArray, config: dict) -> NDArray:
    """r² of every delay from 0 on, for the signal `u`.

    Raises:
        InputError: the states do not determine V and there is no ridge.
    """
    delays, fitted = range(config["delays"] + 1), config["steps"] // 2
    try:
        states = reservoir.run(u)[past(config) :]
        return esn.recall(states, u, delays, fitted, config["ridge"])
    except ValueError as error:
        raise InputError(str(error), key="echo_state.ridge") from None


def starting_state_left(reservoir: Reservoir, u: NDArray, generator: np.random.Generator) -> float:
    """How much of the distance between two starting states the signal `u` leaves."""
    elsewhere = generator.uniform(-1, 1, len(reservoir.W))
    apart = reservoir.run(u, start=elsewhere)[-1] - reservoir.run(u)[-1]
    return float(np.linalg.norm(apart) / np.linalg.norm(elsewhere))


def measured_setting(
    leak: float, radius: float, u: NDArray, config: dict, generator: np.random.Generator
) -> Setting:
    """Draw the reservoirs of one setting and measure each.

    Raises:
        InputError: W is too sparse to have a spectral radius.
    """
    r2, left = [], []
    for _ in range(config["reservoirs"]):
        try:
            reservoir = Reservoir.draw(
                config["units"],
                1,
                generator,
                spectral_radius=radius,
                leak=leak,
                input_scaling=config["input_scaling"],
                density=config["density"],
            )
        except ValueError as error:
            raise InputError(str(error), key="echo_state.density") from None
        r2.append(remember(reservoir, u, config))
        left.append(starting_state_left(reservoir, u[: past(config)], generator))
    return Setting(leak, radius, np.array(r2), np.array(left))


def measure(settings: list[Setting], line: NDArray, config: dict) -> Record:
    """Capacities beside their bound; where they peak, and where the echo state property ends."""
    n = config["units"]
    bound = min(n, config["delays"] + 1)
    best = max(settings, key=lambda s: s.capacity)
    worst = min(settings, key=lambda s: s.capacity)
    by_leak = [_of_leak(leak, settings) for leak in config["leaks"]]
    lost = [s for s in settings if not s.forgets]
    kept = [s for s in settings if s.forgets]
    largest = max(float(s.capacities.max()) for s in settings)
    by_chance = (config["delays"] + 1) / judged(config)
    least_radius, largest_radius = min(config["spectral_radii"]), max(config["spectral_radii"])
    return record(
        washout=past(config),
        judged=judged(config),
        least_radius=least_radius,
        largest_radius=largest_radius,
        trained=n + 1,  # V and k of one readout
        fixed=n * n + n,  # W and U
        bound=bound,
        by_chance=by_chance,
        bound_with_chance=bound + by_chance,
        delay_line_capacity=esn.capacity(line),
        largest_capacity=largest,
        best=_row(best, bound),
        worst=_row(worst, bound),
        best_over_worst=best.capacity / max(worst.capacity, by_chance),
        by_leak=by_leak,
        peaks_inside=all(least_radius < row["best_radius"] < largest_radius for row in by_leak),
        forgotten_below=FORGOTTEN,
        settings=len(settings),
        settings_that_forget=len(kept),
        largest_radius_that_forgets=max((s.radius for s in kept), default=None),
        least_radius_that_does_not=min((s.radius for s in lost), default=None),
        best_that_does_not=max((s.capacity for s in lost), default=None),
        recalled_from=RECALLED,
        drawn=[_row(s, bound) for s in drawn(settings)],
    )


def _row(s: Setting, bound: int) -> Record:
    return record(
        leak=s.leak,
        radius=s.radius,
        capacity=s.capacity,
        share=s.capacity / bound,
        longest_recalled=longest_recalled(s),
        forgets=s.forgets,
    )


def _of_leak(leak: float, settings: list[Setting]) -> Record:
    best = max((s for s in settings if s.leak == leak), key=lambda s: s.capacity)
    return record(leak=leak, best_radius=best.radius, best_capacity=best.capacity)


def longest_recalled(s: Setting) -> int:
    """The last delay before the first whose mean r² is under `RECALLED`; −1 if delay 0 is."""
    lost = np.flatnonzero(s.r2.mean(axis=0) < RECALLED)
    return int(lost[0]) - 1 if len(lost) else s.r2.shape[1] - 1


def drawn(settings: list[Setting]) -> list[Setting]:
    """Those whose recall is drawn delay by delay: the best, and of its leak the two ends."""
    best = max(settings, key=lambda s: s.capacity)
    own = sorted((s for s in settings if s.leak == best.leak), key=lambda s: s.radius)
    ends = [s for s in (own[0], own[-1]) if s is not best]
    return sorted([best, *ends], key=lambda s: s.radius)


def draw(settings: list[Setting], line: NDArray, config: dict):
    """Left: r² by delay. Right: the capacity against the spectral radius, under the bound."""
    figure, (left, right) = figures.new("wide", 64.0, ncols=2, width_ratios=(1.0, 1.15))
    _draw_recall(left, drawn(settings), line, config)
    bound = min(config["units"], config["delays"] + 1)
    right.axhline(bound, color=figures.GREY, linewidth=0.9)
    right.annotate(
        f"bound: {bound}", (1, bound), (0, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", color=figures.GREY, fontsize=7,
    )  # fmt: skip
    cool = figures.LinearSegmentedColormap.from_list("cool", [figures.ACCENT, "#8FBAD3"])
    leaks = config["leaks"]
    for place, leak in enumerate(leaks):
        own = sorted((s for s in settings if s.leak == leak), key=lambda s: s.radius)
        colour = cool(place / max(len(leaks) - 1, 1))
        radii = [s.radius for s in own]
        right.vlines(
            radii, [s.capacities.min() for s in own], [s.capacities.max() for s in own],
            color=colour, linewidth=0.8,
        )  # fmt: skip
        right.plot(
            radii, [s.capacity for s in own], color=colour, zorder=2,
            label=f"leaking rate {leak:g}" + (", no leak" if leak == 1 else ""),
        )  # fmt: skip
        for s in own:
            face = colour if s.forgets else "white"
            right.plot(s.radius, s.capacity, "o", color=colour, mfc=face, mew=0.8, zorder=3)
    right.legend(loc="upper left", bbox_to_anchor=(0.01, 0.87), borderaxespad=0, labelspacing=0.3)
    right.set(title="Memory capacity", xlabel="spectral radius", ylim=(0, bound * 1.12))
    return figure


def _draw_recall(axes, shown: list[Setting], line: NDArray, config: dict) -> None:
    delays = np.arange(config["delays"] + 1)
    axes.plot(delays, line, color=figures.GREY, linewidth=0.9)
    axes.annotate(
        "delay line", (min(config["units"], len(delays)) - 1, 1.0), (0, 3),
        textcoords="offset points", ha="right", color=figures.GREY, fontsize=7,
    )  # fmt: skip
    for s, colour in zip(shown, ["#8FBAD3", figures.ACCENT, figures.WARM], strict=False):
        label = f"radius {s.radius:g}: {s.capacity:.1f}"
        axes.plot(delays, s.r2.mean(axis=0), color=colour, label=label)
    axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.87), borderaxespad=0, labelspacing=0.3)
    axes.set(
        title="Squared correlation with the input so long ago",
        xlabel="delay, in steps",
        xlim=(0, config["delays"]),
        ylim=(0, 1.12),
        yticks=[0, 0.5, 1],
    )


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    own = config["echo_state"]
    check(own)
    grid = [(leak, radius) for leak in own["leaks"] for radius in own["spectral_radii"]]
    signal, *generators = np.random.default_rng(own["seed"]).spawn(1 + len(grid))
    u = signal.uniform(-1, 1, past(own) + own["steps"])
    settings = [
        measured_setting(leak, radius, u, own, generator)
        for (leak, radius), generator in track(
            list(zip(grid, generators, strict=True)), "reservoir settings"
        )
    ]
    line = remember(esn.delay_line(own["units"]), u, own)
    measurements.write(outputs.measurements, measure(settings, line, own))
    figures.save(draw(settings, line, own), outputs.figure)
