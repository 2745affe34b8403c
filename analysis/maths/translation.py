"""Shift images on their frame, count what is lost, and say how far a label holds.

Images are float arrays, (..., rows, columns); 0 is empty paper.  Shifts are whole pixels, positive
down and right.
"""

import numpy as np


def shift(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """The images moved by whole pixels; empty paper comes in, what leaves the frame is gone.

    y[i, j] = x[i - down, j - right] where that is in the frame, else 0.
    """
    rows, columns = images.shape[-2:]
    around = [(0, 0)] * (images.ndim - 2) + [(abs(down),) * 2, (abs(right),) * 2]
    top, left = abs(down) - down, abs(right) - right
    return np.pad(images, around)[..., top : top + rows, left : left + columns]


def ink_outside(
    images: np.ndarray, down: int, right: int, read: np.ndarray | None = None
) -> np.ndarray:
    """The share of each image's ink that the shift takes away, 0..1, shape images.shape[:-2].

    Ink counts as taken away when it leaves the frame; with `read` (bool, whether a row, and whether
    a column, is read) also when it comes to lie on one that nobody reads.
    An image with no ink loses none.
    """
    read = np.ones(images.shape[-1], bool) if read is None else read
    kept = shift(images, down, right) * np.outer(read, read)
    total = images.sum(axis=(-2, -1), dtype=np.float64)
    left = kept.sum(axis=(-2, -1), dtype=np.float64)
    return np.where(total > 0, 1 - left / np.where(total > 0, total, 1), 0.0)


def reach(labels: np.ndarray, label: np.ndarray | int) -> np.ndarray:
    """How many steps the label holds without a gap from the first on, (...) for labels (S, ...).

    ``labels[s]`` is the label after s steps in one direction, s = 0, 1, ...; -1 where it is wrong
    already with no shift.
    """
    holds = np.logical_and.accumulate(labels == label, axis=0)  # (S, ...)
    return holds.sum(axis=0) - 1
