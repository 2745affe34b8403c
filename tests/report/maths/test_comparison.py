"""A printed number agrees, or departs in one of three named ways; no tolerance anywhere."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.maths.comparison import agrees, aligned, compare, digits_of_agreement


@given(st.floats(-1e6, 1e6), st.integers(1, 12))
@example(131072.6782668, 12)
def test_what_python_rounds_agrees_and_its_neighbour_does_not(value, places):
    printed = f"{value:.{places}f}"
    assert agrees(printed, value)
    assert compare(printed, value).verdict == "agrees"
    neighbour = printed[:-1] + ("0" if printed[-1] == "9" else str(int(printed[-1]) + 1))
    as_a_double = Decimal(neighbour) == Decimal(
        repr(value)
    )  # of 12 decimals the double prints fewer
    assert agrees(neighbour, value) == as_a_double


@pytest.mark.parametrize(
    ("printed", "value", "verdict", "slip", "should"),
    [
        ("0.50", 0.5, "agrees", "", "0.50"),
        ("0.", 0.0, "agrees", "", "0"),
        ("-0.07", -0.0701, "agrees", "", "-0.07"),
        ("0.49", 0.5, "wrong", "", "0.50"),  # one digit differs: no slip of one stroke
        ("0.0701", -0.0701, "misprint", "sign", "-0.0701"),
        ("0.7065082", 0.07065082485, "damaged", "lost digit", "0.07065082"),
        ("-19.691243652", -19.691243649, "damaged", "added digit", "-19.69124365"),
        ("9.434878741709078", 9.43487874170908, "rounding", "", "9.434878741709079"),
        # More digits decide: this is what was printed, and the double is the one that is rounded.
        ("9.434878741709078", Decimal("9.43487874170907849"), "agrees", "", "9.434878741709078"),
        ("9.434835467223774", Decimal("9.4348354672237745"), "agrees", "", "9.434835467223774"),
        ("9.434878741709075", 9.43487874170908, "wrong", "", "9.434878741709079"),
    ],
)
def test_each_verdict(printed, value, verdict, slip, should):
    found = compare(printed, value)
    assert (found.verdict, found.slip, found.should) == (verdict, slip, should)


def test_a_number_that_follows_from_printed_ones_is_rounding_only_when_it_is_exactly_that():
    assert compare("0.5173342543240977", 0.5173342543329795).verdict == "wrong"
    assert (
        compare("0.5173342543240977", 0.5173342543329795, 0.5173342543240977).verdict == "rounding"
    )
    almost = math.nextafter(0.5173342543240977, 1)
    assert compare("0.5173342543240977", 0.5173342543329795, almost).verdict == "wrong"


def test_another_number_of_the_place_is_a_misprint_and_a_strange_one_is_wrong():
    found = compare("0.07065082", -0.0041752811, others=[0.07065082485])
    assert (found.verdict, found.slip, found.should) == (
        "misprint", "another number", "-0.00417528",
    )  # fmt: skip
    assert compare("0.07065082", -0.0041752811, others=[0.08]).verdict == "wrong"


@pytest.mark.parametrize(
    ("printed", "value", "digits"),
    [
        ("9.4348", 9.4348, 5),
        ("9.43", 9.4348, 3),
        ("9.44", 9.4348, 2),
        ("1.0", 2.0, 0),
        ("0.", 0, 1),
    ],
)
def test_digits_of_agreement_are_significant_ones(printed, value, digits):
    assert digits_of_agreement(printed, value) == digits


def test_rows_are_aligned_around_what_is_lost_or_added():
    lost = aligned(["0.10", "0.30"], [0.1, 0.2, 0.3])
    assert [n.printed for n in lost] == ["0.10", None, "0.30"]
    assert [n.slip for n in lost] == ["", "lost element", ""] and lost[1].should == "0.20"
    added = aligned(["0.10", "0.20", "0.30"], [0.1, 0.3])
    assert [(n.printed, n.slip) for n in added] == [
        ("0.10", ""), ("0.20", "added element"), ("0.30", ""),
    ]  # fmt: skip
    assert [n.slip for n in aligned(["0.30", "0.10"], [0.1, 0.3])] == ["", ""]  # place by place
    assert [n.verdict for n in aligned(["0.30", "0.10"], [0.1, 0.3])] == ["wrong", "wrong"]
