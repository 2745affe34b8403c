"""Search a part of the test images, every so many-th, for the smallest black square that changes the label."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from analysis.data import parts, storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import FlippingPatch, PatchSearch
from workings.messages import track

SIDE = 28  # pixels, of an image


@dataclass(frozen=True)
class Searched:
    """One test image and its smallest flipping square, if there is one."""

    index: int
    label: int
    found: FlippingPatch | None
    recomputed: int = 0
    margin: float = 0.0  # log₁₀ of the highest probability over the next, of the untouched image
    # Of one random square of each side: whether it changes the label.
    by_chance: tuple[bool, ...] = ()


def together(paths: list[str]) -> list[Searched]:
    """All parts, in the order of the images: the same, however many there were."""
    searched = []
    for entry in parts.load(paths):
        found = FlippingPatch(**entry["found"]) if entry["found"] else None
        searched.append(
            Searched(**entry | {"found": found, "by_chance": tuple(entry["by_chance"])})
        )
    return sorted(searched, key=lambda s: s.index)


def at_random(image: np.ndarray, largest: int, generator: np.random.Generator) -> np.ndarray:
    """The image (1, rows, columns) under one black square of each side, at a random place each."""
    covered = np.repeat(image[None], largest, axis=0)
    for side in range(1, largest + 1):
        row, column = generator.integers(0, SIDE - side + 1, 2)
        covered[side - 1, :, row : row + side, column : column + side] = 0
    return covered


class Search:
    """The smallest flipping square of an image, and what squares at random places do to it."""

    def __init__(self, network, largest: int, seed: int) -> None:
        self.network, self.largest, self.seed = network, largest, seed
        self.smallest = PatchSearch(network, sizes=range(1, largest + 1), fill=0.0)

    def __call__(self, digits: storage.Digits, index: int) -> Searched:
        image = digits.test_images[index]
        found = self.smallest(image)
        generator = np.random.default_rng([self.seed, index])
        p = cnn.predict(self.network, np.stack([image, *at_random(image, self.largest, generator)]))
        second, first = np.sort(p[0])[-2:]
        return Searched(
            index,
            int(digits.test_labels[index]),
            found,
            self.smallest.recomputed,
            float(np.log10(first / max(second, np.float32(1e-38)))),
            tuple((p[1:].argmax(axis=1) != p[0].argmax()).tolist()),
        )


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen, occlusion = config["patch_search"], config["occlusion"]
    digits = storage.load_digits(inputs.digits)
    network = storage.load_network(inputs.model, config["classifier"])
    six = storage.example_of(digits, occlusion["digit"], occlusion["example"], "occlusion.example")
    labels = digits.test_labels
    given = cnn.predict(network, digits.test_images).argmax(axis=1)
    indices = storage.rightly_labelled(labels, given, chosen["per_class"])
    if given[six] == labels[six] and six not in indices:
        indices = sorted([*indices, six])
    mine = parts.mine(indices, config["part"])
    search = Search(network, chosen["largest"], chosen["seed"])
    parts.save(
        outputs.searched, [search(digits, i) for i in track(mine, "Searching the test images")]
    )
