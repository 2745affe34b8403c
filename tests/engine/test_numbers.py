"""A value becomes characters in one place, in an explicit notation."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings import languages
from workings.page.numbers import number


@pytest.mark.parametrize(
    ("value", "digits", "notation", "plain", "latex"),
    [
        # whole numbers need nothing more
        (0, None, None, "0", "0"),
        (-3, None, None, "-3", r"\ensuremath{-3}"),
        (1000, None, None, "1000", "1000"),
        (10000, None, None, "10 000", r"10\,000"),
        (93322, None, None, "93 322", r"93\,322"),
        (-1234567, None, None, "-1 234 567", r"\ensuremath{-1\,234\,567}"),
        # fixed
        (0.98765, 3, "fixed", "0.988", "0.988"),
        (0.98765, 3, None, "0.988", "0.988"),
        (-1.5, 2, "fixed", "-1.50", r"\ensuremath{-1.50}"),
        (2, 1, "fixed", "2.0", "2.0"),
        (-5.16281552e41, 4, "fixed", "-5.1628 × 10^41", r"\ensuremath{-5.1628 \times 10^{41}}"),
        (
            5.16281552e41,
            None,
            "exact",
            "5.16281552 × 10^41",
            r"\ensuremath{5.16281552 \times 10^{41}}",
        ),
        (10**20, None, None, "100 000 000 000 000 000 000", r"100\,000\,000\,000\,000\,000\,000"),
        (12345.678, 1, "fixed", "12 345.7", r"12\,345.7"),
        (0.5, 0, "fixed", "0", "0"),  # half to even
        (1.5, 0, "fixed", "2", "2"),
        (2.675, 2, "fixed", "2.68", "2.68"),  # as it is written, though stored as 2.67499…
        (9.995, 1, "fixed", "10.0", "10.0"),
        # zero has no sign, whether stored so or rounded to it
        (-0.0, 2, "fixed", "0.00", "0.00"),
        (-0.0004, 3, "fixed", "0.000", "0.000"),
        (-0.0006, 3, "fixed", "-0.001", r"\ensuremath{-0.001}"),
        (-0.0, 3, "significant", "0", "0"),
        (0.0, 3, "scientific", "0", "0"),
        (-0.0, None, "exact", "0.0", "0.0"),
        # significant
        (0.043712, 3, "significant", "0.0437", "0.0437"),
        (99.96, 3, "significant", "100", "100"),
        (123456.0, 2, "significant", "120 000", r"120\,000"),
        (1e-7, 2, "significant", "0.00000010", "0.00000010"),
        # scientific
        (0.043712, 3, "scientific", "4.37 × 10^-2", r"\ensuremath{4.37 \times 10^{-2}}"),
        (9.996e5, 3, "scientific", "1.00 × 10^6", r"\ensuremath{1.00 \times 10^{6}}"),
        (-2e-16, 1, "scientific", "-2 × 10^-16", r"\ensuremath{-2 \times 10^{-16}}"),
        (7, 2, "scientific", "7.0 × 10^0", r"\ensuremath{7.0 \times 10^{0}}"),
        # percent
        (0.9765, 1, "percent", "97.6 %", r"97.6\,\%"),
        (0.29, 0, "percent", "29 %", r"29\,\%"),  # 100 · 0.29 is 28.999… in floats
        (1, 1, "percent", "100.0 %", r"100.0\,\%"),
        (-0.125, 1, "percent", "-12.5 %", r"\ensuremath{-12.5}\,\%"),
        # percentage points, of the difference of two shares
        (0.012, 1, "points", "1.2 percentage points", "1.2~percentage points"),
        (-0.01, 0, "points", "-1 percentage point", r"\ensuremath{-1}~percentage point"),
        # exact
        (9.434827012614068, None, "exact", "9.434827012614068", "9.434827012614068"),
        (0.1, None, "exact", "0.1", "0.1"),
        (1e-4, None, "exact", "0.0001", "0.0001"),
        (1e22, None, "exact", "1 × 10^22", r"\ensuremath{1 \times 10^{22}}"),
    ],
)
def test_a_value_in_its_notation(value, digits, notation, plain, latex):
    made = number(value, digits, notation)
    assert (made.plain(), made.latex()) == (plain, latex)


@pytest.mark.parametrize(
    ("value", "printed"),  # with three digits, as per cent with one, in two significant digits
    [
        (0.0125, ("0.012", "1.2 %", "0.012")),
        (-0.0125, ("-0.012", "-1.2 %", "-0.012")),
        (0.0135, ("0.014", "1.4 %", "0.014")),
        (0.00000499999, ("0.000", "0.0 %", "0.0000050")),
        (2.5, ("2.500", "250.0 %", "2.5")),
        (-0.0, ("0.000", "0.0 %", "0")),
        (0.3333333333333333, ("0.333", "33.3 %", "0.33")),
    ],
)
def test_a_half_is_rounded_by_one_rule_in_every_unit(value, printed):
    made = number(value, 3), number(value, 1, "percent"), number(value, 2, "significant")
    assert tuple(each.plain() for each in made) == printed
    assert made[0].value == made[1].value  # what a reader takes both for


def test_a_number_is_told_by_its_digits_in_whatever_unit():
    told = [number(0.0125, 2, notation).value for notation in ("percent", "points")]
    told += [number(123456.0, 2, "significant").value, number(5.1e41, 4).value]
    assert list(map(str, told)) == ["0.0125", "0.0125", "1.2E+5", "5.1000E+41"]


@pytest.mark.parametrize(
    ("tag", "plain", "latex"),
    [
        ("en-GB", "12 345.5 mm", r"12\,345.5\,mm"),
        ("de-AT", "12 345,5 mm", r"12\,345{,}5\,mm"),
        ("de-CH", "12 345.5 mm", r"12\,345.5\,mm"),
        ("fr", "12 345,5 mm", r"12\,345{,}5\,mm"),
    ],
)
def test_the_decimal_mark_is_that_of_the_language(tag, plain, latex):
    made = number(12345.5, 1, None, "mm", languages.look_up(tag))
    assert (made.plain(), made.latex()) == (plain, latex)
    points = number(0.012, 1, "points", language=languages.look_up("de")).plain()
    assert points == "1,2 Prozentpunkte"


def test_a_unit_follows_after_a_thin_space():
    assert number(8, unit="px").plain() == "8 px"
    assert number(8, unit="px").latex() == r"8\,px"
    assert number(-1e-3, 1, "scientific", "s").latex() == r"\ensuremath{-1 \times 10^{-3}}\,s"
    assert number(8, unit="% of_it").latex() == r"8~\% of\_it"
    assert number(8, unit="mm^2").latex() == r"8\,mm\ensuremath{^{2}}"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_exact_reads_back_as_the_same_float(value):
    plain = number(value, notation="exact").plain()
    assert float(plain.replace(" ", "").replace("×10^", "e")) == value


@given(st.floats(-1e9, 1e9), st.integers(0, 12))
def test_fixed_is_within_half_a_unit_of_its_last_place(value, digits):
    shown = Decimal(number(value, digits, "fixed").plain().replace(" ", ""))
    assert abs(shown - Decimal(repr(value))) <= Decimal(10) ** -digits / 2


@pytest.mark.parametrize(
    ("value", "digits", "notation", "message"),
    [
        (0.5, None, None, r"the number 0\.5 needs its digits: digits\(2\), "),
        (0.5, None, "percent", r"needs its digits"),
        (0.5, -1, "fixed", r"-1 digits are none that the notation 'fixed' can have"),
        (0.5, 301, "fixed", r"301 digits are none"),
        (0.5, "2", "fixed", r"'2' digits are none"),
        (0.5, 0, "significant", r"0 digits are none that the notation 'significant' can have"),
    ],
)
def test_a_notation_that_is_not_said_is_refused(value, digits, notation, message):
    with pytest.raises(ValueError, match=message):
        number(value, digits, notation)


@pytest.mark.parametrize("value", ["0.5", True, None, [1.0], {"a": 1}])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="is not a number"):
        number(value, 2)
