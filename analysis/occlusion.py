"""Slide a patch over a digit and read the network's answer at every position."""

from types import SimpleNamespace

import numpy as np

from analysis import drawing
from analysis.data import storage
from analysis.maths.hot_spot import centres, hot_spot, label_places
from analysis.maths.occlusion import Occluder, Occlusion
from workings import explore, figures, measurements
from workings.measurements import Record, record


def measure(map_: Occlusion, image: np.ndarray) -> Record:
    """The three maps in numbers: the lowest probability, the labels seen, the hot spot."""
    middles, changed = centres(map_.starts, map_.patch), map_.changed
    row, column = map_.lowest
    kept = np.delete(np.delete(image, map_.uncovered, axis=0), map_.uncovered, axis=1)
    return record(
        positions=map_.p_true.size,
        positions_down=len(middles),
        positions_across=len(middles),
        clean_label=map_.clean.argmax(),
        clean_probability=map_.clean[map_.label],
        lowest_probability=map_.p_true[row, column],
        lowest_row=middles[row],
        lowest_column=middles[column],
        lowest_highest_probability=map_.p_max.min(),
        positions_with_another_label=changed.sum(),
        share_with_another_label=changed.mean(),
        other_labels=[
            record(label=label, positions=(map_.predicted == label).sum())
            for label in np.unique(map_.predicted[changed])
        ],
        lines_never_covered=map_.uncovered,
        share_of_pixels_never_covered=1 - kept.size / image.size,
        share_of_ink_never_covered=1 - kept.sum() / image.sum() if image.any() else 0.0,
        share_that_changes_no_pixel=map_.idle.mean(),
        positions_evaluated_again=map_.recomputed,
        hot_spot=hot_spot(map_.drop, middles, image),
    )


def draw(map_: Occlusion, image: np.ndarray, values: dict):
    """The digit with the patch that hurts most, the drop of p(true) and of the highest p, the label."""
    # Four squares of one size on the page's grid, in millimetres; the scale stands below two of them.
    figure = figures.blank("wide", 54.0)
    side, gap = 38.0, (163.0 - 4 * 38.0) / 3
    axes = [figures.panel(figure, i * (side + gap), 11.0, side, side) for i in range(4)]
    drawing.digit(axes[0], image)
    row, column = map_.lowest
    drawing.box(axes[0], map_.starts[row], map_.starts[column], map_.patch, lw=1.2)
    spot = values["hot_spot"]
    if spot["part"]:
        axes[0].plot(
            spot["centre_column"], spot["centre_row"], "+", color=figures.ACCENT, ms=8, mew=1.6
        )
    axes[0].set_title(f"The digit {map_.label}")

    where = centres(map_.starts, map_.patch), image
    for panel, values_at, title in (
        (axes[1], map_.drop, f"Drop of the probability of {map_.label}"),
        (axes[2], map_.clean.max() - map_.p_max, "Drop of the highest"),
    ):
        drawn = drawing.over_digit(panel, values_at, *where)
        panel.set_title(title)
    drawing.scale_below(figure, drawn, side + gap, 6.0, 2 * side + gap)
    drawing.labels_over_digit(axes[3], map_.predicted, label_places(map_), *where)
    axes[3].set_title("Label")
    return figure


def to_explore(digits: storage.Digits, occlude: Occluder, place: int, chosen: dict) -> dict:
    """The maps of the digit, and of the first test image of each class, for the web edition."""
    labels = digits.test_labels
    others = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    choices = []
    for index in [place, *(other for other in others if other != place)]:
        image, label = digits.test_images[index], int(labels[index])
        found = occlude(image, label)
        maps = {f"probability of {label}": found.p_true, "highest probability": found.p_max}
        name = f"{label}" if index == place else f"{label}, the first of its class"
        choices.append(explore.Choice(name, image[0], maps, found.predicted))
    return explore.places(
        choices, found.starts, found.starts, patch=chosen["patch"], fill=chosen["fill"]
    )


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["occlusion"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    place = storage.example_of(digits, chosen["digit"], chosen["example"], "occlusion.example")
    image = digits.test_images[place]  # (1, 28, 28)
    where = {key: chosen[key] for key in ("patch", "stride", "fill", "outside")}
    occlude = Occluder(network, **where)
    map_ = occlude(image, chosen["digit"])
    values = measure(map_, image[0])
    measurements.write(outputs.measurements, values)
    with open(outputs.maps, "wb") as file:
        np.savez(file, **{k: getattr(map_, k) for k in ("starts", "p_true", "p_max", "predicted")})  # fmt: skip
    figures.save(draw(map_, image[0], values), outputs.figure)
    explore.write(outputs.explore, to_explore(digits, occlude, place, chosen))
