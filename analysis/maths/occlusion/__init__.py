"""Occlusion maps (Zeiler and Fergus 2014, *Visualizing and Understanding Convolutional Networks*).

A patch of h x w pixels is laid over an image at every position of a grid, and the network's class
probabilities are noted for each.

    o = occlude(network, image, label, patch=(8, 8), stride=1, fill=0.0)
    o.p_true, o.p_max, o.predicted          # (R, C) each; patch's top left at o.rows, o.columns
    found = smallest_flipping_patch(network, image)
    found.size, found.row, found.column, found.label     # or None: no square changes the label

For many images make an `Occluder`, a `SizeSweep` (squares of several sizes at once) or a
`PatchSearch` once and call it for each image; `occlude_into` fills arrays (memory-mapped ones, if so wished).  `attribution` folds a map into the
per-pixel average that captum's ``Occlusion.attribute`` reports.

`occlude_dense` and `smallest_flipping_patch_dense` take the same arguments and run the whole
network at every position: the reference for everything else here.
"""

from .dense import (
    MARGIN,
    FlippingPatch,
    Occlusion,
    OcclusionError,
    attribution,
    covers_none,
    occlude_dense,
    smallest_flipping_patch_dense,
)
from .maps import (
    Occluder,
    OcclusionWarning,
    PatchSearch,
    SizeSweep,
    occlude,
    occlude_into,
    smallest_flipping_patch,
)

__all__ = [
    "MARGIN",
    "FlippingPatch",
    "Occluder",
    "Occlusion",
    "OcclusionError",
    "OcclusionWarning",
    "PatchSearch",
    "SizeSweep",
    "attribution",
    "covers_none",
    "occlude",
    "occlude_dense",
    "occlude_into",
    "smallest_flipping_patch",
    "smallest_flipping_patch_dense",
]
