"""Follow the gradients of untrained recurrent networks back through time, lag by lag."""

import itertools
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from analysis.maths import gradient_lags as lags
from analysis.maths import recurrent_cells as cells
from analysis.maths.bounds import hold, upward, upward_significant
from workings import explore, figures, measurements
from workings.derive.recurrence import RecurrenceError
from workings.measurements import Record, record
from workings.messages import InputError, track

EXPLODED = 100.0
CONFIDENCE = 0.95  # of the interval around a rate
AGREED = 1e-10  # largest relative difference from autograd
FLOOR = 1e-12  # the figure shows nothing smaller
DASHES = ["-", (0, (5, 1.5)), (0, (6, 1.5, 1.5, 1.5)), (0, (2.5, 1.2))]  # dots are predictions


@dataclass(frozen=True)
class Setting:
    """One kind of cell with the spectral radius of its W and the bias of the gate that keeps."""

    kind: str
    gain: float
    bias: float | None = None

    @property
    def name(self) -> str:
        if self.bias is None:
            return f"vanilla, gain {self.gain:g}"
        return f"{self.kind}, bias {self.bias:g}"


@dataclass(frozen=True)
class Followed:
    """One setting, over several random networks and sequences."""

    curve: NDArray  # ‖dL/dh_k‖ by lag over that at lag 0, geometric mean
    log_rates: NDArray  # of the factor per step, one a network
    shares: dict[str, NDArray]  # W, U, b -> by lag, mean
    predicted: float  # the spectral radius of a step's Jacobian at rest, mean over networks
    slope: float  # root mean square of 1 − h²
    off_gradient: float  # the largest difference from autograd, relative
    off_state: float  # the largest difference of one step's state from torch's cell


def settings_of(config: dict) -> list[Setting]:
    """Every setting that is followed, in the order of the figure."""
    return [
        *(Setting("vanilla", gain) for gain in config["gains"]),
        *(
            Setting(kind, config["gated_gain"], bias)
            for kind in ("LSTM", "GRU")
            for bias in config["biases"]
        ),
    ]


def follow(setting: Setting, config: dict, generator: np.random.Generator) -> Followed:
    """Drive random networks with random sequences and follow the gradient back.

    Each sequence is white noise of unit variance, twice `length` long: the first half brings the
    state from rest into its usual range, the gradient is followed through the second.

    Raises:
        InputError: the gradient leaves the range of floating point before a rate can be fitted.
    """
    T, kind = config["length"], setting.kind
    runs, strengths, predicted, slopes, off = [], [], [], [], []
    for _ in range(config["networks"]):
        parameters = cells.draw(
            kind, config["hidden"], config["inputs"], config["outputs"],
            setting.gain, setting.bias or 0.0, config["drive"], generator,
        )  # fmt: skip
        predicted.append(cells.radius_at_rest(kind, parameters))
        own = []
        for _ in range(config["sequences"]):
            x = generator.standard_normal((2 * T, config["inputs"]))
            target = int(generator.integers(config["outputs"]))
            cell = cells.recurrence(kind, parameters, x, target)
            try:
                run = cell.forward()
            except RecurrenceError as error:
                raise InputError(str(error), key="gradient_lags.drive") from None
            gradients = cell.reverse(run)
            own.append(lags.follow_back(cell, run, gradients, T))
            slopes.append(float(((1 - run["h"][T:] ** 2) ** 2).mean()))
        strengths.append(np.stack([followed.strength for followed in own]))  # (sequences, T)
        runs += own
        # The last sequence of each network is held against autograd.
        late = {name: value[T:] for name, value in run.values.items()}
        off.append(_off(kind, parameters, x[T:], target, late, own[-1]))
    whole = lags.usable(np.concatenate(strengths))
    try:
        log_rates = [lags.log_rate(s[:, :whole], fitted_from(config)) for s in strengths]
    except ValueError:
        raise InputError(
            f"for {setting.name} the gradient leaves the range of floating point after {whole} of "
            f"{T} steps, too few to fit a rate; a smaller 'length', gains nearer to 1 or a smaller drive are right",
            key="gradient_lags.length",
        ) from None
    logs = np.log(np.concatenate(strengths)[:, :whole])  # (networks · sequences, lags)
    return Followed(
        curve=np.exp((logs - logs[:, :1]).mean(axis=0)),
        log_rates=np.array(log_rates),
        shares={
            letter: np.mean([lags.shares(run.terms[letter][:whole]) for run in runs], axis=0)
            for letter in lags.LETTERS
        },
        predicted=float(np.mean(predicted)),
        slope=float(np.sqrt(np.mean(slopes))),
        off_gradient=max(gradient for gradient, _ in off),
        off_state=max(state for _, state in off),
    )


