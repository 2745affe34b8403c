"""Gather the runs from other seeds: how far each measurement spreads over them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

from workings.measurements import Measurements, read, record, write


def spread(runs: Iterable[Mapping], keys: Iterable[str]) -> dict:
    """Mean, standard deviation, lowest and highest of each key over the runs, nested as the key.

    s = √(Σ (x_i − x̄)² / (n − 1)), the deviation of one run from the next. What a run has no value
    of has no deviation.
    """
    found: dict = {}
    for key in keys:
        looked_up = [Measurements(run) for run in runs]
        values = [run[key] for run in looked_up if key in run]
        if len(values) < len(looked_up) or None in values:
            continue
        *above, last = key.split(".")
        block = found
        for part in above:
            block = block.setdefault(part, {})
        block[last] = {
            "mean": statistics.fmean(values),
            "deviation": statistics.stdev(values),
            "lowest": min(values),
            "highest": max(values),
        }
    return found


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    runs: dict[int, dict] = {}
    for path in map(Path, inputs.runs):  # build/seeds/SEED/measurements/JOB.json
        runs.setdefault(int(path.parts[-3]), {})[path.stem] = read(path)
    values = record(
        count=len(runs),
        spread=spread(list(runs.values()), config["spread"]),
        runs=[{"seed": seed, "measurements": run} for seed, run in runs.items()],
    )
    write(outputs.measurements, values)
