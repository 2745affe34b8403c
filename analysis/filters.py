"""Draw the filters of the three convolutions and measure how their weight is spread."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from safetensors.numpy import load_file

from analysis import drawing
from analysis.data import storage
from workings import figures, measurements
from workings.measurements import Record, record

NORMS_PRINTED = 64  # filters of the first layer, at most, that have room for a number
NEAR_ZERO = 0.1  # of the layer's root mean square
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # that a colour bar can end at


@dataclass(frozen=True)
class Drawn:
    """The channels of one layer that are drawn, in rising order, and the scale of their colours."""

    outputs: np.ndarray
    inputs: np.ndarray
    scale: float


def convolutions(weights: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The kernels W of the convolutions in order, each outputs × inputs × rows × columns.

    A stored name begins with the layer's place in the network, "3.weight".
    """
    kernels = [(int(name.split(".")[0]), w) for name, w in weights.items() if w.ndim == 4]
    return [w for _, w in sorted(kernels, key=lambda pair: pair[0])]


def largest(norms: np.ndarray, count: int) -> np.ndarray:
    """Which `count` channels have the largest norm (all, if there are fewer), in rising order."""
    return np.sort(np.argsort(-norms, kind="stable")[:count])


def rounded_up(value: float) -> float:
    """The smallest round number (1, 1.5, 2, … times a power of ten) that is at least `value`."""
    if value == 0:
        return 1.0
    power = math.floor(math.log10(value))
    # Scaled as text, since 3 · 0.1 is not 0.3.
    choices = (float(f"{step}e{power}") for step in SCALES)
    return next(choice for choice in choices if choice >= value)


def share_of_mean(kernels: np.ndarray) -> float:
    """The part of the squared weight that is each kernel's own mean, 0 … 1.

        Σ n w̄² / Σ w²,     w̄ the mean of a kernel's n weights

    The mean answers to even paper, the rest only to change; independent weights of mean 0 have 1/n.
    """
    total = float((kernels**2).sum())
    means = kernels.mean(axis=(2, 3))  # (outputs, inputs)
    return float(kernels[0, 0].size * (means**2).sum() / total) if total else 0.0


def share_near_zero(kernels: np.ndarray) -> float:
    """The share of the weights that are below `NEAR_ZERO` of their root mean square."""
    w = kernels.astype(np.float64)
    return float((np.abs(w) < NEAR_ZERO * np.sqrt((w**2).mean())).mean())


def choose(kernels: np.ndarray, outputs_shown: int, inputs_shown: int) -> Drawn:
    """The output and the input channels with the largest norms, and a round scale for them."""
    outputs = largest(np.sqrt((kernels**2).sum(axis=(1, 2, 3))), outputs_shown)
    inputs = largest(np.sqrt((kernels**2).sum(axis=(0, 2, 3))), inputs_shown)
    shown = kernels[np.ix_(outputs, inputs)]
    return Drawn(outputs, inputs, rounded_up(float(np.abs(shown).max())))


def measure_layer(kernels: np.ndarray, drawn: Drawn) -> Record:
    """One layer in numbers: the norm of each filter, the weights near zero, the part drawn."""
    w = kernels.astype(np.float64)
    norms = np.sqrt((w**2).sum(axis=(1, 2, 3)))  # (outputs,)
    rms = np.sqrt((w**2).mean())
    shown = w[np.ix_(drawn.outputs, drawn.inputs)]
    return record(
        outputs=w.shape[0],
        inputs=w.shape[1],
        kernel=w.shape[2],
        weights=w.size,
        smallest_norm=norms.min(),
        median_norm=np.median(norms),
        largest_norm=norms.max(),
        root_mean_square=rms,
        largest_weight=np.abs(w).max(),
        share_negative=(w < 0).mean(),
        share_near_zero=share_near_zero(w),
        share_of_mean=share_of_mean(w),
        outputs_drawn=len(drawn.outputs),
        inputs_drawn=len(drawn.inputs),
        share_of_kernels_drawn=shown.size / w.size,
        share_of_squared_weight_drawn=(shown**2).sum() / (w**2).sum(),
        scale=drawn.scale,
    )


