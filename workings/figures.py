"""Figures at their exact final size, in the document's sans serif, the same bytes every time.

Widths follow the page: ``text`` is the text column, ``wide`` the text and the margin column
together, ``margin`` the margin column. A figure is never scaled by LaTeX.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("pdf")

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

MM = 1 / 25.4  # inches
WIDTHS = {"text": 112.0, "wide": 163.0, "margin": 45.0}  # millimetres

ACCENT = "#0B5C8A"
WARM = "#B4472E"  # the accent's counterpart: negative weights, the other of two curves
GREY = "#6B7280"
CYCLE = [ACCENT, WARM, "#5B7F2B", "#8A5A9E", "#B98A1F", "#3D3D3D"]
SIGNED = LinearSegmentedColormap.from_list(
    "signed", [WARM, "#E9B9A6", "#F7F6F3", "#A9C8DC", ACCENT]
)
PROBABILITY: Colormap = matplotlib.colormaps["viridis"]
INK = LinearSegmentedColormap.from_list("ink", ["#FFFFFF", "#16202B"])
# Ten labels that stay apart in print; the digit is printed on top in any case.
LABELS = ListedColormap(
    ["#0B5C8A", "#B4472E", "#5B7F2B", "#8A5A9E", "#B98A1F",
     "#4B8E8D", "#3D4B66", "#C46F95", "#8B6B4A", "#9AA3AF"]
)  # fmt: skip

_HERE = Path(__file__).parent / "style"
for _font in sorted((_HERE / "fonts").glob("*.ttf")):
    font_manager.fontManager.addfont(str(_font))
plt.style.use(_HERE / "workings.mplstyle")


def new(width: str = "text", height: float = 60.0, **grid) -> tuple[Figure, np.ndarray | Axes]:
    """A figure `height` millimetres high with the axes that ``plt.subplots(**grid)`` gives."""
    return plt.subplots(figsize=(WIDTHS[width] * MM, height * MM), layout="constrained", **grid)


def blank(width: str, height: float) -> Figure:
    """An empty figure `height` millimetres high, for axes placed by `panel`."""
    return plt.figure(figsize=(WIDTHS[width] * MM, height * MM))


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at an exact place of the figure, all in millimetres."""
    across, up = figure.get_size_inches() / MM
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def save(figure: Figure, path: str | Path) -> None:
    """Write the figure as PDF or PNG without a date, and close it."""
    ending = Path(path).suffix
    metadata = {"CreationDate": None} if ending == ".pdf" else {}
    figure.savefig(path, metadata=metadata)
    plt.close(figure)


def pixels(axes: Axes, image: np.ndarray, factor: int = 12, **options):
    """Draw a small image, rows × columns, enlarged by a whole factor so that no viewer blurs it."""
    rows, columns = image.shape[:2]
    enlarged = np.kron(image, np.ones((factor, factor)))  # (rows·factor, columns·factor)
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    drawn = axes.imshow(enlarged, extent=extent, interpolation="none", **options)
    bare(axes)
    return drawn


def digit(axes: Axes, image: np.ndarray, factor: int = 12):
    """Draw a digit, rows × columns in 0…1, dark ink on white paper."""
    return pixels(axes, image, factor, cmap=INK, vmin=0.0, vmax=1.0)


def signed(axes: Axes, image: np.ndarray, scale: float, factor: int = 12):
    """Draw signed weights on the diverging map, centred on 0, from −scale to +scale."""
    return pixels(axes, image, factor, cmap=SIGNED, vmin=-scale, vmax=scale)


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
    bare(axes)
    axes.contour(image, levels=[0.5], colors="white", linewidths=0.6, alpha=0.9)
    axes.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    axes.set_facecolor("#E5E7EB")


def bare(axes: Axes) -> None:
    """No ticks; a hairline frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set(visible=True, linewidth=0.4, color="#9CA3AF")
