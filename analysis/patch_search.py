"""Find the smallest black square that changes the label, over all sizes and all places."""

from types import SimpleNamespace

import numpy as np

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import MARGIN, Occlusion, SizeSweep
from analysis.patch_search_part import SIDE, Searched, together
from workings import figures, measurements
from workings.measurements import Record, record

PRESUMED = (4, 0)  # what the original report expected its 6 to become


def passed_over(labels: np.ndarray, given: np.ndarray, per_class: int | None) -> int:
    """How many wrongly labelled images stand before the last that is chosen of their class."""
    right = [given[labels == label] == label for label in range(10)]
    return sum(int((~r & (r.cumsum() < (per_class or np.inf))).sum()) for r in right)


def anywhere(sweep: list[Occlusion]) -> list[Record]:
    """Every label that some square of some size at some place gives, other than the image's own.

    Returns one record per label: the smallest size that gives it, and the number of squares.
    """
    sizes: dict[int, list[int]] = {}  # of each square that gives the label
    for map_ in sweep:
        for label in map_.predicted[map_.changed].tolist():
            sizes.setdefault(label, []).append(map_.patch)
    return [
        record(label=label, smallest=min(found), squares=len(found))
        for label, found in sorted(sizes.items())
    ]


def measure(
    searched: list[Searched],
    passed: int,
    six: int,
    largest: int,
    digit: int,
    reached: list[Record] | None = None,
    blank: np.ndarray | None = None,
) -> Record:
    """How many can be flipped, at which size, to which label, and what became of the chosen digit.

    `reached` is what `anywhere` says of the chosen digit; None when the network mislabels it.
    `blank` are the probabilities of a picture without ink.
    """
    flipped = [s for s in searched if s.found]
    sizes = np.array([s.found.size for s in flipped])
    moves = np.zeros((10, 10), dtype=int)
    for s in flipped:
        moves[s.label, s.found.label] += 1
    own = next((s for s in searched if s.index == six), None)
    classes = [_of_class(label, searched) for label in range(10)]
    medians = {
        c["label"]: c["median"] if c["flipped"] else np.inf for c in classes if c["searched"]
    }
    median = float(np.median(sizes)) if flipped else None
    by_chance = np.mean([s.by_chance or (False,) * largest for s in searched], axis=0)  # by side
    most = np.unravel_index(moves.argmax(), moves.shape)
    return record(
        margin=MARGIN,
        squares=sum((SIDE - side + 1) ** 2 for side in range(1, largest + 1)),
        searched=len(searched),
        passed_over_as_wrongly_labelled=passed,
        flipped=len(flipped),
        never=len(searched) - len(flipped),
        share_flipped=len(flipped) / len(searched),
        smallest=sizes.min() if flipped else None,
        images_at_the_smallest=(sizes == sizes.min()).sum() if flipped else 0,
        median=median,
        share_of_the_area=(median / SIDE) ** 2 if flipped else None,
        blank=None if blank is None else _blank(blank, searched),
        by_side=[
            record(side=side, smallest=(sizes <= side).sum() / len(searched), chance=chance)
            for side, chance in enumerate(by_chance, start=1)
        ],
        chance_at_median=by_chance[int(median) - 1] if flipped else None,
        search_at_median=(sizes <= int(median)).sum() / len(searched) if flipped else None,
        side_where_chance_is_half=next(
            (side for side, share in enumerate(by_chance, start=1) if share >= 0.5), None
        ),
        rank_correlation=_rank_correlation([s.margin for s in flipped], sizes),
        largest_needed=sizes.max() if flipped else None,
        positions_evaluated_again=sum(s.recomputed for s in searched),
        classes=classes,
        easiest=[k for k, m in medians.items() if m == min(medians.values())],
        hardest=[k for k, m in medians.items() if m == max(medians.values())],
        moves=moves,
        digit_searched=classes[digit]["searched"],
        digit_flipped=classes[digit]["flipped"],
        presumed=[
            record(label=label, digits=moves[digit, label]) for label in PRESUMED if label != digit
        ],
        most_frequent_move=record({"from": most[0]}, to=most[1], images=moves.max()),
        most_frequent_new_label=moves.sum(axis=0).argmax(),
        most_frequent_new_label_count=moves.sum(axis=0).max(),
        own=_own(own, reached, digit),
    )


def _blank(p: np.ndarray, searched: list[Searched]) -> Record:
    """What the network says of a picture without ink, and how many images have that label anyway."""
    label = int(p.argmax())
    same = sum(s.label == label for s in searched)
    return record(label=label, probability=p.max(), images=same)


