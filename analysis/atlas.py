"""Average over the test set what a patch does to each class, and find the hot spots."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from analysis import drawing
from analysis.atlas_part import Covered, load
from analysis.data import storage
from analysis.maths.feature_maps import correlation
from analysis.maths.hot_spot import HORIZONTAL, VERTICAL, centres, hot_spot, peak_of, third
from analysis.maths.occlusion import Occluder, Occlusion
from workings import figures, measurements
from workings.measurements import Record, record


@dataclass(frozen=True)
class Atlas:
    """Sums over the images of each class, from which the means follow.

    d̄_k(r, c) = 1/N_k Σ_{i in class k} [ p_k(x_i) − p_k(x_i with the patch at (r, c)) ]
    """

    drops: np.ndarray  # (10, R, R) float64
    ink: np.ndarray  # (10, 28, 28) float64
    images: np.ndarray  # (10,) int
    middles: np.ndarray  # (R,) the patch's centre, in pixels
    own: np.ndarray  # (R, R) the chosen image's own drop
    peaks: np.ndarray  # (10, 3, 3) int: the images whose own drop peaks in each ninth of their ink
    recomputed: int

    def mean_drop(self, label: int) -> np.ndarray:
        return self.drops[label] / max(1, self.images[label])

    def mean_ink(self, label: int) -> np.ndarray:
        return self.ink[label] / max(1, self.images[label])


def add_up(own: Occlusion, covered: Covered, images: np.ndarray, labels: np.ndarray) -> Atlas:
    """Add up the drop maps of the images, one image after another.

    Args:
        own: the map of the chosen image, which is kept.
        covered: the images that are averaged.
        images: N × 1 × 28 × 28 in 0…1.
        labels: N.
    """
    middles, own_drop = centres(own.starts, own.patch), own.drop.astype(np.float64)
    drops, ink = np.zeros((10, *own_drop.shape)), np.zeros((10, *images.shape[2:]))
    counts, peaks = np.zeros(10, dtype=int), np.zeros((10, 3, 3), dtype=int)
    for i, drop in zip(covered.indices, covered.drops, strict=True):
        label = int(labels[i])
        drops[label] += drop
        ink[label] += images[i, 0]
        counts[label] += 1
        if drop.max() > 0:
            place = zip(peak_of(drop, middles), np.nonzero(images[i, 0]), strict=True)
            peaks[label, *(third(*both) for both in place)] += 1
    return Atlas(drops, ink, counts, middles, own_drop, peaks, int(covered.recomputed.sum()))


def class_of(atlas: Atlas, label: int) -> Record:
    """The mean drop of one class in numbers: its peak, its centre, and how they lie in the ink."""
    drop, ink = atlas.mean_drop(label), outlined(atlas.mean_ink(label))
    spot = hot_spot(drop, atlas.middles, ink)
    values = record(label=label, images=int(atlas.images[label]))
    if spot["part"] is None:
        nothing = (
            "vertical",
            "horizontal",
            "mean_drop",
            "peak",
            "below_the_ink",
            "right_of_the_ink",
        )
        return record(values, dict.fromkeys(nothing))
    weight = atlas.mean_ink(label)
    middle = [float((weight.sum(axis=1 - k) * np.arange(28)).sum() / weight.sum()) for k in (0, 1)]
    below, right = spot["centre_row"] - middle[0], spot["centre_column"] - middle[1]
    return record(
        values,
        vertical=spot["vertical"],
        horizontal=spot["horizontal"],
        mean_drop=float(drop.mean()),
        peak=float(drop.max()),
        below_the_ink=below,
        right_of_the_ink=right,
        distance=float(np.hypot(below, right)),
    )


def outlined(ink: np.ndarray) -> np.ndarray:
    """A class's mean digit where it has at least half its greatest ink, 0 elsewhere."""
    return np.where(ink >= 0.5 * ink.max(), ink, 0.0)


