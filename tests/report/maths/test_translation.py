"""Shifts against scipy and pixel by pixel, lost ink by counting, reach by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from analysis.maths.translation import ink_outside, reach, shift

STEPS = st.integers(-9, 9)


@given(STEPS, STEPS)
def test_shift_is_scipys_with_empty_paper_coming_in(down, right):
    x = np.random.default_rng(0).random((2, 1, 7, 5))
    oracle = ndimage.shift(x, (0, 0, down, right), order=0, mode="constant", cval=0.0)
    np.testing.assert_array_equal(shift(x, down, right), oracle)


def test_shift_does_not_roll_round_the_frame():
    x = np.eye(5)[None]
    assert shift(x, 0, 1).sum() == 4  # np.roll, the planted fault, would keep all five
    assert np.roll(x, 1, axis=-1).sum() == 5
    assert shift(x, 0, 1)[0, 0].tolist() == [0, 1, 0, 0, 0]
    assert shift(x, 1, 0)[0, 0].tolist() == [0, 0, 0, 0, 0]


@given(STEPS, STEPS)
def test_ink_is_lost_or_kept(down, right):
    x = np.random.default_rng(1).random((3, 7, 7))
    kept = shift(x, down, right).sum(axis=(1, 2)) / x.sum(axis=(1, 2))
    np.testing.assert_allclose(ink_outside(x, down, right) + kept, 1)


def test_unread_lines_take_ink_away_too_and_no_ink_loses_none():
    x = np.zeros((2, 4, 4))
    x[0, 1, 1:3] = 0.5
    read = np.array([True, True, True, False])
    assert ink_outside(x, 0, 1).tolist() == [0, 0]
    assert ink_outside(x, 0, 1, read).tolist() == [0.5, 0]
    assert ink_outside(x, 2, 0, read).tolist() == [1, 0]
    assert ink_outside(x, 0, 2).tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("labels", "held"),
    [([1, 1, 1], 2), ([1, 1, 7], 1), ([1, 7, 1], 0), ([7, 1, 1], -1), ([7, 7, 7], -1)],
)
def test_reach_stops_at_the_first_gap(labels, held):
    assert reach(np.array(labels), 1) == held


def test_reach_of_many_images_at_once():
    labels = np.array([[3, 4, 5], [3, 4, 0], [3, 0, 5]])  # (S, N)
    assert reach(labels, np.array([3, 4, 5])).tolist() == [2, 1, 0]
