"""Slide black, grey and white patches over the digits, and compare what each colour does."""

from types import SimpleNamespace

import numpy as np

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.bounds import upward
from analysis.maths.hot_spot import centres, hot_spot, label_places
from analysis.maths.occlusion import Occluder, Occlusion, covers_none
from workings import figures, measurements
from workings.measurements import Record, record
from workings.messages import track


def name_of(fill: float) -> str:
    """The colour of a patch as it is printed: ink is white in the data and dark on the page."""
    return {0.0: "black", 1.0: "white"}.get(fill, "grey")


def covers_no_ink(image: np.ndarray, map_: Occlusion) -> np.ndarray:
    """R × C: whether every pixel of the digit, 28 × 28, under the map's patch is 0."""
    return covers_none(image > 0, map_.patch, map_.starts)


class Tally:
    """Sums over the images for one colour."""

    def __init__(self) -> None:
        self.images = self.positions = self.off_ink = self.idle = 0
        self.drop = 0.0
        self.changed = self.changed_off_ink = self.images_changed = self.recomputed = 0

    def add(self, map_: Occlusion, off_ink: np.ndarray) -> None:
        drop, changed = map_.drop, map_.changed  # (R, C)
        self.images += 1
        self.positions += drop.size
        self.off_ink += int(off_ink.sum())
        self.idle += int(map_.idle.sum())
        self.drop += float(drop.sum(dtype=np.float64))
        self.changed += int(changed.sum())
        self.changed_off_ink += int((changed & off_ink).sum())
        self.images_changed += bool(changed.any())
        self.recomputed += map_.recomputed

    def values(self) -> Record:
        """Shares of all positions, of those on ink and of those off it; None where there is none."""

        def share(part: float, whole: int) -> float | None:
            return part / whole if whole else None

        on_ink = self.positions - self.off_ink
        return record(
            mean_drop=self.drop / self.positions,
            share_changed=self.changed / self.positions,
            share_changed_on_ink=share(self.changed - self.changed_off_ink, on_ink),
            share_changed_off_ink=share(self.changed_off_ink, self.off_ink),
            share_off_ink=self.off_ink / self.positions,
            share_that_changes_no_pixel=self.idle / self.positions,
            share_of_images_changed=self.images_changed / self.images,
            positions_evaluated_again=self.recomputed,
        )


def of_digit(map_: Occlusion, image: np.ndarray) -> Record:
    """The chosen digit under one colour: how far its probability falls, where, and what it becomes."""
    new = np.bincount(map_.predicted[map_.changed], minlength=10)
    return record(
        lowest_probability=map_.p_true.min(),
        share_changed=map_.changed.mean(),
        part=hot_spot(map_.drop, centres(map_.starts, map_.patch), image)["part"],
        new_label=new.argmax() if new.any() else None,
    )


def measure(
    own: list[Occlusion], image: np.ndarray, tallies: list[Tally], fills: list[float]
) -> Record:
    """What each colour does, to the chosen digit and to the test images."""
    colours = [
        record(tally.values(), colour=name_of(fill), digit=of_digit(map_, image))
        for fill, map_, tally in zip(fills, own, tallies, strict=True)
    ]
    ranked = sorted(colours, key=lambda c: c["mean_drop"])
    off_ink = [c["share_changed_off_ink"] or 0.0 for c in colours]
    return record(
        images=tallies[0].images,
        positions=own[0].p_true.size,
        share_off_ink=colours[0]["share_off_ink"],
        positions_evaluated_again=sum(t.recomputed for t in tallies),
        colours=colours,
        mildest=ranked[0],
        harshest=ranked[-1],
        largest_share_changed_off_ink=upward(max(off_ink), 3),
    )


def draw(own: list[Occlusion], image: np.ndarray, fills: list[float]):
    """A column for each colour: the digit with the patch that hurts most, the drop, the label."""
    gap, start, width = 3.0, 5.0, figures.WIDTHS["text"]
    side = min(25.0, (width - start - (len(fills) - 1) * gap) / len(fills))
    height = 3 * side + 2 * gap + 5.0 + 9.0
    figure = figures.blank("text", height)
    for column, (map_, fill) in enumerate(zip(own, fills, strict=True)):
        left, top = start + column * (side + gap), height - 5.0 - side
        axes = [
            figures.panel(figure, left, top - row * (side + gap), side, side) for row in range(3)
        ]
        drawn = _draw_colour(axes, map_, image, fill)
        shade = f" {fill:g}" if name_of(fill) == "grey" else ""
        axes[0].set_title(name_of(fill) + shade)
        if column == 0:
            texts = ("at its worst", f"drop of p({map_.label})", "label")
            for panel, text in zip(axes, texts, strict=True):
                panel.set_ylabel(text, labelpad=3)
    drawing.scale_below(figure, drawn, start, 5.0, len(fills) * side + (len(fills) - 1) * gap)
    return figure


def _draw_colour(axes: list, map_: Occlusion, image: np.ndarray, fill: float):
    row, column = map_.lowest
    top, left, side = map_.starts[row], map_.starts[column], map_.patch
    covered = image.copy()
    covered[max(0, top) : top + side, max(0, left) : left + side] = fill
    drawing.digit(axes[0], covered)
    drawing.box(axes[0], top, left, side, lw=1.0)
    where = centres(map_.starts, map_.patch), image
    drawing.labels_over_digit(axes[2], map_.predicted, label_places(map_), *where)
    return drawing.over_digit(axes[1], map_.drop, *where)


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen, patch = config["patch_colour"], config["occlusion"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    six = storage.example_of(digits, patch["digit"], patch["example"], "occlusion.example")
    images, labels = digits.test_images, digits.test_labels
    given = cnn.predict(network, images).argmax(axis=1)
    indices = storage.rightly_labelled(labels, given, chosen["images"])
    fills = [float(fill) for fill in chosen["fills"]]
    where = {key: patch[key] for key in ("patch", "stride", "outside")}
    occluders = [Occluder(network, fill=fill, **where) for fill in fills]
    tallies = [Tally() for _ in fills]
    for i in track(indices, "Covering the test images in each colour"):
        maps = [occluder(images[i], int(labels[i])) for occluder in occluders]
        off_ink = covers_no_ink(images[i, 0], maps[0])
        for tally, map_ in zip(tallies, maps, strict=True):
            tally.add(map_, off_ink)
    own = [occluder(images[six], patch["digit"]) for occluder in occluders]
    measurements.write(outputs.measurements, measure(own, images[six, 0], tallies, fills))
    figures.save(draw(own, images[six, 0], fills), outputs.figure)
