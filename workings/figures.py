"""Figures at their exact final size, in the document's sans serif, the same bytes every time.

Widths follow the page of the report's document class: ``text`` is a column of text, ``wide`` whatever
the page has, ``margin`` the margin column, or a small figure. A figure is never scaled by LaTeX.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("pdf")

import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter

from workings import classes
from workings.messages import InputError

MM = 1 / 25.4  # inches
# Millimetres. The runner names the class, in its layout, before a job imports this.
MARK = os.environ.get("WORKINGS_MARK", ".")
WIDTHS = classes.look_up(os.environ.get("WORKINGS_CLASS", classes.HOUSE)).widths

ACCENT = "#0B5C8A"
WARM = "#B4472E"  # the accent's counterpart: negative weights, the other of two curves
GREY = "#6B7280"
CYCLE = [ACCENT, WARM, "#5B7F2B", "#8A5A9E", "#B98A1F", "#3D3D3D"]
SIGNED = LinearSegmentedColormap.from_list(
    "signed", [WARM, "#E9B9A6", "#F7F6F3", "#A9C8DC", ACCENT]
)
INK = LinearSegmentedColormap.from_list("ink", ["#FFFFFF", "#16202B"])
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
    """Write the figure as PDF or PNG without a date, and close it; numbers have the report's mark.

    Raises:
        InputError: its words hold a letter that its typefaces do not have.
    """
    for axes in figure.axes if MARK != "." else ():
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(_Marked(axis.get_major_formatter()))
            axis.set_minor_formatter(_Marked(axis.get_minor_formatter()))
    ending = Path(path).suffix
    metadata = {"CreationDate": None} if ending == ".pdf" else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph .* missing from")
        try:
            figure.savefig(path, metadata=metadata)
        except UserWarning as warning:
            letter = chr(int(re.findall(r"\d+", str(warning))[0]))
            raise InputError(
                f"{path}: the words of the figure hold {letter!r} (U+{ord(letter):04X}), which its "
                "typefaces do not have; name one that has it in plt.rcParams['font.family']"
            ) from None
    plt.close(figure)


class _Marked(Formatter):
    """Ticks as another formatter names them, with the decimal mark of the report's language."""

    def __init__(self, other: Formatter) -> None:
        self.other = other

    def set_locs(self, locs: list[float]) -> None:
        self.other.set_locs(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return number(self.other(x, pos))

    def get_offset(self) -> str:
        return number(self.other.get_offset())


def number(text: str) -> str:
    """A number in a text of the figure, such as f"{mean:.2f}", with the report's decimal mark."""
    texts_and_formulas = text.split(
        "$"
    )  # in formulas a comma ends a clause, unless it is in braces
    for place, part in enumerate(texts_and_formulas):
        mark = MARK if place % 2 == 0 or MARK == "." else f"{{{MARK}}}"
        found = re.sub(r"(?<![\d.])(\d+)\.(\d+)(?!\.?\d)", rf"\1{mark}\2", part)
        texts_and_formulas[place] = found
    return "$".join(texts_and_formulas)


def pixels(axes: Axes, image: np.ndarray, factor: int = 12, **options):
    """Draw a small image, rows × columns, enlarged by a whole factor so that no viewer blurs it."""
    rows, columns = image.shape[:2]
    enlarged = np.kron(image, np.ones((factor, factor)))  # (rows·factor, columns·factor)
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    drawn = axes.imshow(enlarged, extent=extent, interpolation="none", **options)
    bare(axes)
    return drawn


def signed(scale: float) -> dict[str, Any]:
    """The colours of signed numbers: the diverging map, centred on 0, from −scale to +scale."""
    return {"cmap": SIGNED, "vmin": -scale, "vmax": scale}


def bare(axes: Axes) -> None:
    """No ticks; a hairline frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set(visible=True, linewidth=0.4, color="#9CA3AF")
