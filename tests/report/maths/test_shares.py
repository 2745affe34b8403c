"""Wilson's interval: its ends solve the equation that defines it."""

import pytest
from scipy.stats import binomtest, norm

from analysis.maths.shares import wilson


@pytest.mark.parametrize("solved", [0, 1, 5, 9, 10])
def test_the_interval_is_wilsons(solved):
    theirs = binomtest(solved, 10).proportion_ci(0.9, method="wilson")
    low, high = wilson(solved, 10, 0.9)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    # |k/n - p| = z sqrt(p (1 - p) / n), p an end (Wilson 1927)
    for end in (low, high):
        apart = norm.ppf(0.95) * (end * (1 - end) / 10) ** 0.5
        assert abs(solved / 10 - end) == pytest.approx(apart, abs=1e-12)
