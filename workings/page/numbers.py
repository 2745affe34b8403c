"""(value, digits, notation, unit) -> text. The one place where a number becomes characters.

The notation is always explicit:

    fixed        `digits` after the point                       0.437
    significant  `digits` significant ones, positional          0.0437
    scientific   `digits` significant ones, times a power       4.37 × 10⁻²
    percent      hundredths, `digits` after the point           43.7 %
    points       the same of a difference of two shares         43.7 percentage points
    exact        a whole number, or the shortest decimal that reads back as the same float
    printed      digits that were printed elsewhere, recorded as a text, one by one

Every notation rounds the shortest decimal that reads back as the value, a half to the even digit: 0.0125
is 0.012 and 1.2 %. A float so large that it has no digits after the point gets a power of ten instead of
zeros that nobody measured.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from workings.languages import ENGLISH, Language
from workings.page.tex import escape

LARGEST = 1e16  # of floats that are written without a power of ten
# Of any whole number that JSON holds, with 300 digits after its point.
_CONTEXT = Context(prec=5000, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True)
class Number:
    """A formatted number.

    Args:
        value: what a reader takes it for, with as many digits.
        digits: as they are printed, without a sign and with a point.
        exponent: of the power of ten after them.
        mark: the decimal mark.
    """

    value: Decimal
    digits: str
    exponent: int | None = None
    unit: str = ""
    mark: str = "."

    def plain(self) -> str:
        """For alternative texts: no markup, and no letter that a Latin typeface lacks."""
        text = ("-" if self.value < 0 else "") + self._grouped(" ", self.mark)
        if self.exponent is not None:
            text += f" × 10^{self.exponent}"
        return f"{text} {self.unit}".rstrip()

    def latex(self) -> str:
        """For text and for maths alike."""
        is_negative = self.value < 0
        mark = "." if self.mark == "." else f"{{{self.mark}}}"  # in maths a comma ends a clause
        text = ("-" if is_negative else "") + self._grouped(r"\,", mark)
        if self.exponent is not None:
            text += rf" \times 10^{{{self.exponent}}}"
        if is_negative or self.exponent is not None:
            text = rf"\ensuremath{{{text}}}"
        gap = "~" if " " in self.unit else r"\," if self.unit else ""
        power = r"\\ensuremath{^{\1}}"
        return text + gap + re.sub(r"\\textasciicircum\{\}(-?\d+)", power, escape(self.unit))

    def _grouped(self, space: str, mark: str) -> str:
        """Groups of three from five digits before the point on: 10 000, but 1000."""
        whole, point, rest = self.digits.partition(".")
        if len(whole) > 4:
            whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", lambda _: space, whole)
        return whole + (mark if point else "") + rest


def number(
    value: float | str,
    digits: int | None = None,
    notation: str | None = None,
    unit: str = "",
    language: Language = ENGLISH,
) -> Number:
    """Format `value`.

    A whole number needs nothing more; for any other the digits must be said, since how far a
    number can be trusted is the writer's to say.

    Raises:
        ValueError: digits missing, negative or too many.
        TypeError: `value` is not a number.
    """
    if notation == "printed":
        if not (
            isinstance(value, str) and re.fullmatch(r"-?\d{1,4000}(\.\d{0,300})?", value, re.ASCII)
        ):
            raise TypeError(f"{value!r:.60} is not a printed decimal number")
        return Number(Decimal(value), value.lstrip("-"), None, unit, language.mark)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} is not a number")
    if notation is None:
        notation = "exact" if isinstance(value, int) and digits is None else "fixed"
    if digits is None and notation != "exact":
        raise ValueError(
            f"the number {value!r} needs its digits: digits(2), significant(3), scientific(3), "
            "percent(1) or points(1), or exact for all of its digits"
        )
    held, is_share = Decimal(repr(value)), notation in ("percent", "points")
    is_large = isinstance(value, float) and abs(value) >= LARGEST and not is_share
    is_relative = notation in ("significant", "scientific")
    if notation != "exact" and not (isinstance(digits, int) and is_relative <= digits <= 300):
        raise ValueError(f"{digits!r} digits are none that the notation '{notation}' can have")
    if is_share and unit:
        raise ValueError(f"a number in {notation} has no unit '{unit}' besides")
    if is_relative and held == 0:
        rounded = Decimal(0)
    elif is_relative:
        rounded = _significant(held, digits)
    elif notation == "exact":
        rounded = held
    elif is_large:
        rounded = _significant(held, digits + 1)
    else:
        rounded = _to_place(held, -digits - 2 * is_share)
    power = -2 if is_share else None
    if rounded and (notation == "scientific" or (is_large and notation != "significant")):
        power = rounded.adjusted()
    shown = f"{rounded.copy_abs().scaleb(-(power or 0), _CONTEXT):f}"
    if notation == "percent":
        unit = "%"
    elif notation == "points":
        unit = language.word("percentage point" + ("" if shown == "1" else "s"))
    return Number(rounded, shown, None if is_share else power, unit, language.mark)


def _significant(value: Decimal, digits: int) -> Decimal:
    top = Context(prec=digits, rounding=ROUND_HALF_EVEN).plus(value).adjusted()
    return _to_place(value, top - digits + 1)


def _to_place(value: Decimal, place: int) -> Decimal:
    """The value rounded to a power of ten."""
    return value.quantize(Decimal(1).scaleb(place), context=_CONTEXT)


def as_json(value: Any, mark: str, longest: int = 0, digits: int = 0) -> str:
    """A raw value as JSON; a single number with the decimal mark.

    Args:
        longest: characters, where it is cut; a list at an item. 0: it is not.
        digits: significant ones of each float. 0: all that it has.
    """
    text = _plain(value, digits)
    if isinstance(value, float):
        text = text.replace(".", mark)
    if not longest or len(text) <= longest:
        return text
    text = text[: longest - 2]
    return (text.rpartition(" ")[0] or text if isinstance(value, list) else text) + " …"


def _plain(value: Any, digits: int) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_plain(item, digits) for item in value)}]"
    if isinstance(value, float) and digits:
        return f"{value:.{digits}g}"
    return json.dumps(value, ensure_ascii=False)
