"""Occlusion maps (Zeiler and Fergus 2014, *Visualizing and Understanding Convolutional Networks*).

A square patch is laid over a square image at every position of a grid, and the network's class
probabilities are noted for each.

    o = Occluder(network, patch=8, stride=1, fill=0.0)(image, label)
    o.p_true, o.p_max, o.predicted          # (R, R) each; patch's top left at o.starts
    found = PatchSearch(network)(image)
    found.size, found.row, found.column, found.label     # or None: no square changes the label

`SizeSweep` makes the maps of squares of several sizes at once. `occlude_dense` runs the whole
network at every position: the reference for everything else here.
"""

from .dense import MARGIN, FlippingPatch, Occlusion, OcclusionError, covers_none, occlude_dense
from .maps import Occluder, PatchSearch, SizeSweep

__all__ = [
    "MARGIN",
    "FlippingPatch",
    "Occluder",
    "Occlusion",
    "OcclusionError",
    "PatchSearch",
    "SizeSweep",
    "covers_none",
    "occlude_dense",
]
