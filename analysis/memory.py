"""Follow gradients back through time, and fit an echo state network on recalling its input."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from analysis.maths import memory
from analysis.maths.memory import LSTM, Cell, Reservoir, Vanilla
from analysis.pipeline.errors import InputError
from analysis.reporting import figures, measurements
from analysis.reporting.progress import track

VANISHED = 0.01  # of the gradient at lag 0, left at the farthest lag
EXPLODED = 100.0
RECALLED = 0.5  # r², from which on a delay counts as recalled
AGREED = 1e-9  # largest relative difference between the two derivations of a gradient


@dataclass(frozen=True)
class Followed:
    """One kind of cell, over several random networks and sequences."""

    curve: NDArray  # ‖dL/dh_k‖ by lag over that at lag 0, geometric mean
    rates: NDArray  # the factor per step, one a network
    share_w: NDArray  # of dL/dW by lag, mean over networks
    share_u: NDArray
    factor: float  # root mean square of 1 − h² (vanilla), geometric mean of the forget gate (LSTM)
    disagreement: float  # between backward and complex-step gradients, relative, the largest


def vanilla(config: dict, gain: float, generator: np.random.Generator) -> Vanilla:
    """A vanilla cell whose W has the spectral radius `gain`."""
    n, m = config["hidden"], config["inputs"]
    return Vanilla(
        W=memory.random_square(n, gain, generator),
        U=generator.standard_normal((n, m)) * config["drive"] / np.sqrt(m),
        b=np.zeros(n),
        V=generator.standard_normal((config["outputs"], n)) / np.sqrt(n),
        c=np.zeros(config["outputs"]),
    )


def lstm(config: dict, gain: float, forget_bias: float, generator: np.random.Generator) -> LSTM:
    """An LSTM each of whose four W has the spectral radius `gain`."""
    n, m = config["hidden"], config["inputs"]
    return LSTM(
        W=np.concatenate([memory.random_square(n, gain, generator) for _ in "ifgo"]),  # (4n, n)
        U=generator.standard_normal((4 * n, m)) * config["drive"] / np.sqrt(m),
        b=np.repeat([0.0, forget_bias, 0.0, 0.0], n),
        V=generator.standard_normal((config["outputs"], n)) / np.sqrt(n),
        c=np.zeros(config["outputs"]),
    )


def follow(cells: list[Cell], config: dict, generator: np.random.Generator) -> Followed:
    """Drive each of `cells` with random sequences and follow the gradient back.

    Each sequence is white noise of unit variance, twice `length` long: the first half brings the
    state from rest into its usual range, the gradient is followed through the second.

    Raises:
        InputError: the gradient leaves the range of floating point before a rate can be fitted.
    """
    T, B = config["length"], config["sequences"]
    runs, strengths, factors = [], [], []
    for cell in cells:
        x = generator.standard_normal((2 * T, B, config["inputs"]))
        target = generator.integers(0, config["outputs"], B)
        start = cell.rest(B)
        for x_t in x[:T]:
            start = cell.step(start, x_t)
        runs.append(memory.follow_back(cell, x[T:], target, start))
        strengths.append(runs[-1].strength())  # (T, B)
        factors.append(_factor(cell, x[T:], start))
    whole = min(memory.usable(strength) for strength in strengths)
    try:
        rates = [memory.rate_per_step(s[:whole], fitted_from(config)) for s in strengths]
    except ValueError:
        raise InputError(
            f"at this setting the gradient leaves the range of floating point after {whole} of "
            f"{T} steps, too few to fit a rate; a smaller 'length', gains nearer to 1 or a smaller drive are right",
            key="memory.length",
        ) from None
    logs = np.log(np.stack(strengths)[:, :whole])  # (networks, lags, B)
    return Followed(
        curve=np.exp((logs - logs[:, :1]).mean(axis=(0, 2))),
        rates=np.array(rates),
        share_w=np.mean([run.share("W", whole) for run in runs], axis=0),
        share_u=np.mean([run.share("U", whole) for run in runs], axis=0),
        factor=float(np.mean(factors)),
        # Two sequences of the last network do: the program is the same for all.
        disagreement=_disagreement(
            cell, x[T:, :2], target[:2], tuple(part[:2] for part in start), generator
        ),
    )


def fitted_from(config: dict) -> int:
    """The lag from which on the rate is fitted: the first quarter still depends on V."""
    return config["length"] // 4


def _disagreement(
    cell: Cell,
    x: NDArray,
    target: NDArray,
    start: memory.State,
    generator: np.random.Generator,
) -> float:
    lags = memory.follow_back(cell, x, target, start)
    return memory.disagreement(cell, x, target, start, lags, generator)


def _factor(cell: Cell, x: NDArray, start: memory.State) -> float:
    """What one step back multiplies by, W aside: tanh′ (vanilla); along c alone (LSTM)."""
    state, seen = start, []
    for x_t in x:
        if isinstance(cell, LSTM):
            seen.append(np.log(cell.gates(state, x_t)[1]).mean())
        state = cell.step(state, x_t)
        if isinstance(cell, Vanilla):
            seen.append((cell.slope(state) ** 2).mean())
    mean = float(np.mean(seen))
    return float(np.exp(mean) if isinstance(cell, LSTM) else np.sqrt(mean))


@dataclass(frozen=True)
class Recalled:
    """The echo state network and the delay line of its size, on the same signal."""

    network: NDArray  # r² by delay, from 0 on
    delay_line: NDArray
    starting_state_left: float  # of the distance between two starting states, after the wash-out
    judged: int  # steps on which r² was computed


def fit_echo_state_network(config: dict, generator: np.random.Generator) -> Recalled:
    """Fit V alone on recalling white noise, uniform in −1…1, at every delay; judge on new steps.

    Raises:
        InputError: the states do not determine V and there is no ridge.
    """
    n, washout = config["reservoir"], max(config["washout"], config["delays"])
    u = generator.uniform(-1, 1, washout + config["steps"])
    reservoir = Reservoir(
        W=memory.random_square(n, config["spectral_radius"], generator),
        U=generator.uniform(-1, 1, n) * config["input_scaling"],
        leak=config["leak"],
    )
    fitted = config["steps"] // 2
    delays = range(config["delays"] + 1)

    def r2(driven: Reservoir) -> NDArray:
        return memory.recall(driven.run(u)[washout:], u, delays, fitted, config["ridge"])

    elsewhere = generator.uniform(-1, 1, n)
    apart = reservoir.run(u[:washout], start=elsewhere)[-1] - reservoir.run(u[:washout])[-1]
    try:
        return Recalled(
            network=r2(reservoir),
            delay_line=r2(memory.delay_line(n)),
            starting_state_left=float(np.linalg.norm(apart) / np.linalg.norm(elsewhere)),
            judged=config["steps"] - fitted,
        )
    except ValueError as error:
        raise InputError(str(error), key="memory.ridge") from None


def measure(
    vanillas: list[Followed], lstms: list[list[Followed]], recalled: Recalled, config: dict
) -> dict:
    """The three answers in numbers. `lstms[i][j]` has the gain i and the forget bias j."""
    gains = [
        _of_gain(gain, plain, gated, config)
        for gain, plain, gated in zip(config["gains"], vanillas, lstms, strict=True)
    ]
    worst = max(f.disagreement for f in chain(vanillas, *lstms))
    errors = [abs(g["radius_times_slope"] / g["rate"] - 1) for g in gains]
    return {
        **{key: config[key] for key in config if key not in ("gains", "forget_biases", "seed")},
        "seed": config["seed"],
        "fitted_from": fitted_from(config),
        "disagreement": worst,
        "derivations_agree": worst < AGREED,
        "vanished_below": VANISHED,
        "exploded_above": EXPLODED,
        "gains": gains,
        "gain_values": config["gains"],
        "vanishing_gains": [g["gain"] for g in gains if g["vanishes"]],
        "exploding_gains": [g["gain"] for g in gains if g["explodes"]],
        "recurrent_weights_are_hard": any(g["vanishes"] or g["explodes"] for g in gains),
        "largest_error_with_slope": max(errors),
        "smallest_error_with_slope": min(errors),
        "rates_below_spectral_radius": all(g["rate"] < g["gain"] for g in gains),
        "least_share_of_w_from_earlier_steps": min(g["w_earlier"] for g in gains),
        "largest_share_of_w_from_earlier_steps": max(g["w_earlier"] for g in gains),
        "gates": _gates(gains, config["forget_biases"]),
        "recall": _recall(recalled, config),
    }


def _of_gain(gain: float, plain: Followed, gated: list[Followed], config: dict) -> dict:
    left = float(plain.curve[-1])
    return {
        "gain": gain,
        **_rates(plain),
        "rms_slope": plain.factor,
        "radius_times_slope": gain * plain.factor,
        "left": left,
        "powers_of_ten": float(np.log10(left)),
        "farthest_lag": len(plain.curve) - 1,
        "vanishes": left < VANISHED,
        "explodes": left > EXPLODED,
        "w_earlier": float(plain.share_w[1:].sum()),
        "u_earlier": float(plain.share_u[1:].sum()),
        # The smallest number of last steps that give half of dL/dW.
        "steps_with_half_of_w": int(np.searchsorted(np.cumsum(plain.share_w), 0.5)) + 1,
        "lstm": [
            {
                "forget_bias": bias,
                **_rates(f),
                "forget_gate": f.factor,
                "powers_of_ten": float(np.log10(f.curve[-1])),
                "nearer_one_than_vanilla": _from_one(f) < _from_one(plain),
            }
            for bias, f in zip(config["forget_biases"], gated, strict=True)
        ],
    }


def _rates(f: Followed) -> dict:
    return {
        "rate": float(np.exp(np.log(f.rates).mean())),
        "lowest_rate": float(f.rates.min()),
        "highest_rate": float(f.rates.max()),
    }


def _from_one(f: Followed) -> float:
    return abs(float(np.log(f.rates).mean()))


def _gates(gains: list[dict], biases: list[float]) -> dict:
    """Where the LSTM keeps more of the gradient than the vanilla cell that loses it."""
    vanishing = [g for g in gains if g["vanishes"]]
    relieved = [
        sum(g["lstm"][j]["nearer_one_than_vanilla"] for g in vanishing) for j in range(len(biases))
    ]
    all_relieved = [b for b, count in zip(biases, relieved, strict=True) if count == len(vanishing)]
    rates = np.array([[f["rate"] for f in g["lstm"]] for g in gains])  # (gains, biases)
    return {
        "vanishing": len(vanishing),
        "relieved": [
            {"forget_bias": bias, "count": count}
            for bias, count in zip(biases, relieved, strict=True)
        ],
        "relieve_somewhere": any(relieved),
        "relieve_everywhere": bool(vanishing and all_relieved),
        "smallest_bias_that_relieves_everywhere": min(all_relieved)
        if vanishing and all_relieved
        else None,
        "last_bias_is_nearer_one": bool(
            (np.abs(np.log(rates[:, -1])) < np.abs(np.log(rates[:, 0]))).all()
        ),
        "farthest_from_one_at_the_last_bias": float(
            rates[np.abs(np.log(rates[:, -1])).argmax(), -1]
        ),
        "lowest_rate_at_the_first_bias": float(rates[:, 0].min()),
        "whole_cell_above_gate": all(
            f["rate"] > f["forget_gate"] for g in gains for f in g["lstm"]
        ),
        # The table of the rates by bias and gain has room for the gates of three gains.
        "gate_has_room": len(gains) <= 3,
        "alignment": "r" * (1 + len(gains) * (2 if len(gains) <= 3 else 1)),
        "first_bias": biases[0],
        "last_bias": biases[-1],
    }


def _recall(recalled: Recalled, config: dict) -> dict:
    n = config["reservoir"]
    kept = _kept(recalled.network)
    capacity = memory.capacity(recalled.network)
    return {
        "trained": n + 1,  # V and c of one readout
        "fixed": n * n + n,  # W and U
        "capacity": capacity,
        "bound": min(n, config["delays"] + 1),
        "capacity_share": capacity / min(n, config["delays"] + 1),
        "delay_line_capacity": memory.capacity(recalled.delay_line),
        "recalled_from": RECALLED,
        "recalls_anything": kept > 0,
        "trains_v_only_and_recalls": kept > 1,
        "recalls_every_delay": kept == len(recalled.network),
        "longest_delay_recalled": kept - 1,
        "r2_at_delay_one": float(recalled.network[1]),
        "r2_by_chance": 1 / recalled.judged,
        "judged": recalled.judged,
        "washout_run": max(config["washout"], config["delays"]),
        "starting_state_left": recalled.starting_state_left,
        "forgets_its_start": recalled.starting_state_left < VANISHED,
    }


def _kept(r2: NDArray) -> int:
    """How many delays, from 0 on, are recalled before the first that is not."""
    lost = np.flatnonzero(r2 < RECALLED)
    return int(lost[0]) if len(lost) else len(r2)


def draw(vanillas: list[Followed], lstms: list[list[Followed]], config: dict):
    """One panel a gain with the lag curves, and one with the rate against the forget bias."""
    gains, biases = config["gains"], config["forget_biases"]
    columns = min(len(gains) + 1, 4)
    rows = -(-(len(gains) + 1) // columns)
    figure, panels = figures.new("wide", 58.0 * rows, nrows=rows, ncols=columns, squeeze=False)
    panels = list(panels.flat)
    drawn = [
        [plain.curve, *(f.curve for f in gated[:2])]
        for plain, gated in zip(vanillas, lstms, strict=True)
    ]
    low = min(curve.min() for curves in drawn for curve in curves)
    high = max(curve.max() for curves in drawn for curve in curves)
    names = ["vanilla", *(f"LSTM, bias {bias:g}" for bias in biases[:2])]
    colours = [figures.WARM, "#6FA3C4", figures.ACCENT]
    for place, (axes, gain, curves) in enumerate(zip(panels, gains, drawn, strict=False)):
        lags = np.arange(config["length"])
        axes.axhline(1, color="#C9CED6", linewidth=0.6)
        with np.errstate(over="ignore", under="ignore"):
            predicted = np.float64(gain) ** lags
        inside = (predicted > low / 30) & (predicted < high * 30)
        axes.plot(lags[inside], predicted[inside], ":", color=figures.GREY, linewidth=0.9)
        for curve, colour in zip(curves, colours, strict=False):
            axes.semilogy(np.arange(len(curve)), curve, color=colour)
        axes.set(title=f"Gain {gain:g}", xlabel="lag, in steps", ylim=(low / 10, high * 10))
        axes.set_xlim(0, config["length"] - 1)
        if place % columns:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("gradient, relative to lag 0")
    _label_curves(panels[0], drawn[0], names, colours)
    _draw_rates(panels[len(gains)], vanillas, lstms, gains, biases)
    for axes in panels[len(gains) + 1 :]:
        axes.axis("off")
    return figure


def _label_curves(axes, curves, names, colours) -> None:
    """A list of the names in the colours of the curves, lowest left, where falling curves are not."""
    for i, (_, name, colour) in enumerate(zip(curves, names, colours, strict=False)):
        axes.text(0.05, 0.31 - 0.085 * i, name, color=colour, transform=axes.transAxes, fontsize=7)
    axes.text(
        0.05, 0.055, "spectral radius", color=figures.GREY, transform=axes.transAxes, fontsize=7
    )


def _draw_rates(axes, vanillas, lstms, gains, biases) -> None:
    axes.axhline(1, color="#C9CED6", linewidth=0.6)
    apart = (max(biases) - min(biases)) * 0.28 or 1.0
    vanilla_at = min(biases) - apart
    bias = np.linspace(min(biases), max(biases), 100)
    axes.plot(bias, 1 / (1 + np.exp(-bias)), ":", color=figures.GREY, linewidth=0.9)
    for gain, plain, gated in zip(gains, vanillas, lstms, strict=True):
        rates = [np.exp(np.log(f.rates).mean()) for f in gated]
        axes.plot(biases, rates, "o-", ms=2.5, linewidth=0.9, color=figures.ACCENT)
        axes.annotate(
            f"{gain:g}", (min(biases), rates[int(np.argmin(biases))]), (-4, 0), textcoords="offset points",
            ha="right", va="center", fontsize=7, color=figures.ACCENT,
        )  # fmt: skip
        rate = np.exp(np.log(plain.rates).mean())
        axes.plot(vanilla_at, rate, "o", ms=3, color=figures.WARM)
        axes.annotate(
            f"{gain:g}", (vanilla_at, rate), (-4, 0), textcoords="offset points",
            ha="right", va="center", fontsize=7, color=figures.WARM,
        )  # fmt: skip
    axes.set(
        title="Factor per step",
        xlabel="forget bias of the LSTM",
        xticks=[vanilla_at, *biases],
        xticklabels=["vanilla", *(f"{b:g}" for b in biases)],
        xlim=(vanilla_at - apart * 0.9, max(biases) + apart * 0.2),
    )


def draw_recall(recalled: Recalled, config: dict):
    """r² against the delay: the echo state network under the bound that the delay line reaches."""
    figure, axes = figures.new("text", 52.0)
    delays = np.arange(len(recalled.network))
    axes.fill_between(delays, recalled.network, color=figures.ACCENT, alpha=0.14, linewidth=0)
    axes.plot(delays, recalled.delay_line, color=figures.GREY, linewidth=0.9)
    axes.plot(delays, recalled.network, color=figures.ACCENT)
    end = min(config["reservoir"], len(delays)) - 1  # the delay line's last unit
    fall = _kept(recalled.network)
    axes.annotate(
        f"delay line of {config['reservoir']} units: {memory.capacity(recalled.delay_line):.1f}",
        (end, 1.0), (0, 4), textcoords="offset points", ha="right", color=figures.GREY, fontsize=7,
    )  # fmt: skip
    axes.annotate(
        f"echo state network: {memory.capacity(recalled.network):.1f}",
        (max(fall, 1), 0.5), (6, 0), textcoords="offset points", va="center",
        color=figures.ACCENT, fontsize=7,
    )  # fmt: skip
    axes.set(
        xlabel="delay, in steps",
        ylabel="squared correlation",
        xlim=(0, config["delays"]),
        ylim=(0, 1.12),
        yticks=[0, 0.5, 1],
    )
    return figure


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    own = config["memory"]
    gradients, signals = np.random.default_rng(own["seed"]).spawn(2)
    networks = range(own["networks"])
    vanillas, lstms = [], []
    for gain in track(own["gains"], "recurrent gains"):
        vanillas.append(follow([vanilla(own, gain, gradients) for _ in networks], own, gradients))
        lstms.append(
            [
                follow([lstm(own, gain, bias, gradients) for _ in networks], own, gradients)
                for bias in own["forget_biases"]
            ]
        )
    recalled = fit_echo_state_network(own, signals)
    measurements.write(outputs.measurements, measure(vanillas, lstms, recalled, own))
    figures.save(draw(vanillas, lstms, own), outputs.figure)
    figures.save(draw_recall(recalled, own), outputs.recall)
