"""Where the probability falls under a patch: the centre of mass of the drop, and the part of the ink."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from analysis.maths.occlusion import Occlusion
from workings.measurements import Record, record

VERTICAL = ("upper", "middle", "lower")
HORIZONTAL = ("left", "central", "right")


def centres(start: np.ndarray, size: int) -> np.ndarray:
    """The patch's centre in pixels, from its first row (or column)."""
    return start + (size - 1) / 2


def third(position: float, ink: np.ndarray) -> int:
    """0, 1 or 2: the third of the ink's extent (its rows, or columns) that `position` is in."""
    first, last = ink.min() - 0.5, ink.max() + 0.5
    return int(np.clip(3 * (position - first) / (last - first), 0, 2))


def to_border(position: float, ink: np.ndarray) -> float:
    """How far `position` is from the nearer of the two borders between the thirds."""
    borders = np.linspace(ink.min() - 0.5, ink.max() + 0.5, 4)[1:3]
    return float(np.abs(position - borders).min())


def peak_of(drop: np.ndarray, at: np.ndarray) -> tuple[float, float]:
    """The row and the column of the patch's centre where the drop is largest."""
    row, column = np.unravel_index(drop.argmax(), drop.shape)
    return float(at[row]), float(at[column])


def hot_spot(drop: np.ndarray, at: np.ndarray, image: np.ndarray) -> Record:
    """Where the probability falls most: the peak of the drop, and the part of the ink there.

    Beside it stands the centre of mass, which leans to the middle where the drop is wide:

        Σ max(d, 0) · (row, column) / Σ max(d, 0),     d = p(clean) − p(patch)

    Args:
        drop: d at each position, R × R.
        at: the patch's centre at each position, along rows as along columns, in pixels, R.
        image: the digit, 28 × 28.

    Returns:
        `part`, say "upper right" (None: it falls nowhere), and then row, column and the rest.
    """
    weight = np.maximum(drop, 0.0)
    total = weight.sum()
    if total == 0:
        return record(part=None)
    row, column = peak_of(drop, at)
    centre = [float((weight.sum(axis=1 - axis) * at).sum() / total) for axis in (0, 1)]
    ink = np.nonzero(image > 0)
    peak, middle = part_of(row, column, ink), part_of(*centre, ink)
    return record(
        peak,
        part=" ".join(peak.values()),
        row=row,
        column=column,
        centre_row=centre[0],
        centre_column=centre[1],
        centre_part=" ".join(middle.values()),
        centre_to_border=min(map(to_border, centre, ink)),
        share_of_positions_above_half_drop=float((drop >= 0.5 * drop.max()).mean()),
    )


def part_of(row: float, column: float, ink: tuple[np.ndarray, np.ndarray]) -> Record:
    """The third of the ink's height and of its width, in words, that a place is in.

    Args:
        row, column: the place, in pixels.
        ink: the rows and the columns of the inked pixels.
    """
    return record(
        vertical=VERTICAL[third(row, ink[0])], horizontal=HORIZONTAL[third(column, ink[1])]
    )


def label_places(map_: Occlusion) -> dict[int, tuple[float, float]]:
    """Where each label of a map is best printed: (row, column), as far from its border as any."""
    places, middles = {}, centres(map_.starts, map_.patch)
    for label in np.unique(map_.predicted):
        depth = distance_transform_edt(np.pad(map_.predicted == label, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        places[int(label)] = middles[row], middles[column]
    return places
