"""Bounds as they are printed: what is said to be at most a number must not be more than it."""

from decimal import ROUND_CEILING, Decimal


def upward(value: float, places: int) -> float:
    """The smallest number with so many decimals that is at least `value`."""
    unit = Decimal(1).scaleb(-places)
    return float(Decimal(repr(float(value))).quantize(unit, rounding=ROUND_CEILING))


def upward_significant(value: float, digits: int) -> float:
    """The smallest number with so many significant digits that is at least `value`, 0 or more."""
    return upward(value, digits - 1 - Decimal(float(value)).adjusted()) if value else 0.0
