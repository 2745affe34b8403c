"""Find the smallest black square that changes the label, over all sizes and all places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import FlippingPatch, Occlusion, PatchSearch, SizeSweep
from workings import figures, measurements
from workings.build import fingerprint, processes, resume
from workings.messages import InputError, say, track

CHUNK = 20  # images that a process searches before they are kept
SIDE = 28  # pixels, of an image
ROOT = Path(__file__).parents[1]
PRESUMED = (4, 0)  # what the original report expected its 6 to become


@dataclass(frozen=True)
class Searched:
    """One test image and its smallest flipping square, if there is one."""

    index: int
    label: int
    found: FlippingPatch | None
    recomputed: int = 0


# One image: its index, the positions evaluated again by the reference, and the fields of its
# FlippingPatch; the size 0 says there is none.
FLIPPING = ("size", "row", "column", "was", "label", "p", "positions")
RECORD = np.dtype(
    [(name, np.float64 if name == "p" else np.int64) for name in ("index", "recomputed", *FLIPPING)]
)


def chosen_images(
    labels: np.ndarray, given: np.ndarray, per_class: int | None, also: int
) -> tuple[list[int], int]:
    """The first `per_class` test images of each class that the network labels rightly, and `also`.

    None means all of them. Returns their indices in rising order, and how many were passed over as
    wrongly labelled.
    """
    if per_class is None:
        right = given == labels
        return np.flatnonzero(right).tolist(), int((~right).sum())
    chosen, passed = set(), 0
    for label in range(10):
        of_class = np.flatnonzero(labels == label)
        right = of_class[given[of_class] == label][:per_class]
        last = right[-1] if len(right) == per_class else of_class[-1]
        passed += int((given[of_class[of_class <= last]] != label).sum())
        chosen |= set(right.tolist())
    if given[also] == labels[also]:
        chosen.add(also)
    return sorted(chosen), passed


_search: PatchSearch | None = None  # of this process


def prepare(model: str, classifier: dict, largest: int) -> None:
    """Make this process's search."""
    global _search
    torch.set_num_threads(1)
    network = storage.load_network(model, classifier)
    _search = PatchSearch(network, sizes=range(1, largest + 1), fill=0.0)


