"""Shift a digit, then the whole test set, and read the labels."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.translation import ink_outside, reach, shift
from workings import explore, figures, measurements
from workings.measurements import Record, record
from workings.messages import track

# Each direction as (down, right) for one pixel.
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}


@dataclass(frozen=True)
class Along:
    """What every test image gave when shifted 0, 1, … pixels in one direction."""

    labels: np.ndarray  # (S, N)
    lost: np.ndarray  # (S, N), share of the ink that left the frame
    unseen: np.ndarray  # (S, N), that, or lies where the network never reads


def grid_of_shifts(farthest: int) -> np.ndarray:
    """−farthest … +farthest."""
    return np.arange(-farthest, farthest + 1)


def probabilities_on_grid(
    network: torch.nn.Sequential, image: np.ndarray, farthest: int
) -> np.ndarray:
    """p of every class at each shift (down, right) of one image, 1 × 28 × 28: (S, S, 10)."""
    shifts = grid_of_shifts(farthest)
    pictures = np.stack([shift(image, down, right) for down in shifts for right in shifts])
    return cnn.predict(network, pictures).reshape(len(shifts), len(shifts), -1)


def along_directions(
    network: torch.nn.Sequential, images: np.ndarray, farthest: int, unread: tuple[int, ...]
) -> dict[str, Along]:
    """The labels of all images, shifted along each direction: one pass over them a shift."""
    unshifted = cnn.predict(network, images).argmax(axis=1)  # (N,)
    read = ~np.isin(np.arange(images.shape[-1]), unread)
    start = unshifted, np.zeros(len(images)), ink_outside(images, 0, 0, read)[:, 0]
    found = {name: tuple([first] for first in start) for name in DIRECTIONS}
    steps = [(name, s) for name in DIRECTIONS for s in range(1, farthest + 1)]
    for name, step in track(steps, "Shifted test sets"):
        down, right = (step * axis for axis in DIRECTIONS[name])
        labels, lost, unseen = found[name]
        labels.append(cnn.predict(network, shift(images, down, right)).argmax(axis=1))
        lost.append(ink_outside(images, down, right)[:, 0])
        unseen.append(ink_outside(images, down, right, read)[:, 0])
    return {name: Along(*map(np.stack, parts)) for name, parts in found.items()}


def measure_digit(
    image: np.ndarray, p: np.ndarray, unread: tuple[int, ...], config: dict
) -> Record:
    """How far the one digit keeps its label, in each direction and in all of the square.

    Args:
        image: 1 × 28 × 28.
        p: the probabilities on the grid of shifts, S × S × 10.
        unread: the rows, and the columns, of a picture that no cell of the last map reads.
    """
    digit, farthest = config["digit"], config["farthest"]
    labels = p.argmax(axis=2)  # (S, S)
    holds = labels == digit
    read = ~np.isin(np.arange(image.shape[-1]), unread)
    directions = {}
    for name, (down, right) in DIRECTIONS.items():
        steps = range(farthest + 1)
        at = [(farthest + s * down, farthest + s * right) for s in steps]
        given = np.array([labels[place] for place in at])
        held = int(reach(given, digit))
        # Where the label changes, or the farthest shift when it never does.
        end = min(held + 1, farthest)
        moved = end * down, end * right
        directions[name] = record(
            held=held,
            next_label=None if held == farthest else int(given[end]),
            ink_lost_there=float(ink_outside(image, *moved, read)[0]),
            probability_at_farthest=float(p[at[-1]][digit]),
        )
    shifts = grid_of_shifts(farthest)
    lost = np.array([[ink_outside(image, i, j, read)[0] for j in shifts] for i in shifts])  # (S, S)
    distance = np.abs(shifts)
    rings = np.maximum.outer(distance, distance)  # (S, S), the larger of the two shifts
    # Squares of shifts around no shift in which every label is right.
    whole = [bool(holds[rings <= ring].all()) for ring in range(farthest + 1)]
    return record(
        clean_label=labels[farthest, farthest],
        clean_probability=p[farthest, farthest, digit],
        directions=directions,
        shifts=holds.size,
        shifts_with_the_label=holds.sum(),
        share_of_shifts_with_the_label=holds.mean(),
        holds_to_both_sides_up_to=min(directions[side]["held"] for side in ("left", "right")),
        holds_in_all_directions_up_to=min(d["held"] for d in directions.values()),
        holds_in_the_square_up_to=int(reach(np.array(whole), True)),
        lowest_probability=p[..., digit].min(),
        other_labels=[
            record(label=int(other), shifts=int((labels == other).sum()))
            for other in np.unique(labels[~holds])
        ],
        shifts_that_lose_ink=(lost > 0).sum(),
        shifts_without_the_label=(~holds).sum(),
        wrong_with_all_ink=(~holds & (lost == 0)).sum(),
    )


def measure_shown(
    image: np.ndarray, p: np.ndarray, unread: tuple[int, ...], config: dict
) -> list[Record]:
    """The three pictures of the original: shifted left, not shifted, shifted right."""
    by, read = config["shown"], ~np.isin(np.arange(image.shape[-1]), unread)
    return [
        record(
            shift=step,
            label=int(given.argmax()),
            probability_of_the_digit=float(given[config["digit"]]),
            ink_lost=float(ink_outside(image, 0, step, read)[0]),
        )
        for step, given in zip((-by, 0, by), p, strict=True)
    ]


def measure_test_set(along: dict[str, Along], true: np.ndarray) -> Record:
    """The accuracy on all test images against the shift, and how far their labels hold."""
    unshifted = float((along["left"].labels[0] == true).mean())
    directions = {}
    for name, found in along.items():
        right = found.labels == true  # (S, N)
        accuracy = right.mean(axis=1)  # (S,)
        held = reach(found.labels, true)
        whole = found.unseen == 0  # (S, N), no ink has left the frame or what is read of it
        # Of the images labelled rightly where they are, the first shift with half of them wrong.
        half = np.flatnonzero(right[:, right[0]].mean(axis=1) < 0.5)
        directions[name] = record(
            accuracy=accuracy,
            accuracy_at_farthest=accuracy[-1],
            farthest_within_one_point=reach(accuracy >= unshifted - 0.01, True),
            median_held=np.median(held[right[0]]),
            first_shift_with_most_wrong=half[0] if len(half) else None,
            share_that_lose_ink_at_farthest=(~whole[-1]).mean(),
            accuracy_at_farthest_with_all_ink=right[-1, whole[-1]].mean()
            if whole[-1].any()
            else None,
        )
    lowest = min(directions, key=lambda name: directions[name]["accuracy_at_farthest"])
    highest = max(directions, key=lambda name: directions[name]["accuracy_at_farthest"])
    return record(
        images=len(true),
        accuracy=unshifted,
        directions=directions,
        weakest_direction=lowest,
        strongest_direction=highest,
        lowest_accuracy_at_farthest=directions[lowest]["accuracy_at_farthest"],
        highest_accuracy_at_farthest=directions[highest]["accuracy_at_farthest"],
    )


def draw(image: np.ndarray, p: np.ndarray, shown: list[dict], config: dict):
    """The shifted pictures beside the label and the drop of p(true) at every shift in the square."""
    digit, farthest, by = config["digit"], config["farthest"], config["shown"]
    figure = figures.plt.figure(
        figsize=(163.0 * figures.MM, 76.0 * figures.MM), layout="constrained"
    )
    names = (f"{by} left", "where it was", f"{by} right")
    panels = figure.subplot_mosaic(
        [["0", "label", "p"], ["1", "label", "p"], ["2", "label", "p"]], width_ratios=(1, 2.9, 2.9)
    )
    for place, (name, at) in enumerate(zip(names, shown, strict=True)):
        panel = panels[str(place)]
        drawing.digit(panel, shift(image, 0, at["shift"])[0])
        right = at["label"] == digit
        panel.set_xlabel(
            f"{name}: {at['label']}\np({digit}) = {at['probability_of_the_digit']:.3f}",
            fontsize=7,
            labelpad=2,
            color="#16202B" if right else figures.WARM,
        )
    shifts = grid_of_shifts(farthest)
    edge = farthest + 0.5
    around = {"extent": (-edge, edge, edge, -edge), "interpolation": "none"}
    labels = p.argmax(axis=2)
    panels["label"].imshow(np.kron(labels, np.ones((8, 8))), **drawing.LABEL_COLOURS, **around)
    size = 7 if farthest <= 7 else 5
    for (i, j), label in np.ndenumerate(labels):
        panels["label"].text(
            shifts[j], shifts[i], str(label), ha="center", va="center", fontsize=size,
            color=drawing.on_label(label), weight="bold" if label != digit else "normal",
        )  # fmt: skip
    panels["label"].set_title("Label given")
    lost = p[farthest, farthest, digit] - p[..., digit]
    drawn = panels["p"].imshow(np.kron(lost, np.ones((8, 8))), **drawing.LOST, **around)
    panels["p"].set_title(f"Drop of the probability of {digit}")
    bar = figure.colorbar(drawn, ax=panels["p"], fraction=0.04, pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    ticks, names = _ticks(farthest)
    for name in ("label", "p"):
        panels[name].set(xlabel="pixels to the right")
        panels[name].set_xticks(ticks, names)
        panels[name].set_yticks(ticks, names)
        drawing.box(
            panels[name], 0, 0, 1, edgecolor="white" if name == "label" else "black", lw=1.2
        )
        drawing.frameless(panels[name])
    panels["label"].set_ylabel("pixels down")
    return figure


def _ticks(farthest: int) -> tuple[list[int], list[str]]:
    """Shifts that have room for a tick, and how each is written, with its sign."""
    apart = 2 if farthest <= 7 else 4
    ticks = [t for t in range(-farthest, farthest + 1) if t % apart == 0]
    return ticks, [f"{t:+d}".replace("-", "−") if t else "0" for t in ticks]


def draw_accuracy(along: dict[str, Along], true: np.ndarray, farthest: int):
    """Accuracy against the shift, and the share of images whose ink is still all there."""
    figure, axes = figures.new("text", 52.0, ncols=2, sharey=True)
    shifts = grid_of_shifts(farthest)
    for panel, (before, after), title in (
        (axes[0], ("left", "right"), "Left and right"),
        (axes[1], ("up", "down"), "Up and down"),
    ):
        for colour, of, name in (
            (figures.GREY, lambda a: a.lost == 0, "all ink in frame"),
            (figures.ACCENT, lambda a: a.labels == true, "labelled rightly"),
        ):
            each = [100 * of(along[side]).mean(axis=1) for side in (before, after)]
            values = np.concatenate([each[0][:0:-1], each[1]])  # (2·farthest + 1,)
            marker = "o" if colour == figures.ACCENT else None
            panel.plot(
                shifts, values, color=colour, marker=marker, lw=1.2 if marker else 0.9,
                ls="-" if marker else (0, (3, 2)), label=name,
            )  # fmt: skip
        panel.set(title=title, ylim=(0, 104))
        panel.set_xticks(*_ticks(farthest))
        panel.axhline(10, color="#C9CED6", lw=0.6, zorder=0)
        panel.set_xlabel(f"pixels {'to the right' if after == 'right' else 'down'}")
    axes[0].set_ylabel("% of the test images")
    axes[0].text(0, 11.5, "guessing", fontsize=7, color=figures.GREY, ha="center")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside lower center", ncols=2)
    return figure


def to_explore(
    digits: storage.Digits, network: torch.nn.Sequential, place: int, p: np.ndarray, farthest: int
) -> dict:
    """The answers to the digit, shifted, and to the first test image of each class."""
    labels, shifts, choices = digits.test_labels, grid_of_shifts(farthest), []
    others = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    for index in [place, *(other for other in others if other != place)]:
        image, label = digits.test_images[index], int(labels[index])
        own = p if index == place else probabilities_on_grid(network, image, farthest)
        maps = {f"probability of {label}": own[..., label], "highest probability": own.max(axis=2)}
        name = f"{label}" if index == place else f"{label}, the first of its class"
        choices.append(explore.Choice(name, image[0], maps, own.argmax(axis=2)))
    return explore.places(choices, shifts, shifts)


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["translation"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    place = storage.example_of(digits, chosen["digit"], chosen["example"], "translation.example")
    image = digits.test_images[place]  # (1, 28, 28)
    p = probabilities_on_grid(network, image, chosen["farthest"])
    by = chosen["shown"]
    three = cnn.predict(network, np.stack([shift(image, 0, s) for s in (-by, 0, by)]))  # (3, 10)
    _, unread = cnn.receptive_field(network, image.shape[-1])
    shown = measure_shown(image, three, unread, chosen)
    along = along_directions(network, digits.test_images, chosen["farthest"], unread)
    values = record(
        pictures=shown,
        one_digit=measure_digit(image, p, unread, chosen),
        test_set=measure_test_set(along, digits.test_labels),
    )
    measurements.write(outputs.measurements, values)
    figures.save(draw(image, p, shown, chosen), outputs.figure)
    explore.write(outputs.explore, to_explore(digits, network, place, p, chosen["farthest"]))
    figures.save(draw_accuracy(along, digits.test_labels, chosen["farthest"]), outputs.accuracy)
