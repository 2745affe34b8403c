"""Runs from other seeds: how far a number spreads."""

from __future__ import annotations

import numpy as np
import pytest

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
