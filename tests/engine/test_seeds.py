"""Runs from other seeds: how far a number spreads, and that another seed is all that differs."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from workings import workflow
from workings.measurements import read
from workings.page import seeds


def runs(*values: float | None) -> list[dict]:
    return [{"job": {"part": {"x": value}, "y": 1, "word": "w"}} for value in values]


def test_the_spread_is_numpys_and_stands_under_the_numbers_own_key():
    found = seeds.spread(runs(1.0, 2.0, 4.5))["job"]["part"]["x"]
    assert found["deviation"] == pytest.approx(np.std([1.0, 2.0, 4.5], ddof=1), rel=1e-12)
    assert (found["lowest"], found["highest"], found["mean"]) == (1.0, 4.5, 2.5)


@pytest.mark.parametrize("other", [runs(None)[0], {"job": {"y": 1}}])
def test_what_a_run_has_no_number_of_has_no_spread(other):
    assert seeds.spread([*runs(1.0), other]) == {
        "job": {"y": {"mean": 1, "deviation": 0, "lowest": 1, "highest": 1}}
    }


def test_the_runs_are_gathered_by_their_seeds(tmp_path):
    files = [tmp_path / f"build/seeds/{seed}/measurements/job.json" for seed in (8, 7)]
    for file, run in zip(files, runs(1.0, 3.0), strict=True):
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(run["job"]))
    out = tmp_path / "seeds.json"
    seeds.main({}, SimpleNamespace(runs=files), SimpleNamespace(measurements=out))
    values = read(out)
    assert values["count"] == 2 and values["spread"]["job"]["part"]["x"]["mean"] == 2
    assert [run["seed"] for run in values["runs"]] == [8, 7]
    assert values["runs"][1]["measurements"] == runs(3.0)[0]


def test_another_seed_changes_the_seeds_and_nothing_else():
    config = {"a": {"seed": 1, "x": 2}, "b": {"seed": 1}, "c": {"x": 3}}
    assert workflow._seeded(config, ["a"], "9") == config | {"a": {"seed": 9, "x": 2}}
    assert workflow._seeded(config, ["a"], None) == config
