"""Gather the runs from other seeds: how far each measurement spreads over them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

from workings.measurements import read, record, write
from workings.page.changes import leaves


def spread(runs: Sequence[Mapping]) -> dict:
    """Mean, standard deviation, lowest and highest of each number over the runs, nested as its key.

    s = √(Σ (x_i − x̄)² / (n − 1)), the deviation of one run from the next. What a run has no value
    of has no deviation.
    """
    gathered: dict = {}
    first, *others = (dict(leaves(run)) for run in runs)
    for key in first:
        values = [first[key], *(run.get(key) for run in others)]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            continue
        *above, last = key.split(".")
        block = gathered
        for part in above:
            block = block.setdefault(part, {})
        block[last] = {
            "mean": statistics.fmean(values),
            "deviation": statistics.stdev(values),
            "lowest": min(values),
            "highest": max(values),
        }
    return gathered


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    runs: dict[int, dict] = {}
    for path in map(Path, inputs.runs):  # build/seeds/SEED/measurements/JOB.json
        runs.setdefault(int(path.parts[-3]), {})[path.stem] = read(path)
    values = record(
        count=len(runs),
        spread=spread([*runs.values()]),
        runs=[{"seed": seed, "measurements": run} for seed, run in runs.items()],
    )
    write(outputs.measurements, values)
