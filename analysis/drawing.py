"""What the figures of this report draw: digits, maps of labels and probabilities."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from workings import figures

# Ten labels that stay apart in print; the digit is printed on top in any case.
LABELS = ListedColormap(
    ["#0B5C8A", "#B4472E", "#5B7F2B", "#8A5A9E", "#B98A1F",
     "#4B8E8D", "#3D4B66", "#C46F95", "#8B6B4A", "#9AA3AF"]
)  # fmt: skip
LABEL_COLOURS = {"cmap": LABELS, "vmin": -0.5, "vmax": 9.5}


def digit(axes: Axes, image: np.ndarray, factor: int = 12):
    """Draw a digit, rows × columns in 0…1, dark ink on white paper."""
    return figures.pixels(axes, image, factor, cmap=figures.INK, vmin=0.0, vmax=1.0)


def over_digit(
    axes: Axes, values: np.ndarray, at: np.ndarray, ink: np.ndarray, level: float = 0.5, **options
):
    """Draw a map, R × R, over the whole picture of a digit, with the outline of its ink.

    Args:
        at: the centre of each cell, evenly spaced along rows as along columns, in pixels, R.
        ink: the digit, rows × columns; it is outlined at `level`.
    """
    half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.5
    low, high = at[0] - half, at[-1] + half
    drawn = axes.imshow(
        np.kron(values, np.ones((8, 8))),
        extent=(low, high, high, low),
        interpolation="none",
        **options,
    )
    figures.bare(axes)
    if ink.max() > level > 0:
        axes.contour(ink, levels=[level], colors="white", linewidths=0.6, alpha=0.9)
    axes.set(xlim=(-0.5, ink.shape[1] - 0.5), ylim=(ink.shape[0] - 0.5, -0.5))
    axes.set_facecolor("#E5E7EB")
    return drawn


def on_label(label: int) -> str:
    """The ink that reads best on the colour of `label`."""
    return "black" if label == 9 else "white"


def labels_over_digit(
    axes: Axes, given: np.ndarray, places: Mapping[int, tuple[float, float]], *where
) -> None:
    """Draw a map of labels in their colours, each printed once at its (row, column)."""
    over_digit(axes, given, *where, **LABEL_COLOURS)
    for label, (row, column) in places.items():
        axes.text(
            column, row, str(label), ha="center", va="center", fontsize=8,
            color=on_label(label), weight="bold",
        )  # fmt: skip


def box(axes: Axes, row: int, column: int, side: int, **look) -> None:
    """Frame a square of pixels whose first is (row, column)."""
    place = (column - 0.5, row - 0.5), side, side
    axes.add_patch(
        figures.plt.Rectangle(*place, **{"fill": False, "edgecolor": figures.WARM} | look)
    )


def scale_below(figure, drawn, left: float, bottom: float, width: float) -> None:
    """The colour scale of what was drawn, lying at this place of the figure, in millimetres."""
    panel = figures.panel(figure, left, bottom, width, 2.0)
    figure.colorbar(drawn, cax=panel, orientation="horizontal").outline.set_visible(False)


def frameless(axes: Axes) -> None:
    """No frame and no tick marks; the ticks keep their labels."""
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def label_table(
    counts: np.ndarray, shaded: np.ndarray, height: float, across: str, ink: Callable, **colours
):
    """A figure of ten by ten counts, true label × another, over cells shaded by other numbers.

    `ink(row, column)` is the colour of a count.
    """
    figure, axes = figures.new("text", height)
    axes.imshow(shaded, **colours)
    for row, column in np.argwhere(counts):
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center", fontsize=7,
            color=ink(row, column),
        )  # fmt: skip
    axes.set(xlabel=across, ylabel="true label", xticks=range(10), yticks=range(10))
    frameless(axes)
    return figure


def in_rows(pictures: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Pictures, N × h × w, row by row as rows × columns × h × w; places left over are empty (NaN)."""
    places = np.full((rows * columns, *pictures.shape[1:]), np.nan)
    places[: len(pictures)] = pictures
    return places.reshape(rows, columns, *pictures.shape[1:])


def montage(pictures: np.ndarray, gap: int = 1) -> np.ndarray:
    """Pictures, R × C × h × w, as one with `gap` empty (NaN) pixels between neighbours."""
    margin = (0, 0), (0, 0), (0, gap), (0, gap)
    padded = np.pad(pictures.astype(float), margin, constant_values=np.nan)
    rows, columns, height, width = padded.shape
    return padded.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)[:-gap, :-gap]
