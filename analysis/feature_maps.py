"""Draw every feature map of two digits and measure how recognisable the digit still is in them."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.feature_maps import (
    NearestMean,
    correlation,
    enlarge,
    enlargement,
    feature_maps,
    largest_correlation,
)
from analysis.maths.hot_spot import centres
from analysis.maths.shares import wilson
from workings import figures, measurements
from workings.measurements import Record, record
from workings.messages import track

CONFIDENCE = 0.95
BATCH = 200  # images at a time, so that the maps of a data set are never in memory together


def lenses(fields: list[cnn.Field], pixels: int) -> list[np.ndarray]:
    """The matrix that enlarges each layer's maps along rows as along columns, pixels × cells."""
    middles = [centres(f.stride * np.arange(f.cells), f.size) for f in fields]
    return [enlargement(cells, pixels) for cells in middles]


def batches(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Images, B × 1 × 28 × 28, with their labels, B."""
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        yield torch.from_numpy(images[part]), torch.from_numpy(labels[part])


def class_means(
    network: torch.nn.Sequential, digits: storage.Digits
) -> tuple[NearestMean, list[NearestMean]]:
    """The class means of the training images: of the raw pixels, and of each layer's maps."""
    pixels, layers = NearestMean(), defaultdict(NearestMean)
    parts = -(-len(digits.train_images) // BATCH)
    pairs = batches(digits.train_images, digits.train_labels)
    for images, labels in track(pairs, "Class means", parts):
        pixels.add(images, labels)
        for place, maps in enumerate(feature_maps(network, images)):
            layers[place].add(maps, labels)
    return pixels, list(layers.values())


@dataclass
class Seen:
    """What many test images gave at one layer: right labels, |r| by image and channel, live ones."""

    correct: int
    correlations: np.ndarray  # (N, C)
    live: np.ndarray  # (C,), whether any image made the channel answer at all


def look(
    network: torch.nn.Sequential,
    images: np.ndarray,
    labels: np.ndarray,
    through: list[np.ndarray],
    pixels: NearestMean,
    layers: list[NearestMean],
) -> tuple[int, list[Seen]]:
    """The nearest-class-mean labels of `images` and the correlation of each map with its digit.

    Returns how many the raw pixels label rightly, and what each layer gave.
    """
    right = 0
    counts = [0] * len(layers)
    found: list[list] = [[] for _ in layers]
    live = [False] * len(layers)
    for x, y in batches(images, labels):
        right += int((pixels.predict(x) == y).sum())
        for place, m in enumerate(feature_maps(network, x)):
            counts[place] += int((layers[place].predict(m) == y).sum())
            found[place].append(likeness(m, through[place], x))
            live[place] = live[place] | (m.amax(dim=(0, 2, 3)) > 0).numpy()  # (C,)
    return right, [
        Seen(count, np.concatenate(r), alive)
        for count, r, alive in zip(counts, found, live, strict=True)
    ]


def seen_by(
    network: torch.nn.Sequential, digits: storage.Digits, through: list[np.ndarray], count: int
) -> tuple[int, list[Seen]]:
    """What the first `count` test images give, with class means from all training images."""
    images, labels = digits.test_images[:count], digits.test_labels[:count]
    return look(network, images, labels, through, *class_means(network, digits))


def likeness(maps: torch.Tensor, through: np.ndarray, images: torch.Tensor) -> np.ndarray:
    """|r| of each map, (N, C, h, w) and enlarged, with its image, (N, 1, 28, 28): (N, C)."""
    return correlation(enlarge(maps, through), images).abs().numpy()


def measure(
    examples: torch.Tensor,
    maps: list[torch.Tensor],
    fields: list[cnn.Field],
    right: int,
    seen: list[Seen],
    before: list[Seen],
    probabilities: np.ndarray,
    config: dict,
) -> Record:
    """For each layer the correlation with the digit, the dead channels, the nearest-mean accuracy.

    Args:
        examples: the two digits, 2 × 1 × 28 × 28.
        maps: their maps in each layer, 2 × C × h × w, and what a cell of each sees.
        right: how many of the many test images the raw pixels label rightly.
        seen: what the many test images gave at each layer.
        before: what they gave before the network was trained.
        probabilities: the network's answer to the two digits, 2 × 10.
    """
    bound = config["recognisable"]
    images = len(seen[0].correlations)
    layers = []
    through = lenses(fields, examples.shape[-1])
    each = zip(maps, fields, through, seen, before, strict=True)
    for number, (m, field, e, many, untrained) in enumerate(each, 1):
        own, other = (likeness(m, e, digits) for digits in (examples, examples.flip(0)))  # (2, C)
        silent = (m.amax(dim=(2, 3)) <= 0).numpy()  # (2, C)
        layers.append(
            record(
                _accuracy(many.correct, images),
                number=number,
                channels=m.shape[1],
                rows=m.shape[2],
                columns=m.shape[3],
                field=field.size,
                stride=field.stride,
                median_correlation=float(np.median(own)),
                median_correlation_with_the_other=float(np.median(other)),
                share_recognisable=float((own >= bound).mean()),
                digits=[
                    record(
                        digit=digit,
                        median_correlation=float(np.median(own[d])),
                        share_recognisable=float((own[d] >= bound).mean()),
                        best_correlation=float(own[d].max()),
                        best_channel=int(own[d].argmax()) + 1,
                        largest_possible_correlation=largest_correlation(examples[d, 0].numpy(), e),
                    )
                    for d, digit in enumerate(config["digits"])
                ],
                silent_for_both=int(silent.all(axis=0).sum()),
                dead_channels=int((~many.live).sum()),
                median_correlation_of_test_images=float(np.median(many.correlations)),
                share_recognisable_of_test_images=float((many.correlations >= bound).mean()),
                median_correlation_before=float(np.median(untrained.correlations)),
                accuracy_before=untrained.correct / images,
            )
        )
    accuracies = [right / images, *(layer["accuracy"] for layer in layers)]
    medians = [layer["median_correlation"] for layer in layers]
    return record(
        labels_given=probabilities.argmax(axis=1),
        probabilities=probabilities[np.arange(len(examples)), config["digits"]],
        classified_images=images,
        pixels=_accuracy(right, images),
        layers=layers,
        layers_that_look_like_the_digit=[n for n, r in enumerate(medians, 1) if r >= bound],
        lowest_median_correlation=min(medians),
        recognisability_falls=all(a > b for a, b in itertools.pairwise(medians)),
        accuracy_rises=all(a < b for a, b in itertools.pairwise(accuracies)),
        accuracy_gain=accuracies[-1] - accuracies[0],
        dead_channels=sum(layer["dead_channels"] for layer in layers),
        confidence=CONFIDENCE,
        accuracy_gain_by_training=layers[-1]["accuracy"] - layers[-1]["accuracy_before"],
        recognisability_falls_before=all(
            a["median_correlation_before"] > b["median_correlation_before"]
            for a, b in itertools.pairwise(layers)
        ),
    )


def _accuracy(correct: int, images: int) -> Record:
    low, high = wilson(correct, images, CONFIDENCE)
    return record(accuracy=correct / images, accuracy_low=low, accuracy_high=high)


COLUMNS = 8  # 32 and 64 channels fill whole rows of it, and a page
TALLEST = 221.0  # mm, a page with its caption


def grid(channels: list[int]) -> tuple[int, list[int], float]:
    """Columns for each digit, rows of each layer, and the side in mm of a map, so that all fit."""
    columns = COLUMNS
    while True:
        rows = [-(-count // columns) for count in channels]
        side = 76.0 / columns
        if 15 + sum(5 + side * r for r in rows) <= TALLEST:
            return columns, rows, side
        columns += 1


def draw(examples: np.ndarray, digits: list[int], maps: list[torch.Tensor], values: dict):
    """All maps of both digits side by side, the same channel in the same place, a scale a layer."""
    columns, rows, side = grid([m.shape[1] for m in maps])
    heights = [12.0, *(5 + side * r for r in rows)]
    figure, axes = figures.new(
        "wide", sum(heights) + 3, nrows=1 + len(maps), ncols=2, height_ratios=heights
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.03, hspace=0.01)
    colours = figures.INK.with_extremes(bad="white")
    for d in range(2):
        drawing.digit(axes[0, d], examples[d, 0])
        axes[0, d].set_anchor("W")
        axes[0, d].text(
            1.12, 0.5,
            f"Digit {digits[d]}, labelled {values['labels_given'][d]}\n"
            f"with probability {values['probabilities'][d]:.3f}",
            transform=axes[0, d].transAxes, va="center", fontsize=8,
        )  # fmt: skip
    for place, m in enumerate(maps):
        top = float(m.max()) or 1.0
        factor = max(2, 80 // m.shape[3])
        gap = max(1, round(0.09 * m.shape[3] * factor))
        for d in range(2):
            enlarged = np.kron(m[d].numpy(), np.ones((factor, factor)))  # (C, h·factor, w·factor)
            panel = axes[1 + place, d]
            picture = drawing.montage(drawing.in_rows(enlarged, rows[place], columns), gap)
            drawn = panel.imshow(picture, cmap=colours, vmin=0, vmax=top, interpolation="none")
            height, width = enlarged.shape[1:]
            down, across = np.divmod(np.arange(m.shape[1]), columns)
            corners = np.stack([across * (width + gap), down * (height + gap)], axis=1) - 0.5
            drawing.frames(panel, corners, (width, height))
            panel.set_axis_off()
            panel.set_anchor("NW")
        layer = values["layers"][place]
        axes[1 + place, 0].set_title(
            f"Layer {place + 1}: {layer['channels']} channels of "
            f"{layer['rows']} × {layer['columns']}",
            pad=3,
        )
        drawing.scale_above(figure, axes[1 + place, 1], drawn, ("0", f"{top:.1f}"))
    return figure


def draw_recognisable(correlations: list[np.ndarray], values: dict, config: dict):
    """|r| of every channel and each layer's accuracy, from the pixels to the last layer."""
    figure, (left, right) = figures.new("text", 56.0, ncols=2, width_ratios=(1.25, 1))
    bound = config["recognisable"]
    left.axhspan(bound, 1, color="#EEF4F8", lw=0)
    for place, own in enumerate(correlations, 1):
        for d, colour in enumerate((figures.ACCENT, figures.WARM)):
            beside = place + (d - 0.5) * 0.36
            spread = np.linspace(-0.13, 0.13, own.shape[1])  # in the order of the channels
            left.plot(beside + spread, own[d], "o", ms=1.7, mew=0, color=colour, alpha=0.75)
            median = float(np.median(own[d]))
            left.plot([beside - 0.16, beside + 0.16], [median] * 2, color=colour, lw=1.6)
            ceiling = values["layers"][place - 1]["digits"][d]["largest_possible_correlation"]
            left.plot([beside - 0.16, beside + 0.16], [ceiling] * 2, color=figures.GREY, lw=0.7)
    for d, colour in enumerate((figures.ACCENT, figures.WARM)):
        left.text(
            1 + (d - 0.5) * 0.36, -0.05, str(config["digits"][d]), color=colour, fontsize=7,
            ha="center", va="top", weight="bold",
        )  # fmt: skip
    left.set(
        title="|r| with the digit", ylim=(-0.15, 1.02), xlim=(0.5, len(correlations) + 0.5),
        xticks=range(1, len(correlations) + 1), xlabel="layer", yticks=(0, 0.5, 1),
    )  # fmt: skip
    accuracies = [values["pixels"], *values["layers"]]
    x = np.arange(len(accuracies))
    y, low, high = (
        np.array([100 * a[f"accuracy{end}"] for a in accuracies]) for end in ("", "_low", "_high")
    )
    right.errorbar(x, y, (y - low, high - y), marker="o", color=figures.ACCENT, elinewidth=0.8)
    for place, value in zip(x, y, strict=True):
        right.annotate(
            f"{value:.1f}", (place, value), (5, -5), textcoords="offset points",
            fontsize=7, ha="left", va="top",
        )  # fmt: skip
    names = ["pixels", *map(str, range(1, len(accuracies)))]
    right.set(
        title="Nearest mean, right in %", xticks=x, xticklabels=names, xlabel="layer",
        xlim=(-0.3, len(x) - 0.4),
    )  # fmt: skip
    right.yaxis.set_major_locator(figures.matplotlib.ticker.MaxNLocator(5, integer=True))
    return figure


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["feature_maps"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    places = [
        storage.example_of(digits, digit, chosen["example"], "feature_maps.example")
        for digit in chosen["digits"]
    ]
    examples = torch.from_numpy(digits.test_images[places])  # (2, 1, 28, 28)
    maps = feature_maps(network, examples)  # (2, C, h, w) each
    layers, _ = cnn.receptive_field(network, examples.shape[-1])
    fields = [field for field in layers if "Conv2d" in field.layer]
    through = lenses(fields, examples.shape[-1])
    count = chosen["classified_images"]
    right, seen = seen_by(network, digits, through, count)
    _, before = seen_by(storage.untrained_network(config["classifier"]), digits, through, count)
    probabilities = cnn.predict(network, examples)
    values = measure(examples, maps, fields, right, seen, before, probabilities, chosen)
    measurements.write(outputs.measurements, values)
    figures.save(draw(examples, chosen["digits"], maps, values), outputs.figure)
    correlations = [likeness(m, e, examples) for m, e in zip(maps, through, strict=True)]
    figures.save(draw_recognisable(correlations, values, chosen), outputs.recognisable)
