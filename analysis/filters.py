"""Draw the filters of the three convolutions and what excites them; measure how their weight is spread."""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from safetensors.numpy import load_file

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.feature_maps import Answers, answers
from workings import figures, measurements
from workings.measurements import Record, record

NEAR_ZERO = 0.1  # of the layer's root mean square
STRONGEST = 10  # images of a channel, whose digits are compared
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # that a colour bar can end at


@dataclass(frozen=True)
class Drawn:
    """The kernels of one layer that are drawn, outputs × shown × k × k, and their colours' scale."""

    kernels: np.ndarray
    scale: float


def convolutions(weights: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The kernels W of the convolutions in order, each outputs × inputs × rows × columns.

    A stored name begins with the layer's place in the network, "3.weight".
    """
    kernels = [(int(name.split(".")[0]), w) for name, w in weights.items() if w.ndim == 4]
    return [w for _, w in sorted(kernels, key=lambda pair: pair[0])]


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


def choose(kernels: np.ndarray, shown: int) -> Drawn:
    """Of each output channel the kernels with the largest norms, and a round scale for all of them."""
    norms = np.sqrt((kernels**2).sum(axis=(2, 3)))  # (outputs, inputs)
    order = np.sort(np.argsort(-norms, axis=1, kind="stable")[:, :shown], axis=1)
    chosen = np.take_along_axis(kernels, order[:, :, None, None], axis=1)
    return Drawn(chosen, rounded_up(float(np.abs(chosen).max())))


def of_one_digit(found: Answers, labels: np.ndarray) -> np.ndarray:
    """Whether the strongest images of each channel all show the same digit, C.

    A channel that answers to fewer images than `STRONGEST` has no such images.
    """
    order = np.argsort(-found.largest, axis=0, kind="stable")[:STRONGEST]  # (10, C)
    of = labels[order]  # (10, C)
    answered = (found.largest > 0).sum(axis=0) >= STRONGEST
    return answered & (of == of[0]).all(axis=0)


def measure_layer(kernels: np.ndarray, drawn: Drawn) -> Record:
    """One layer in numbers: the norm of each filter, the weights near zero, the part drawn."""
    w = kernels.astype(np.float64)
    norms = np.sqrt((w**2).sum(axis=(1, 2, 3)))  # (outputs,)
    rms = np.sqrt((w**2).mean())
    shown = drawn.kernels.astype(np.float64)
    return record(
        outputs=w.shape[0],
        kernel=w.shape[2],
        weights=w.size,
        smallest_norm=norms.min(),
        largest_norm=norms.max(),
        root_mean_square=rms,
        largest_weight=np.abs(w).max(),
        share_near_zero=share_near_zero(w),
        share_of_mean=share_of_mean(w),
        share_of_kernels_drawn=shown.size / w.size,
        share_of_squared_weight_drawn=(shown**2).sum() / (w**2).sum(),
    )


def measure(
    layers: list[np.ndarray],
    before: list[np.ndarray],
    drawn: list[Drawn],
    excited: list[Answers],
    excited_before: list[Answers],
    labels: np.ndarray,
) -> Record:
    """Each layer's numbers, beside those of the same layer before its training.

    Args:
        excited: what each layer's channels answer to the test images, and before the training.
        labels: of the test images.
    """
    each = []
    every = zip(layers, before, drawn, excited, excited_before, strict=True)
    for number, (w, start, d, found, untrained) in enumerate(every, 1):
        each.append(
            record(
                measure_layer(w, d),
                number=number,
                share_of_mean_before=share_of_mean(start),
                share_near_zero_before=share_near_zero(start),
                silent=(found.largest.max(axis=0) <= 0).sum(),
                of_one_digit=of_one_digit(found, labels).sum(),
                of_one_digit_before=of_one_digit(untrained, labels).sum(),
            )
        )
    return record(
        layers=each,
        near_zero=NEAR_ZERO,
        strongest=STRONGEST,
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


def patches(found: Answers, field: cnn.Field, images: np.ndarray) -> np.ndarray:
    """The part of the image, N × 1 × 28 × 28, that each channel answers most to: C × size × size.

    It is what the cell with the largest answer sees; a channel that never answers has none (NaN).
    """
    cut = []
    for channel, image in enumerate(found.largest.argmax(axis=0)):
        top, left = (field.stride * at[image, channel] for at in (found.row, found.column))
        patch = images[image, 0, top : top + field.size, left : left + field.size]
        silent = found.largest[image, channel] <= 0
        cut.append(np.full_like(patch, np.nan) if silent else patch)
    return np.stack(cut)


TITLE, BETWEEN, APART = 5.2, 0.5, 1.2  # mm: a layer's title; a patch and its kernels; channels
COLUMNS = 11  # of channels, or more where they would not fit a page
TALLEST = 215.0  # mm


def grid(channels: list[int]) -> tuple[int, list[int], float]:
    """How many channels stand in a row, the rows of each layer, and the side in mm of a patch."""
    columns = COLUMNS
    while True:
        rows = [-(-count // columns) for count in channels]
        side = ((figures.WIDTHS["wide"] + APART) / columns - BETWEEN - APART) / 2
        if sum(TITLE + r * (side + APART) for r in rows) <= TALLEST:
            return columns, rows, side
        columns += 1


def draw(drawn: list[Drawn], cut: list[np.ndarray]):
    """Each channel of each layer: the patch that excites it most, and beside it its weights."""
    columns, rows, side = grid([len(d.kernels) for d in drawn])
    across, down = 2 * side + BETWEEN + APART, side + APART
    top = sum(TITLE + r * down for r in rows)
    figure = figures.blank("wide", top)
    for number, (d, pictures, r) in enumerate(zip(drawn, cut, rows, strict=True), 1):
        width, height = figures.WIDTHS["wide"], r * down
        top -= TITLE + height
        panel = figures.panel(figure, 0.0, top, width, height)
        panel.set(xlim=(0, width), ylim=(height, 0))
        panel.set_axis_off()
        panel.text(0, -1.3, f"Layer {number}: {len(pictures)} channels", fontsize=8)
        for channel, (patch, kernels) in enumerate(zip(pictures, d.kernels, strict=True)):
            x, y = channel % columns * across, channel // columns * down
            _picture(panel, patch, x, y, side, cmap=figures.INK, vmin=0, vmax=1)
            shade = _kernels(panel, kernels, x + side + BETWEEN, y, side, d.scale)
        drawing.scale_above(figure, panel, shade, (f"−{d.scale:g}", f"+{d.scale:g}"))
    return figure


def _kernels(panel, kernels: np.ndarray, left: float, top: float, side: float, scale: float):
    """A channel's kernels, shown × k × k, in a square."""
    across = math.ceil(math.sqrt(len(kernels)))
    each = (side - (across - 1) * BETWEEN) / across
    for place, kernel in enumerate(kernels):
        down, right = divmod(place, across)
        corner = left + right * (each + BETWEEN), top + down * (each + BETWEEN)
        drawn = _picture(panel, kernel, *corner, each, **figures.signed(scale))
    return drawn


def _picture(panel, values: np.ndarray, left: float, top: float, side: float, **colours):
    """A small square picture with its upper left corner at a place of the panel, framed."""
    drawing.frames(panel, np.array([[left, top]]), (side, side))
    return panel.imshow(
        np.kron(values, np.ones((8, 8))),
        extent=(left, left + side, top + side, top),
        interpolation="none",
        aspect="auto",
        **colours,
    )


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    digits = storage.load_digits(inputs.digits)
    layers = convolutions(load_file(inputs.model))
    drawn = [choose(w, config["filters"]["kernels_shown"]) for w in layers]
    network = storage.load_network(inputs.model, config["classifier"])
    untrained = storage.untrained_network(config["classifier"])
    start = {name: weight.numpy() for name, weight in untrained.state_dict().items()}
    images = digits.test_images
    excited, before = answers(network, images), answers(untrained, images)
    values = measure(layers, convolutions(start), drawn, excited, before, digits.test_labels)
    measurements.write(outputs.measurements, values)
    fields, _ = cnn.receptive_field(network, images.shape[-1])
    fields = [field for field in fields if "Conv2d" in field.layer]
    cut = [patches(*both, images) for both in zip(excited, fields, strict=True)]
    figures.save(draw(drawn, cut), outputs.figure)
