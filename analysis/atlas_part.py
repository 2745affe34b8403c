"""Cover a part of the test images, every so many-th, and keep the drop map of each."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from analysis.data import parts, storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import Occluder
from workings.messages import track


@dataclass(frozen=True)
class Covered:
    """What a patch does to some of the images.

    Args:
        indices: which images, (N,).
        drops: their drop maps, (N, R, R).
        recomputed: positions that a full pass had to evaluate again, (N,).
    """

    indices: np.ndarray
    drops: np.ndarray
    recomputed: np.ndarray

    def save(self, path: str | Path) -> None:
        with open(path, "wb") as file:
            np.savez(file, **vars(self))

    @classmethod
    def together(cls, parts: list["Covered"]) -> "Covered":
        """All parts, in the order of the images: the same, however many there were."""
        order = np.concatenate([part.indices for part in parts]).argsort()
        names = ("indices", "drops", "recomputed")
        return cls(*(np.concatenate([vars(part)[n] for part in parts])[order] for n in names))


def load(path: str | Path) -> Covered:
    with np.load(path, allow_pickle=False) as arrays:
        return Covered(**arrays)


def cover(
    occluder: Occluder, images: np.ndarray, labels: np.ndarray, indices: list[int]
) -> Covered:
    """The drop maps of these images, one after another.

    Args:
        images: N × 1 × 28 × 28 in 0…1.
        labels: N.
    """
    drops, recomputed = [], []
    for i in track(indices, "Covering the test images"):
        map_ = occluder(images[i], int(labels[i]))
        drops.append(map_.drop)
        recomputed.append(map_.recomputed)
    size = len(occluder.grids[0][1])
    maps = np.array(drops, dtype=np.float32).reshape(len(indices), size, size)  # also of no image
    return Covered(np.array(indices, dtype=int), maps, np.array(recomputed, dtype=int))


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    images, labels = digits.test_images, digits.test_labels
    given = cnn.predict(network, images).argmax(axis=1)
    indices = storage.rightly_labelled(labels, given, config["atlas"]["per_class"])
    where = {key: config["occlusion"][key] for key in ("patch", "stride", "fill", "outside")}
    mine = parts.mine(indices, config["part"])
    cover(Occluder(network, **where), images, labels, mine).save(outputs.drops)
