"""The fitted line: against a line that is known, and against numpy's own fit."""

import numpy as np
import pytest

from analysis import mass


def test_a_straight_line_is_found_exactly():
    x = np.array([1.0, 2.0, 4.0])
    assert mass.line(x, 3 + 2 * x) == pytest.approx((2, 3))


def test_the_fit_is_numpys():
    random = np.random.default_rng(0)
    x, y = random.normal(size=50), random.normal(size=50)
    assert mass.line(x, y) == pytest.approx(tuple(np.polyfit(x, y, 1)))


def test_the_interval_holds_the_slope_and_is_the_same_for_the_same_seed():
    x = np.arange(40.0)
    y = 2 * x + np.random.default_rng(1).normal(size=40)
    found = mass.measure(x, y, resamples=200, seed=3)
    assert found["lowest_slope"] < 2 < found["highest_slope"]
    assert found == mass.measure(x, y, resamples=200, seed=3)