def measure(atlas: Atlas, digit: int, own_is_averaged: bool) -> Record:
    """The hot spots of all classes, and the chosen digit beside the others of its class."""
    classes = [class_of(atlas, label) for label in range(10)]
    found = [c for c in classes if c["peak"] is not None]
    ranked = sorted(found, key=lambda c: c["mean_drop"])
    others = atlas.images[digit] - own_is_averaged
    rest = atlas.drops[digit] - own_is_averaged * atlas.own
    compared = bool(others and np.ptp(atlas.own) > 0 and np.ptp(rest) > 0)
    both = (torch.from_numpy(map_)[None, None] for map_ in (atlas.own, rest))
    alike = correlation(*both).item() if compared else None
    return record(
        images=atlas.images.sum(),
        positions=atlas.own.size,
        positions_evaluated_again=atlas.recomputed,
        classes=classes,
        weakest=ranked[0] if ranked else None,
        strongest=ranked[-1] if ranked else None,
        farthest_from_the_ink=max(found, key=lambda c: c["distance"], default=None),
        own=record(
            mean_drop=atlas.own.mean(),
            peak=atlas.own.max(),
            others=others,
            mean_drop_of_the_others=(rest / others).mean() if others else None,
            correlation=alike,
            share_explained=None if alike is None else alike**2,
        ),
        peaks=peaks_of(atlas.peaks[digit]),
    )


def peaks_of(counts: np.ndarray) -> Record:
    """In which ninth of the ink the drop of so many images of one class peaks."""
    most = np.unravel_index(counts.argmax(), counts.shape)
    return record(
        images=counts.sum(),
        rows=[
            record(height=height, **dict(zip(HORIZONTAL, row, strict=True)))
            for height, row in zip(VERTICAL, counts, strict=True)
        ],
        upper_right=counts[0, 2],
        most=record(part=f"{VERTICAL[most[0]]} {HORIZONTAL[most[1]]}", images=counts.max()),
    )


def draw(atlas: Atlas, image: np.ndarray, digit: int):
    """Ten mean maps over the outline of the mean digit; beside them the chosen digit's own map."""
    figure = figures.blank("wide", 70.0)
    side, gap, high = 24.0, 2.4, 28.6
    bottom, last = 70.0 - 4.8 - side, 163.0 - side
    shown = [(f"{label}", atlas.mean_drop(label), atlas.mean_ink(label)) for label in range(10)]
    shown += [
        (f"The chosen {digit}", atlas.own, image),
        (f"Mean of all {digit}", *shown[digit][1:]),
    ]
    places = [(label % 5 * (side + gap), label // 5) for label in range(10)] + [
        (last, 0),
        (last, 1),
    ]
    for (title, drop, ink), (left, down) in zip(shown, places, strict=True):
        axes = figures.panel(figure, left, bottom - down * high, side, side)
        level = 0.5 * ink.max()
        drawn = drawing.over_digit(axes, drop, atlas.middles, ink, level)
        axes.set_title(title, pad=2)
    drawing.scale_below(figure, drawn, 3.0, bottom - high - 5.2, 5 * side + 4 * gap - 6.0)
    return figure


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    patch = config["occlusion"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    own = storage.example_of(digits, patch["digit"], patch["example"], "occlusion.example")
    images, labels = digits.test_images, digits.test_labels
    where = {key: patch[key] for key in ("patch", "stride", "fill", "outside")}
    own_map = Occluder(network, **where)(images[own], int(labels[own]))
    covered = Covered.together(list(map(load, inputs.parts)))
    atlas = add_up(own_map, covered, images, labels)
    values = measure(atlas, patch["digit"], own in covered.indices)
    measurements.write(outputs.measurements, values)
    with open(outputs.maps, "wb") as file:
        means = np.stack([atlas.mean_drop(label) for label in range(10)])
        np.savez(file, middles=atlas.middles, mean_drop=means, own=atlas.own)
    figures.save(draw(atlas, images[own, 0], patch["digit"]), outputs.figure)
