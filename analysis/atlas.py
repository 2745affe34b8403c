"""Average over the test set what a patch does to each class, and find the hot spots."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.feature_maps import correlation
from analysis.maths.hot_spot import centres, hot_spot, part_of
from analysis.maths.occlusion import Occluder
from workings import figures, measurements
from workings.measurements import Record, record
from workings.messages import track


@dataclass(frozen=True)
class Atlas:
    """Sums over the images of each class, from which the means follow.

    d̄_k(r, c) = 1/N_k Σ_{i in class k} [ p_k(x_i) − p_k(x_i with the patch at (r, c)) ]
    """

    drops: np.ndarray  # (10, R, C) float64
    ink: np.ndarray  # (10, 28, 28) float64
    images: np.ndarray  # (10,) int
    rows: np.ndarray  # (R,) the patch's centre, in pixels
    columns: np.ndarray  # (C,)
    own: np.ndarray  # (R, C) the chosen image's own drop
    recomputed: int

    def mean_drop(self, label: int) -> np.ndarray:
        return self.drops[label] / max(1, self.images[label])

    def mean_ink(self, label: int) -> np.ndarray:
        return self.ink[label] / max(1, self.images[label])


def collect(
    occluder: Occluder, images: np.ndarray, labels: np.ndarray, indices: list[int], own: int
) -> Atlas:
    """Add up the drop maps of the given images, one image after another.

    Args:
        images: N × 1 × 28 × 28 in 0…1.
        labels: N.
        indices: the images that are averaged.
        own: the image whose own map is kept.
    """
    size = len(occluder.rows), len(occluder.columns)
    drops, ink = np.zeros((10, *size)), np.zeros((10, *images.shape[2:]))
    counts, recomputed = np.zeros(10, dtype=int), 0
    for i in track(indices, "Covering the test images"):
        label = int(labels[i])
        map_ = occluder(images[i], label)
        drops[label] += map_.clean[label] - map_.p_true
        ink[label] += images[i, 0]
        counts[label] += 1
        recomputed += map_.recomputed
    map_ = occluder(images[own], int(labels[own]))
    height, width = occluder.patch
    return Atlas(
        drops,
        ink,
        counts,
        centres(occluder.rows, height),
        centres(occluder.columns, width),
        (map_.clean[map_.label] - map_.p_true).astype(np.float64),
        recomputed,
    )


def class_of(atlas: Atlas, label: int) -> Record:
    """The mean drop of one class in numbers: its peak, its centre, and how they lie in the ink."""
    drop, ink = atlas.mean_drop(label), outlined(atlas.mean_ink(label))
    spot = hot_spot(drop, atlas.rows, atlas.columns, ink)
    values = record(label=label, images=int(atlas.images[label]))
    if spot["part"] is None:
        return record(
            values,
            mean_drop=None,
            peak=None,
            vertical=None,
            horizontal=None,
            below_the_ink=None,
            right_of_the_ink=None,
        )
    peak = np.unravel_index(drop.argmax(), drop.shape)
    row, column = float(atlas.rows[peak[0]]), float(atlas.columns[peak[1]])
    inked = np.nonzero(ink)
    weight = atlas.mean_ink(label)
    middle = [float((weight.sum(axis=1 - k) * np.arange(28)).sum() / weight.sum()) for k in (0, 1)]
    below, right = spot["row"] - middle[0], spot["column"] - middle[1]
    return record(
        values,
        part_of(row, column, inked),
        mean_drop=float(drop.mean()),
        peak=float(drop.max()),
        peak_row=row,
        peak_column=column,
        centre_row=spot["row"],
        centre_column=spot["column"],
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
    )


def draw(atlas: Atlas, image: np.ndarray, digit: int):
    """Ten mean maps over the outline of the mean digit; beside them the chosen digit's own map."""
    figure = figures.blank("wide", 70.0)
    side, gap, high = 24.0, 2.4, 28.6
    maps = [atlas.mean_drop(label) for label in range(10)]
    scale = {
        "vmin": min(0.0, min(m.min() for m in maps), atlas.own.min()),
        "vmax": max(1e-9, max(m.max() for m in maps), atlas.own.max()),
    }
    bottom = 70.0 - 4.8 - side
    for label, drop in enumerate(maps):
        across, down = label % 5, label // 5
        axes = figures.panel(figure, across * (side + gap), bottom - down * high, side, side)
        ink = atlas.mean_ink(label)
        drawn = _map(axes, atlas, drop, ink, 0.5 * ink.max(), scale)
        axes.set_title(f"{label}", pad=2)
    left = 163.0 - side
    for down, (drop, ink, level, title) in enumerate(
        (
            (atlas.own, image, 0.5, f"The chosen {digit}"),
            (maps[digit], atlas.mean_ink(digit), None, f"Mean of all {digit}"),
        )
    ):
        axes = figures.panel(figure, left, bottom - down * high, side, side)
        _map(axes, atlas, drop, ink, 0.5 * ink.max() if level is None else level, scale)
        axes.set_title(title, pad=2)
    bar = figure.colorbar(
        drawn,
        cax=figures.panel(figure, 3.0, bottom - high - 5.2, 5 * side + 4 * gap - 6.0, 2.0),
        orientation="horizontal",
    )
    bar.outline.set_visible(False)
    return figure


def _map(axes, atlas: Atlas, drop: np.ndarray, ink: np.ndarray, level: float, scale: dict):
    """One drop map, each cell where the patch's centre is, and the outline of the ink."""
    drawn = axes.imshow(
        np.kron(drop, np.ones((8, 8))),
        extent=drawing.extent(atlas.rows, atlas.columns),
        interpolation="none",
        cmap=drawing.PROBABILITY,
        **scale,
    )
    if ink.max() > level > 0:
        axes.contour(ink, levels=[level], colors="white", linewidths=0.6, alpha=0.9)
    figures.bare(axes)
    axes.set(xlim=(-0.5, ink.shape[1] - 0.5), ylim=(ink.shape[0] - 0.5, -0.5))
    axes.set_facecolor("#E5E7EB")
    return drawn


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen, patch = config["atlas"], config["occlusion"]
    torch.set_num_threads(1)
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    own = storage.example_of(digits, patch["digit"], patch["example"], "occlusion.example")
    images, labels = digits.test_images, digits.test_labels
    given = cnn.predict(network, images).argmax(axis=1)
    indices = storage.rightly_labelled(labels, given, chosen["per_class"])
    occluder = Occluder(
        network,
        images.shape[1:],
        patch["patch"],
        patch["stride"],
        patch["fill"],
        patch["outside"],
    )
    atlas = collect(occluder, images, labels, indices, own)
    values = measure(atlas, patch["digit"], own in indices)
    measurements.write(outputs.measurements, values)
    with open(outputs.maps, "wb") as file:
        means = np.stack([atlas.mean_drop(label) for label in range(10)])
        np.savez(file, rows=atlas.rows, columns=atlas.columns, mean_drop=means, own=atlas.own)
    figures.save(draw(atlas, images[own, 0], patch["digit"]), outputs.figure)