def search_chunk(chunk: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """A RECORD for each (index, image)."""
    records = np.zeros(len(chunk), RECORD)
    for record, (index, image) in zip(records, chunk, strict=True):
        record["index"] = index
        found = _search(image)
        record["recomputed"] = _search.recomputed
        if found is not None:
            for name in FLIPPING:
                record[name] = getattr(found, name)
    return records


def search(
    indices: list[int], images: np.ndarray, key: str, arguments: tuple, count: int
) -> np.ndarray:
    """The RECORDs of the given images in rising order, by `count` processes.

    What an interrupted run with the same `key` has kept is not searched again.
    """
    kept = resume.Kept("patch_search", key, RECORD)
    done = set(kept.records["index"].tolist())
    rest = [i for i in indices if i not in done]
    if done:
        say(f"Going on from {len(done)} images that were searched before the interruption")
    chunks = [[(i, images[i]) for i in rest[n : n + CHUNK]] for n in range(0, len(rest), CHUNK)]
    results = processes.spread(search_chunk, chunks, prepare, arguments, count)
    for records in track(results, f"Searching {CHUNK} images at a time", total=len(chunks)):
        kept.add(records)
    kept.remove()
    return np.sort(kept.records, order="index")


def searched_of(records: np.ndarray, labels: np.ndarray) -> list[Searched]:
    """The records as objects."""
    return [
        Searched(
            int(r["index"]),
            int(labels[r["index"]]),
            FlippingPatch(**{name: r[name].item() for name in FLIPPING}) if r["size"] else None,
            int(r["recomputed"]),
        )
        for r in records
    ]


def anywhere(sweep: list[Occlusion]) -> list[dict]:
    """Every label that some square of some size at some place gives, other than the image's own.

    Returns one mapping per label: the smallest size that gives it, and the number of squares.
    """
    was = int(sweep[0].clean.argmax())
    found: dict[int, dict] = {}
    for map_ in sweep:
        labels, counts = np.unique(map_.predicted[map_.predicted != was], return_counts=True)
        for label, squares in zip(labels.tolist(), counts.tolist(), strict=True):
            entry = found.setdefault(
                label, {"label": label, "smallest": map_.patch[0], "squares": 0}
            )
            entry["squares"] += squares
    return [found[label] for label in sorted(found)]


def measure(
    searched: list[Searched],
    passed: int,
    six: int,
    config: dict,
    digit: int,
    reached: list[dict] | None = None,
) -> dict:
    """How many can be flipped, at which size, to which label, and what became of the chosen digit.

    `reached` is what `anywhere` says of the chosen digit; None when the network mislabels it.
    """
    flipped = [s for s in searched if s.found]
    sizes = np.array([s.found.size for s in flipped])
    moves = np.zeros((10, 10), dtype=int)
    for s in flipped:
        moves[s.label, s.found.label] += 1
    own = next((s for s in searched if s.index == six), None)
    classes = []
    for label in range(10):
        mine = [s for s in searched if s.label == label]
        found = [s.found.size for s in mine if s.found]
        classes.append(
            {
                "label": label,
                "searched": len(mine),
                "flipped": len(found),
                "never": len(mine) - len(found),
                "smallest": min(found, default=None),
                "median": float(np.median(found)) if found else None,
                "largest": max(found, default=None),
            }
        )
    medians = {
        c["label"]: c["median"] if c["flipped"] else np.inf for c in classes if c["searched"]
    }
    most = np.unravel_index(moves.argmax(), moves.shape)
    return {
        "per_class": config["per_class"],
        "all_images": config["per_class"] is None,
        "largest": config["largest"],
        "squares": sum((SIDE - side + 1) ** 2 for side in range(1, config["largest"] + 1)),
        "digit": digit,
        "searched": len(searched),
        "passed_over_as_wrongly_labelled": passed,
        "flipped": len(flipped),
        "never": len(searched) - len(flipped),
        "any_flipped": bool(flipped),
        "share_flipped": len(flipped) / len(searched),
        "smallest": int(sizes.min()) if flipped else None,
        "images_at_the_smallest": int((sizes == sizes.min()).sum()) if flipped else 0,
        "median": float(np.median(sizes)) if flipped else None,
        "largest_needed": int(sizes.max()) if flipped else None,
        "images_by_size": [int((sizes == k).sum()) for k in range(1, config["largest"] + 1)],
        "positions_evaluated_again": sum(s.recomputed for s in searched),
        "classes": classes,
        "easiest": [k for k, m in medians.items() if m == min(medians.values())],
        "hardest": [k for k, m in medians.items() if m == max(medians.values())],
        "moves": moves,
        "digit_searched": classes[digit]["searched"],
        "digit_flipped": classes[digit]["flipped"],
        "presumed": [
            {"label": label, "digits": int(moves[digit, label])}
            for label in PRESUMED
            if label != digit
        ],
        "most_frequent_move": {
            "from": int(most[0]), "to": int(most[1]), "images": int(moves.max()),
        },
        "most_frequent_new_label": int(moves.sum(axis=0).argmax()),
        "most_frequent_new_label_count": int(moves.sum(axis=0).max()),
        "own": _own(own, reached, digit),
    }  # fmt: skip


def _own(own: Searched | None, reached: list[dict] | None, digit: int) -> dict:
    if own is None:
        return {"searched": False}
    by_label = {entry["label"]: entry for entry in reached or []}
    presumed = [
        by_label.get(label, {"label": label, "smallest": None, "squares": 0})
        for label in PRESUMED
        if label != digit
    ]
    if own.found is None:
        return {"searched": True, "flips": False, "reached": [], "presumed": presumed}
    found = own.found
    return {
        "searched": True,
        "flips": True,
        "size": found.size,
        "row": found.row,
        "column": found.column,
        "new_label": found.label,
        "new_probability": found.p,
        "positions": found.positions,
        "reached": reached,
        "presumed": presumed,
    }


def draw(searched: list[Searched], images: np.ndarray, six: int, largest: int):
    """Smallest flipping sizes by class, and the digits themselves with their squares."""
    figure = figures.blank("wide", 78.0)
    _draw_sizes(figure, searched, largest)
    _draw_digits(figure, searched, images, six)
    return figure


def _draw_sizes(figure, searched: list[Searched], largest: int) -> None:
    """Above, the share of images changed by each size; below, the same class by class."""
    needed = max((s.found.size for s in searched if s.found), default=largest)
    largest = min(largest, needed + 1)  # beyond it the chart is empty
    counts = np.zeros((10, largest), dtype=int)
    for s in searched:
        if s.found:
            counts[s.label, s.found.size - 1] += 1
    of_class = np.maximum([sum(s.label == label for s in searched) for label in range(10)], 1)
    sizes = np.arange(1, largest + 1)
    left, width = 8.0, 76.0
    above = figures.panel(figure, left, 59.0, width, 14.0)
    above.bar(sizes, 100 * counts.sum(axis=0) / len(searched), color=figures.ACCENT, width=0.8)
    above.set(title="Smallest square that changes the label: % of the images", xticks=[])
    below = figures.panel(figure, left, 9.0, width, 48.0)
    share = counts / of_class[:, None]
    below.imshow(
        share, cmap=figures.INK, vmin=0.0, vmax=max(share.max(), 1e-9), aspect="auto",
        extent=(0.5, largest + 0.5, 9.5, -0.5), interpolation="none",
    )  # fmt: skip
    for label in range(10):
        found = [s.found.size for s in searched if s.label == label and s.found]
        if found:
            middle = float(np.median(found))
            below.plot([middle] * 2, [label - 0.42, label + 0.42], color=figures.WARM, lw=1.4)
        never = int(of_class[label]) - len(found) if any(s.label == label for s in searched) else 0
        if never:
            below.text(largest + 0.9, label, f"+{never}", va="center", fontsize=7)
    below.set(
        xlabel="side in pixels",
        ylabel="digit",
        yticks=range(10),
        xticks=[1, *range(5, largest + 1, 5)],
    )
    below.tick_params(axis="y", length=0)
    for axes in (above, below):
        axes.set_xlim(0.5, largest + 0.5)


def _draw_digits(figure, searched: list[Searched], images: np.ndarray, six: int) -> None:
    """The chosen digit and the easiest above, the most robust below, each with its square."""
    own = [s for s in searched if s.index == six]
    rest = sorted(
        (s for s in searched if s.index != six),
        key=lambda s: (s.found.size if s.found else np.inf, s.index),
    )
    easy = [*own, *rest[: 8 - len(own)]]
    hard = [s for s in rest if s not in easy][-4:]
    side, gap, left, first = 15.4, 2.0, 95.0, 54.0
    for n, s in enumerate([*easy, *hard]):
        row, column = divmod(n, 4) if n < len(easy) else (2, n - len(easy))
        at = left + column * (side + gap), first - row * (side + 4.6) - (row == 2) * 4.6
        axes = figures.panel(figure, *at, side, side)
        _draw_digit(axes, s, images[s.index, 0])
        if column == 0 and row in (0, 2):
            title = ("The chosen digit and the easiest", "", "The most robust")[row]
            axes.text(
                0.0, 1.33, title, fontsize=8, transform=axes.transAxes, va="bottom", color="#16202B"
            )


def _draw_digit(axes, s: Searched, image: np.ndarray) -> None:
    """The digit under its smallest flipping square, the old and the new label above."""
    if s.found is None:
        drawing.digit(axes, image)
        axes.set_title(f"{s.label}, never", fontsize=7, pad=2)
        return
    found = s.found
    covered = image.copy()
    # The ink under the square is left as a shadow, to show what is gone.
    covered[found.row : found.row + found.size, found.column : found.column + found.size] *= 0.3
    drawing.digit(axes, covered)
    place = (found.column - 0.5, found.row - 0.5), found.size, found.size
    axes.add_patch(
        figures.plt.Rectangle(*place, facecolor=figures.WARM, alpha=0.16, edgecolor="none")
    )
    axes.add_patch(figures.plt.Rectangle(*place, fill=False, edgecolor=figures.WARM, lw=0.9))
    axes.set_title(f"{s.label} → {found.label}", fontsize=7, pad=2)


def draw_moves(moves: np.ndarray):
    """Images of each true label × the new label that their smallest square gives them."""
    figure, axes = figures.new("text", 56.0)
    axes.imshow(moves, cmap=figures.INK, vmin=0, vmax=max(1, moves.max()))
    for was, new in np.ndindex(moves.shape):
        if moves[was, new]:
            axes.text(
                new, was, str(moves[was, new]), ha="center", va="center", fontsize=7,
                color="white" if moves[was, new] > 0.5 * moves.max() else "black",
            )  # fmt: skip
    axes.set(xlabel="new label", ylabel="true label", xticks=range(10), yticks=range(10))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen, occlusion = config["patch_search"], config["occlusion"]
    torch.set_num_threads(1)
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    six = storage.example_of(digits, occlusion["digit"], occlusion["example"], "occlusion.example")
    images, labels = digits.test_images, digits.test_labels
    given = cnn.predict(network, images).argmax(axis=1)
    indices, passed = chosen_images(labels, given, chosen["per_class"], six)
    if not indices:
        raise InputError(
            "the network labels no test image rightly, so no label can be changed; "
            "train it for more epochs",
            key="classifier.epochs",
        )
    # The kept part of an interrupted run is no input of the rule, so it counts only if all that
    # the rule depends on is equal.
    key = resume.key(
        fingerprint.lines(Path("analysis/patch_search.py"), config, ROOT),
        Path(inputs.model).read_bytes(),
        images[indices].tobytes(),
    )
    arguments = (str(inputs.model), config["classifier"], chosen["largest"])
    records = search(indices, images, key, arguments, processes.count())
    searched = searched_of(records, labels)
    reached = None
    if six in indices:
        sweep = SizeSweep(network, sizes=range(1, chosen["largest"] + 1), fill=0.0)
        reached = anywhere(sweep(images[six], occlusion["digit"]))
    values = measure(searched, passed, six, chosen, occlusion["digit"], reached)
    measurements.write(outputs.measurements, values)
    figures.save(draw(searched, images, six, chosen["largest"]), outputs.figure)
    figures.save(draw_moves(values["moves"]), outputs.moves)