def measure(layers: list[np.ndarray], before: list[np.ndarray], drawn: list[Drawn]) -> Record:
    """Each layer's numbers, beside those of the same layer `before` its training."""
    each = [
        record(
            measure_layer(w, d),
            number=number,
            share_of_mean_before=share_of_mean(start),
            share_near_zero_before=share_near_zero(start),
        )
        for number, (w, start, d) in enumerate(zip(layers, before, drawn, strict=True), 1)
    ]
    return record(
        layers=each,
        norms_printed=len(layers[0]) <= NORMS_PRINTED,
        near_zero=NEAR_ZERO,
        layers_with_more_mean=[
            layer["number"]
            for layer in each
            if layer["share_of_mean"] > layer["share_of_mean_before"]
        ],
        largest_growth_near_zero=max(
            layer["share_near_zero"] / max(layer["share_near_zero_before"], 1 / layer["weights"])
            for layer in each
        ),
    )


def draw_first(kernels: np.ndarray, scale: float):
    """All filters of the first layer in the order of the channels; the norm under each of a few."""
    if len(kernels) > NORMS_PRINTED:
        return _draw_many(kernels[:, 0], scale)
    rows, columns = -(-len(kernels) // 8), 8
    norms = np.sqrt((kernels**2).sum(axis=(1, 2, 3)))
    figure, axes = figures.new("text", 8 + 15.0 * rows, nrows=rows, ncols=columns, squeeze=False)
    for panel in axes.flat[len(kernels) :]:
        panel.set_axis_off()
    for panel, kernel, norm in zip(axes.flat, kernels[:, 0], norms, strict=False):
        drawn = figures.signed(panel, kernel, scale)
        panel.set_xlabel(f"{norm:.2f}", fontsize=7, labelpad=1.5)
    _bar(figure, drawn, axes, scale)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.08, hspace=0.04)
    return figure


def _draw_many(kernels: np.ndarray, scale: float):
    """Kernels, C × k × k, as one picture of a text's width, 24 in a row."""
    rows = -(-len(kernels) // 24)
    figure, panel = figures.new("text", 6 + 4.2 * rows)
    picture = drawing.montage(drawing.in_rows(kernels, rows, 24))
    drawn = _signed_on_white(panel, picture, scale)
    panel.set_axis_off()
    _bar(figure, drawn, panel, scale)
    return figure


def draw_deep(layers: list[np.ndarray], drawn: list[Drawn]):
    """Kernels of the deeper layers, an output channel a column and an input channel a row."""
    # mm for a kernel, so that a row fits the width and all rows fit a page
    cell = min(8.4, *(134 / len(d.outputs) for d in drawn), 195 / sum(len(d.inputs) for d in drawn))
    heights = [4 + cell * len(d.inputs) for d in drawn]
    figure, panels = figures.new(
        "wide", sum(heights) + 12, nrows=len(layers), squeeze=False, height_ratios=heights
    )
    for place, (panel, kernels, d) in enumerate(zip(panels[:, 0], layers, drawn, strict=True)):
        picture = drawing.montage(kernels[np.ix_(d.outputs, d.inputs)].transpose(1, 0, 2, 3))
        image = _signed_on_white(panel, picture, d.scale)
        side = kernels.shape[2] + 1
        panel.set_xticks(side * np.arange(len(d.outputs)) + side / 2 - 1, d.outputs + 1)
        panel.set_yticks(side * np.arange(len(d.inputs)) + side / 2 - 1, d.inputs + 1)
        panel.tick_params(labelsize=7, pad=2)
        drawing.frameless(panel)
        panel.set_title(f"Layer {place + 2}")
        panel.set_ylabel("input channel")
        _bar(figure, image, panel, d.scale)
    panels[-1, 0].set_xlabel("output channel")
    return figure


def _signed_on_white(panel, picture: np.ndarray, scale: float):
    """Empty pixels are white paper: left transparent, some viewers draw a dark line beside them."""
    colours = figures.SIGNED.with_extremes(bad="white")
    return figures.pixels(panel, picture, cmap=colours, vmin=-scale, vmax=scale)


def _bar(figure, image, axes, scale: float) -> None:
    bar = figure.colorbar(image, ax=axes, aspect=22, fraction=0.03, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_ticks([-scale, 0, scale])
    bar.set_ticklabels([f"−{scale:g}", "0", f"+{scale:g}"])


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["filters"]
    layers = convolutions(load_file(inputs.model))
    first, *deep = layers
    drawn = [
        choose(first, len(first), first.shape[1]),
        *(choose(w, chosen["outputs_shown"], chosen["inputs_shown"]) for w in deep),
    ]
    untrained = storage.untrained_network(config["classifier"]).state_dict()
    before = convolutions({name: weight.numpy() for name, weight in untrained.items()})
    measurements.write(outputs.measurements, measure(layers, before, drawn))
    figures.save(draw_first(first, drawn[0].scale), outputs.figure)
    figures.save(draw_deep(deep, drawn[1:]), outputs.deep)
