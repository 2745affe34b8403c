"""Slide a patch over a digit and read the network's answer at every position."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from analysis import drawing
from analysis.data import storage
from analysis.maths.hot_spot import centres, hot_spot, label_places
from analysis.maths.occlusion import Occluder, Occlusion
from workings import explore, figures, measurements
from workings.measurements import Record, record


def measure(map_: Occlusion, image: np.ndarray) -> Record:
    """The three maps in numbers: the lowest probability, the labels seen, the hot spot."""
    height, width = map_.patch
    rows, columns = centres(map_.rows, height), centres(map_.columns, width)
    clean = float(map_.clean[map_.label])
    lowest = np.unravel_index(map_.p_true.argmin(), map_.p_true.shape)
    given = int(map_.clean.argmax())
    changed = map_.predicted != given
    return record(
        positions=map_.p_true.size,
        positions_down=len(map_.rows),
        positions_across=len(map_.columns),
        clean_label=given,
        clean_probability=clean,
        lowest_probability=map_.p_true[lowest],
        lowest_row=rows[lowest[0]],
        lowest_column=columns[lowest[1]],
        lowest_highest_probability=map_.p_max.min(),
        positions_with_another_label=changed.sum(),
        share_with_another_label=changed.mean(),
        other_labels=[
            record(label=label, positions=(map_.predicted == label).sum())
            for label in np.unique(map_.predicted[changed])
        ],
        share_that_changes_no_pixel=map_.idle.mean(),
        positions_evaluated_again=map_.recomputed,
        hot_spot=hot_spot(clean - map_.p_true, rows, columns, image),
    )


def draw(map_: Occlusion, image: np.ndarray, values: dict):
    """The digit with the patch that hurts most, p(true), the highest probability, the label."""
    # Four squares of one size on the page's grid, in millimetres; the scale stands below two of them.
    figure = figures.blank("wide", 54.0)
    side, gap = 38.0, (163.0 - 4 * 38.0) / 3
    axes = [figures.panel(figure, i * (side + gap), 11.0, side, side) for i in range(4)]
    height, width = map_.patch
    drawing.digit(axes[0], image)
    corner = (values["lowest_column"] - width / 2, values["lowest_row"] - height / 2)
    axes[0].add_patch(
        figures.plt.Rectangle(corner, width, height, fill=False, edgecolor=figures.WARM, lw=1.2)
    )
    spot = values["hot_spot"]
    if spot["part"]:
        axes[0].plot(spot["column"], spot["row"], "+", color=figures.ACCENT, ms=8, mew=1.6)
    axes[0].set_title(f"The digit {map_.label}")

    rows, columns = centres(map_.rows, height), centres(map_.columns, width)
    shown = {"extent": drawing.extent(rows, columns), "interpolation": "none", "aspect": "equal"}
    for panel, values_at, title in (
        (axes[1], map_.p_true, f"Probability of {map_.label}"),
        (axes[2], map_.p_max, "Highest probability"),
    ):
        drawn = panel.imshow(np.kron(values_at, np.ones((8, 8))), vmin=0.0, vmax=1.0, **shown)
        panel.set_title(title)
    scale = figures.panel(figure, side + gap, 6.0, 2 * side + gap, 2.0)
    bar = figure.colorbar(drawn, cax=scale, orientation="horizontal")
    bar.outline.set_visible(False)

    drawing.labels(axes[3], map_.predicted, label_places(map_.predicted, rows, columns), **shown)
    axes[3].set_title("Label")
    for panel in axes[1:]:
        drawing.over_digit(panel, image)
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
    where = found.rows, found.columns
    return explore.places(choices, *where, patch=chosen["patch"], fill=chosen["fill"])


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["occlusion"]
    torch.set_num_threads(1)
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    place = storage.example_of(digits, chosen["digit"], chosen["example"], "occlusion.example")
    image = digits.test_images[place]  # (1, 28, 28)
    where = (chosen[key] for key in ("patch", "stride", "fill", "outside"))
    occlude = Occluder(network, image.shape, *where)
    map_ = occlude(image, chosen["digit"])
    values = measure(map_, image[0])
    measurements.write(outputs.measurements, values)
    with open(outputs.maps, "wb") as file:
        np.savez(file, **{k: getattr(map_, k) for k in ("rows", "columns", "p_true", "p_max", "predicted")})  # fmt: skip
    figures.save(draw(map_, image[0], values), outputs.figure)
    explore.write(outputs.explore, to_explore(digits, occlude, place, chosen))
