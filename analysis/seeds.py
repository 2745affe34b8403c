"""Gather the runs from other seeds: how far each headline measurement spreads."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from types import SimpleNamespace

from workings import measurements
from workings.measurements import Measurements, record

# What the report prints a ± of.
HEADLINES = [
    "classifier.test_accuracy",
    "feature_maps.accuracy_gain",
    "occlusion.lowest_probability",
    "occlusion.share_with_another_label",
    "patch_search.share_flipped",
    "patch_search.median",
    "echo_state.best.capacity",
]


def spread(runs: list[dict], keys: Iterable[str] = HEADLINES) -> dict:
    """Mean, standard deviation, lowest and highest of each key over the runs, nested as the key.

    s = √(Σ (x_i − x̄)² / (n − 1)), the deviation of one run from the next. What a run has no value
    of (the median of the squares, where no label changed) has no deviation.
    """
    found: dict = {}
    for key in keys:
        values = [Measurements(run["measurements"])[key] for run in runs]
        if None in values:
            continue
        *above, last = key.split(".")
        block = found
        for part in above:
            block = block.setdefault(part, {})
        block[last] = record(
            mean=statistics.fmean(values),
            deviation=statistics.stdev(values),
            lowest=min(values),
            highest=max(values),
        )
    return found


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    runs = [measurements.read(path) for path in inputs.runs]
    values = record(count=len(runs), spread=spread(runs), runs=runs)
    measurements.write(outputs.measurements, values)
