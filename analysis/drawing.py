"""What the figures of this report draw: digits, maps of labels and probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from workings import figures

PROBABILITY = matplotlib.colormaps["viridis"]
# Ten labels that stay apart in print; the digit is printed on top in any case.
LABELS = ListedColormap(
    ["#0B5C8A", "#B4472E", "#5B7F2B", "#8A5A9E", "#B98A1F",
     "#4B8E8D", "#3D4B66", "#C46F95", "#8B6B4A", "#9AA3AF"]
)  # fmt: skip


def digit(axes: Axes, image: np.ndarray, factor: int = 12):
    """Draw a digit, rows × columns in 0…1, dark ink on white paper."""
    return figures.pixels(axes, image, factor, cmap=figures.INK, vmin=0.0, vmax=1.0)


def extent(rows: np.ndarray, columns: np.ndarray) -> tuple[float, float, float, float]:
    """The edges of a map whose cells are centred on these evenly spaced rows and columns."""
    down, across = ((at[1] - at[0]) / 2 if len(at) > 1 else 0.5 for at in (rows, columns))
    return columns[0] - across, columns[-1] + across, rows[-1] + down, rows[0] - down


def on_label(label: int) -> str:
    """The ink that reads best on the colour of `label`."""
    return "black" if label == 9 else "white"


def labels(
    axes: Axes, given: np.ndarray, places: Mapping[int, tuple[float, float]], **options
) -> None:
    """Draw a map of labels, R × C, in their colours, each printed once at its (row, column)."""
    enlarged = np.kron(given, np.ones((8, 8)))
    axes.imshow(enlarged, cmap=LABELS, vmin=-0.5, vmax=9.5, **options)
    for label, (row, column) in places.items():
        axes.text(
            column, row, str(label), ha="center", va="center", fontsize=8,
            color=on_label(label), weight="bold",
        )  # fmt: skip


def over_digit(axes: Axes, image: np.ndarray) -> None:
    """Set a map over the whole of the digit's picture, with the digit's outline on it."""
    figures.bare(axes)
    axes.contour(image, levels=[0.5], colors="white", linewidths=0.6, alpha=0.9)
    axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    axes.set_facecolor("#E5E7EB")