def _rank_correlation(a: list[float], b: np.ndarray) -> float | None:
    """Spearman's: the correlation of the ranks, equal values sharing theirs; None where none varies."""
    ranks = [np.unique(v, return_inverse=True, return_counts=True) for v in (a, b)]
    shared = [(np.cumsum(n) - n / 2)[where] for _, where, n in ranks]
    if not len(b) or any(np.ptp(r) == 0 for r in shared):
        return None
    return float(np.corrcoef(*shared)[0, 1])


def _of_class(label: int, searched: list[Searched]) -> Record:
    mine = [s for s in searched if s.label == label]
    found = [s.found.size for s in mine if s.found]
    return record(
        label=label,
        searched=len(mine),
        flipped=len(found),
        never=len(mine) - len(found),
        smallest=min(found, default=None),
        median=float(np.median(found)) if found else None,
        largest=max(found, default=None),
    )


def _own(own: Searched | None, reached: list[Record] | None, digit: int) -> Record:
    if own is None:
        return record(searched=False)
    by_label = {entry["label"]: entry for entry in reached or []}
    values = record(
        searched=True,
        flips=own.found is not None,
        reached=reached or [],
        presumed=[
            by_label.get(label, record(label=label, smallest=None, squares=0))
            for label in PRESUMED
            if label != digit
        ],
        squares_that_change=sum(entry["squares"] for entry in reached or []),
    )
    if found := own.found:
        values |= record(
            size=found.size,
            row=found.row,
            column=found.column,
            new_label=found.label,
            new_probability=found.p,
            positions=found.positions,
        )
    return values


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
    place = found.row, found.column, found.size
    drawing.box(axes, *place, fill=True, facecolor=figures.WARM, alpha=0.16, edgecolor="none")
    drawing.box(axes, *place, lw=0.9)
    if found.size <= 2:  # too small to be seen without a ring
        middle = found.column + (found.size - 1) / 2, found.row + (found.size - 1) / 2
        axes.plot(*middle, "o", ms=9, mfc="none", mec=figures.WARM, mew=1.0, clip_on=False)
    axes.set_title(f"{s.label} → {found.label}", fontsize=7, pad=2)


def draw_margin(searched: list[Searched], by_side: list[Record]):
    """Left, the search against a random square of each side; right, the side against the margin."""
    figure, (left, right) = figures.new("text", 46.0, ncols=2)
    sides = [row["side"] for row in by_side]
    left.plot(sides, [100 * row["smallest"] for row in by_side], color=figures.ACCENT)
    left.plot(sides, [100 * row["chance"] for row in by_side], "--", color=figures.WARM)
    left.set(title="Label changed: % of the images", xlabel="side in pixels", ylim=(0, 104))
    for key, words, at in (("smallest", "some square", 0.75), ("chance", "one at random", 0.4)):
        values = np.array([row[key] for row in by_side])
        place = int(np.argmax(values >= at)) if (values >= at).any() else len(values) - 1
        left.annotate(
            words, (sides[place], 100 * values[place]), (5, -3), textcoords="offset points", va="top",
            fontsize=7,
        )  # fmt: skip
    flipped = [s for s in searched if s.found]
    shift = 0.3 * np.sin(np.arange(len(flipped)))  # so that equal sides do not hide each other
    right.plot(
        [s.margin for s in flipped], [s.found.size for s in flipped] + shift, ".", ms=2, mew=0,
        color=figures.ACCENT, alpha=0.5,
    )  # fmt: skip
    right.set(title="Side needed", xlabel="margin, powers of ten")
    return figure


def draw_moves(moves: np.ndarray):
    """Images of each true label × the new label that their smallest square gives them."""

    def ink(was: int, new: int) -> str:
        return "white" if moves[was, new] > 0.5 * moves.max() else "black"

    colours = {"cmap": figures.INK, "vmin": 0, "vmax": max(1, moves.max())}
    return drawing.label_table(moves, moves, 56.0, "new label", ink, **colours)


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen, occlusion = config["patch_search"], config["occlusion"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    six = storage.example_of(digits, occlusion["digit"], occlusion["example"], "occlusion.example")
    images, labels = digits.test_images, digits.test_labels
    given = cnn.predict(network, images).argmax(axis=1)
    passed = passed_over(labels, given, chosen["per_class"])
    searched = together(inputs.parts)
    reached = None
    if given[six] == labels[six]:
        sweep = SizeSweep(network, sizes=range(1, chosen["largest"] + 1), fill=0.0)
        reached = anywhere(sweep(images[six], occlusion["digit"]))
    blank = cnn.predict(network, np.zeros_like(images[:1]))[0]
    values = measure(searched, passed, six, chosen["largest"], occlusion["digit"], reached, blank)
    measurements.write(outputs.measurements, values)
    figures.save(draw(searched, images, six, chosen["largest"]), outputs.figure)
    figures.save(draw_margin(searched, values["by_side"]), outputs.margin)
    figures.save(draw_moves(values["moves"]), outputs.moves)
