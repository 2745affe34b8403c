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


def hot_spot(drop: np.ndarray, rows: np.ndarray, columns: np.ndarray, image: np.ndarray) -> Record:
    """Where the probability falls: the centre of mass of the drop, and the part of the ink there.

        r = Σ max(d, 0) · (row, column) / Σ max(d, 0),     d = p(clean) − p(patch)

    Args:
        drop: d at each position, R × C.
        rows, columns: the patch's centre at each position, in pixels, R and C.
        image: the digit, 28 × 28.

    Returns:
        `part`, say "upper right" (None: it falls nowhere), and then row, column and the rest.
    """
    weight = np.maximum(drop, 0.0)
    total = weight.sum()
    if total == 0:
        return record(part=None)
    row = float((weight.sum(axis=1) * rows).sum() / total)
    column = float((weight.sum(axis=0) * columns).sum() / total)
    ink = np.nonzero(image > 0)
    half = drop >= 0.5 * drop.max()
    third_of_ink = part_of(row, column, ink)
    return record(
        third_of_ink,
        part=" ".join(third_of_ink.values()),
        row=row,
        column=column,
        share_of_positions_above_half_drop=float(half.mean()),
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
