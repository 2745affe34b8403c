"""(value, digits, notation, unit) -> text. The one place where a number becomes characters.

The notation is always explicit:

    fixed        `digits` after the point                       0.437
    significant  `digits` significant ones, positional          0.0437
    scientific   `digits` significant ones, times a power       4.37 × 10⁻²
    percent      hundredths, `digits` after the point           43.7 %
    points       the same of a difference of two shares         43.7 percentage points
    exact        a whole number, or the shortest decimal that reads back as the same float
    printed      digits that were printed elsewhere, recorded as a text, one by one

A float so large that it has no digits after the point gets a power of ten instead of zeros that
nobody measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from workings.page.tex import escape

LARGEST = 1e16  # of floats that are written without a power of ten


@dataclass(frozen=True)
class Number:
    """A formatted number: its sign, digits, power of ten and unit."""

    negative: bool
    digits: str
    exponent: int | None = None
    unit: str = ""

    def plain(self) -> str:
        """For alternative texts: no markup, and no letter that a Latin typeface lacks."""
        text = ("-" if self.negative else "") + _grouped(self.digits, " ")
        if self.exponent is not None:
            text += f" × 10^{self.exponent}"
        return f"{text} {self.unit}".rstrip()

    def latex(self) -> str:
        """For text and for maths alike."""
        text = ("-" if self.negative else "") + _grouped(self.digits, r"\,")
        if self.exponent is not None:
            text += rf" \times 10^{{{self.exponent}}}"
        if self.negative or self.exponent is not None:
            text = rf"\ensuremath{{{text}}}"
        gap = "~" if " " in self.unit else r"\," if self.unit else ""
        power = r"\\ensuremath{^{\1}}"
        return text + gap + re.sub(r"\\textasciicircum\{\}(-?\d+)", power, escape(self.unit))


def number(
    value: float | str, digits: int | None = None, notation: str | None = None, unit: str = ""
) -> Number:
    """Format `value`.

    A whole number needs nothing more; for any other the digits must be said, since how far a
    number can be trusted is the writer's to say.

    Raises:
        ValueError: digits missing, negative or too many.
        TypeError: `value` is not a number.
    """
    if notation == "printed":
        if not (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d*)?", value)):
            raise TypeError(f"{value!r:.60} is not a printed decimal number")
        return _signed(value, unit=unit)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r:.60} is not a number")
    if notation is None:
        notation = "exact" if isinstance(value, int) and digits is None else "fixed"
    large = isinstance(value, float) and LARGEST <= abs(value) < float("inf")
    if notation == "exact" and large:
        mantissa, exponent = repr(value).split("e")
        return _signed(mantissa, int(exponent), unit)
    if notation == "exact":
        return _signed(f"{Decimal(repr(value)):f}", unit=unit)
    if digits is None:
        raise ValueError(
            f"the number {value!r} needs its digits: digits(2), significant(3), scientific(3), "
            "percent(1) or points(1), or exact for all of its digits"
        )
    least = 1 if notation in ("significant", "scientific") else 0
    if not (isinstance(digits, int) and least <= digits <= 300):
        raise ValueError(f"{digits!r} digits are none that the notation '{notation}' can have")
    if notation == "fixed" and large:
        mantissa, exponent = f"{value:.{digits}e}".split("e")
        return _signed(mantissa, int(exponent), unit)
    if notation == "fixed":
        return _signed(f"{value:.{digits}f}", unit=unit)
    if notation in ("percent", "points"):
        if unit:
            raise ValueError(f"a number in {notation} has no unit '{unit}' besides")
        share = _signed(f"{100 * Decimal(repr(value)):.{digits}f}")
        points = "percentage point" + ("" if share.digits == "1" else "s")
        return replace(share, unit="%" if notation == "percent" else points)
    if value == 0:
        return _signed("0", unit=unit)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if notation == "significant":
        return _signed(f"{Decimal(f'{mantissa}e{exponent}'):f}", unit=unit)
    return _signed(mantissa, int(exponent), unit)


def _signed(text: str, exponent: int | None = None, unit: str = "") -> Number:
    negative = text.startswith("-") and any(c in "123456789" for c in text)
    return Number(negative, text.lstrip("-"), exponent, unit)


def _grouped(digits: str, space: str) -> str:
    """Groups of three from five digits before the point on: 10 000, but 1000."""
    whole, point, rest = digits.partition(".")
    if len(whole) > 4:
        head = len(whole) % 3 or 3
        whole = space.join([whole[:head], *(whole[i : i + 3] for i in range(head, len(whole), 3))])
    return whole + point + rest