def _off(
    kind: str, parameters: dict, x: NDArray, target: int, values: dict, found: lags.Lags
) -> tuple[float, float]:
    """How far the lag curve is from torch's autograd, relative at each lag; and the states."""
    dh, moved = cells.by_autograd(kind, parameters, x, target, values)
    expected = dh[::-1]  # (T, n), lag 0 first
    size = np.linalg.norm(expected, axis=1)
    apart = np.linalg.norm(found.dh - expected, axis=1)
    # Where floating point has no room for the squares within a norm, nothing is compared.
    inside = size > 1e-140
    return float((apart[inside] / size[inside]).max()), moved


def fitted_from(config: dict) -> int:
    """The lag from which on the rate is fitted: the first quarter still depends on V."""
    return config["length"] // 4


def measure(settings: list[Setting], followed: list[Followed], config: dict) -> Record:
    """Rates with their intervals, and where each weight's gradient comes from."""
    rows = [_row(setting, f) for setting, f in zip(settings, followed, strict=True)]
    vanilla = [row for row in rows if row["kind"] == "vanilla"]
    gated = [row for row in rows if row["kind"] != "vanilla"]
    calm = [row for row in rows if not row["explodes"]]
    # The vanilla cell of the same gain, or of the nearest one, is the gated cells' peer.
    peer = min(vanilla, key=lambda row: abs(row["gain"] - config["gated_gain"]))
    better = [row for row in gated if abs(np.log(row["rate"])) < abs(np.log(peer["rate"]))]
    return record(
        fitted_from=fitted_from(config),
        confidence=CONFIDENCE,
        vanished_below=lags.VANISHED,
        exploded_above=EXPLODED,
        settings=rows,
        vanilla_vanishing=[row["gain"] for row in vanilla if row["vanishes"]],
        vanilla_exploding=[row["gain"] for row in vanilla if row["explodes"]],
        vanilla_that_vanish_or_explode=sum(r["vanishes"] or r["explodes"] for r in vanilla),
        least_w_earlier=min(row["w_earlier"] for row in rows),
        largest_w_earlier=upward(max(row["w_earlier"] for row in rows), 2),
        largest_gap_to_w=upward(
            max(
                abs(row[f"{letter}_earlier"] - row["w_earlier"]) for row in rows for letter in "ub"
            ),
            2,
        ),
        rates_below_prediction=sum(row["rate"] < row["predicted"] for row in rows),
        predictions_inside=sum(row["predicted_inside"] for row in rows),
        farthest_from_prediction=max(rows, key=_from_prediction),
        nearest_to_prediction=min(rows, key=_from_prediction),
        largest_error_with_slope=upward(
            max(abs(r["gain_times_slope"] / r["rate"] - 1) for r in vanilla), 2
        ),
        peer_gain=peer["gain"],
        peer_rate=peer["rate"],
        gated=len(gated),
        gated_better=len(better),
        gated_vanishing=sum(row["vanishes"] for row in gated),
        keeps_most=max(calm, key=lambda row: row["left"], default=None),
        gated_keeps_most=max(gated, key=lambda row: row["left"]),
        best_gated=min(gated, key=lambda row: abs(np.log(row["rate"]))),
        off_gradient=upward_significant(max(f.off_gradient for f in followed), 1),
        off_state=upward_significant(max(f.off_state for f in followed), 1),
        agreed_below=AGREED,
        compared=len(settings) * config["networks"],
    )


def _from_prediction(row: Record) -> float:
    return abs(np.log(row["rate"] / row["predicted"]))


def _row(setting: Setting, f: Followed) -> Record:
    low, high = np.exp(lags.mean_interval(f.log_rates, CONFIDENCE))
    left = float(f.curve[-1])
    earlier = {letter: float(share[1:].sum()) for letter, share in f.shares.items()}
    return record(
        name=setting.name,
        kind=setting.kind,
        gain=setting.gain,
        bias=setting.bias,
        predicted=f.predicted,
        rate=np.exp(f.log_rates.mean()),
        rate_low=low,
        rate_high=high,
        predicted_inside=low <= f.predicted <= high,
        gain_times_slope=setting.gain * f.slope,
        left=left,
        powers_of_ten=np.log10(left),
        farthest_lag=len(f.curve) - 1,
        vanishes=left < lags.VANISHED,
        explodes=left > EXPLODED,
        w_earlier=earlier["W"],
        u_earlier=earlier["U"],
        b_earlier=earlier["b"],
        # The smallest number of last steps that give half of dL/dW.
        steps_with_half_of_w=np.searchsorted(np.cumsum(f.shares["W"]), 0.5) + 1,
    )


