"""What the figures of this report draw: digits, maps of labels and probabilities."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from workings import figures

# Ten labels that stay apart in print; the digit is printed on top in any case.
LABELS = ListedColormap(
    ["#0B5C8A", "#B4472E", "#5B7F2B", "#8A5A9E", "#B98A1F",
     "#4B8E8D", "#3D4B66", "#C46F95", "#8B6B4A", "#9AA3AF"]
)  # fmt: skip
LABEL_COLOURS = {"cmap": LABELS, "vmin": -0.5, "vmax": 9.5}
# How much of a probability is lost: white nothing, dark all of it. One scale in all figures.
DROP = LinearSegmentedColormap.from_list("drop", ["#FFFFFF", "#EDC3AE", "#B4472E", "#3F0E08"])
LOST = {"cmap": DROP, "vmin": 0.0, "vmax": 1.0}


def digit(axes: Axes, image: np.ndarray, factor: int = 12):
    """Draw a digit, rows × columns in 0…1, dark ink on white paper."""
    return figures.pixels(axes, image, factor, cmap=figures.INK, vmin=0.0, vmax=1.0)


def over_digit(
    axes: Axes, values: np.ndarray, at: np.ndarray, ink: np.ndarray, level: float = 0.5, look=LOST
):
    """Draw a map, R × R, over the whole picture of a digit, with the outline of its ink.

    Args:
        at: the centre of each cell, evenly spaced along rows as along columns, in pixels, R.
        ink: the digit, rows × columns; it is outlined at `level`.
        look: the colours, of what is lost or of labels.
    """
    half = (at[1] - at[0]) / 2 if len(at) > 1 else 0.5
    low, high = at[0] - half, at[-1] + half
    drawn = axes.imshow(
        np.kron(values, np.ones((8, 8))),
        extent=(low, high, high, low),
        interpolation="none",
        **look,
    )
    figures.bare(axes)
    if ink.max() > level > 0:
        colour = "#16202B" if look is LOST else "white"
        outline = axes.contour(ink, levels=[level], colors=colour, linewidths=0.5)
        outline.set_path_effects([withStroke(linewidth=1.3, foreground="#FFFFFF80")])
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
    over_digit(axes, given, *where, look=LABEL_COLOURS)
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


def frames(axes: Axes, corners: np.ndarray, sides: tuple[float, float]) -> None:
    """A hairline around each of many small pictures: their upper left corners, N × 2, and sides."""
    boxes = [figures.plt.Rectangle(corner, *sides) for corner in corners]
    look = {"facecolor": "none", "edgecolor": "#9CA3AF", "linewidth": 0.3, "clip_on": False}
    axes.add_collection(PatchCollection(boxes, **look))


def scale_above(figure, axes: Axes, drawn, ends: tuple[str, str]) -> None:
    """A small scale of what was drawn, above the right end of the axes, at the height of their title."""
    inset = axes.inset_axes((0.72, 1.0, 0.2, 0.0))
    inset.set_axes_locator(_above(axes))
    bar = figure.colorbar(drawn, cax=inset, orientation="horizontal", ticks=[])
    bar.outline.set(linewidth=0.4, edgecolor="#9CA3AF")
    for x, end, side in ((-0.04, ends[0], "right"), (1.04, ends[1], "left")):
        inset.text(x, 0.5, end, transform=inset.transAxes, ha=side, va="center", fontsize=7)


def _above(axes: Axes):
    """Places the scale 1 to 3 mm above the axes, whatever their height."""

    def locate(_axes, _renderer):
        box = axes.get_position(original=False)
        width, height = axes.figure.get_size_inches() / figures.MM  # mm
        right = box.x1 - 8.0 / width
        return Bbox.from_extents(
            right - 18.0 / width, box.y1 + 1.2 / height, right, box.y1 + 3.0 / height
        )

    return locate


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
