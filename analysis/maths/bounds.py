"""Bounds: what is said to be at most a number is not more than it, and what is held fits the memory."""

from decimal import ROUND_CEILING, Decimal

from workings.messages import InputError

MOST_NUMBERS = 300_000_000  # that a job holds at once, some GB


def upward(value: float, places: int) -> float:
    """The smallest number with so many decimals that is at least `value`."""
    unit = Decimal(1).scaleb(-places)
    return float(Decimal(repr(float(value))).quantize(unit, rounding=ROUND_CEILING))


def upward_significant(value: float, digits: int) -> float:
    """The smallest number with so many significant digits that is at least `value`, 0 or more."""
    return upward(value, digits - 1 - Decimal(float(value)).adjusted()) if value else 0.0


def hold(numbers: int, value: int, key: str) -> None:
    """Hold what a setting asks a job to keep at once to what a machine has.

    Raises:
        InputError: it is too much; `key` has this `value`, on which the `numbers` depend.
    """
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"{value}: together with the other settings of the block this asks for {numbers:.0e} "
            f"numbers in memory at once; up to {MOST_NUMBERS:.0e} are right",
            key=key,
        )