def draw(settings: list[Setting], followed: list[Followed], config: dict):
    """A row for each kind of cell; columns: the state's gradient, and the share of each lag in W."""
    figure, panels = figures.new("wide", 96.0, nrows=3, ncols=2, sharex=True, sharey="col")
    curves = [[f.curve, f.shares["W"]] for f in followed]
    lowest = [max(FLOOR, min(c[column].min() for c in curves) / 3) for column in range(2)]
    highest = [max(3.0, max(f.curve.max() for f in followed) * 3), 3.0]
    for row, kind in enumerate(cells.CELLS):
        own = [place for place, setting in enumerate(settings) if setting.kind == kind]
        looks = list(zip(own, shades(len(own)), itertools.cycle(DASHES)))
        for column, axes in enumerate(panels[row]):
            axes.set(yscale="log", ylim=(lowest[column], highest[column]))
            for place, colour, dashes in looks:
                curve, setting = curves[place][column], settings[place]
                name = "gain" if setting.bias is None else "bias"
                value = setting.gain if setting.bias is None else setting.bias
                axes.plot(
                    np.arange(len(curve)), curve, color=colour, linestyle=dashes,
                    label=f"{name} {value:g}",
                )  # fmt: skip
                if column == 0:
                    _dotted(axes, followed[place].predicted, len(curve), colour)
        panels[row, 1].plot(0, 1, "s", ms=3, color=figures.GREY, clip_on=False, mew=0)
        panels[row, 0].set_ylabel("relative to lag 0")
        panels[row, 1].set_ylabel("share of all lags")
        panels[row, 1].legend(
            loc="center left", bbox_to_anchor=(1.02, 0.5), title=kind, title_fontsize=8,
            alignment="left", borderpad=0, labelspacing=0.35, handlelength=2.6,
        )  # fmt: skip
    panels[0, 0].set_title("Gradient of the state", pad=6)
    panels[0, 1].set_title("Share in the gradient of $W$", pad=6)
    panels[0, 1].annotate(
        "$V$", (0, 1), (5, 0), textcoords="offset points", va="center", fontsize=7,
        color=figures.GREY,
    )  # fmt: skip
    for axes in panels[-1]:
        axes.set(xlabel="lag, in steps", xlim=(0, config["length"] - 1))
    return figure


def _dotted(axes, radius: float, length: int, colour) -> None:
    """The spectral radius to the power of the lag, as far as the panel reaches."""
    at = np.arange(length)
    low, high = np.log(axes.get_ylim())
    inside = (at * np.log(radius) > low) & (at * np.log(radius) < high)
    axes.plot(at[inside], radius ** at[inside], ":", color=colour, linewidth=0.9)


def shades(n: int) -> list:
    """The accent from light to full, and its warm counterpart for the last of more than two."""
    cool = figures.LinearSegmentedColormap.from_list("cool", ["#8FBAD3", figures.ACCENT])
    steps = max(n - 1 if n > 2 else n, 1)
    colours = [cool(i / max(steps - 1, 1)) for i in range(steps)] if n > 1 else [figures.ACCENT]
    return [*colours, figures.WARM] if n > 2 else colours


def to_explore(settings: list[Setting], followed: list[Followed]) -> dict:
    """The gradient of the state at each lag, for each cell."""
    lines = [
        {
            "cell": setting.kind,
            "name": f"gain {setting.gain:g}" if setting.bias is None else f"bias {setting.bias:g}",
            "x": np.arange(len(found.curve)),
            "y": np.maximum(found.curve, FLOOR),
        }
        for setting, found in zip(settings, followed, strict=True)
    ]
    y = "gradient relative to lag 0"
    return explore.curves(lines, ["cell"], x="lag, in steps", y=y, logarithmic=True)


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    own = config["gradient_lags"]
    # Each step's own term in dL/dW and dL/dU, of the LSTM's four gates.
    terms = 4 * own["hidden"] * (own["hidden"] + own["inputs"])
    hold(2 * own["length"] * terms, own["length"], "gradient_lags.length")
    settings = settings_of(own)
    generators = np.random.default_rng(own["seed"]).spawn(len(settings))
    followed = [
        follow(setting, own, generator)
        for setting, generator in track(
            list(zip(settings, generators, strict=True)), "kinds of recurrent cell"
        )
    ]
    measurements.write(outputs.measurements, measure(settings, followed, own))
    figures.save(draw(settings, followed, own), outputs.figure)
    explore.write(outputs.explore, to_explore(settings, followed))
