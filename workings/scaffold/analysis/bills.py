"""Measure the bills of each species."""

from __future__ import annotations

import numpy as np

from analysis import penguins
from workings import figures
from workings.measurements import record, write


def measure(species: np.ndarray, length: np.ndarray) -> dict:
    """How long the bills of each species are.

    Args:
        species: the name of each bird's species.
        length: of each bird's bill, in mm.
    """
    kinds = [
        record(
            species=str(name),
            birds=int((species == name).sum()),
            mean=length[species == name].mean(),
            deviation=length[species == name].std(ddof=1),
        )
        for name in np.unique(species)
    ]
    longest, next_longest, *_ = sorted(kinds, key=lambda kind: kind["mean"], reverse=True)
    return record(
        birds=len(length),
        mean=length.mean(),
        species=kinds,
        names=[kind["species"] for kind in kinds],
        longest=longest,
        next_longest=next_longest,
        difference=longest["mean"] - next_longest["mean"],
    )


def draw(species: np.ndarray, length: np.ndarray, bin_width: float):
    """A histogram of the bills for each species, in bins of `bin_width` mm."""
    figure, axes = figures.new("text", height=55)
    edges = np.arange(np.floor(length.min()), length.max() + bin_width, bin_width)
    for name in np.unique(species):
        axes.hist(length[species == name], edges, histtype="step", label=str(name))
    axes.set(xlabel="bill length in mm", ylabel="birds")
    axes.legend()
    return figure


def main(config, inputs, outputs) -> None:
    species, length = penguins.columns(inputs.penguins, "species", "bill_length_mm")
    length = length.astype(float)
    write(outputs.measurements, measure(species, length))
    figures.save(draw(species, length, config["bills"]["bin"]), outputs.figure)
