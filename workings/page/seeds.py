"""Gather the runs from other seeds: how far each measurement spreads over them."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

from workings.measurements import read, record, write
from workings.page.values import Value


def spread(runs: Collection[Mapping], keys: Iterable[str]) -> dict:
    """Mean, standard deviation, lowest and highest of each key over the runs, nested as the key.

    s = √(Σ (x_i − x̄)² / (n − 1)), the deviation of one run from the next. What a run has no value
    of has no deviation.
    """
    found: dict = {}
    for key in keys:
        recorded = [Value(run).at(key) for run in runs]
        values = [value.raw for value in recorded if value is not None]
        if len(values) < len(runs) or None in values:
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
