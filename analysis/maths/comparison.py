"""Printed numbers against recomputed ones, with no tolerance: the digits themselves decide.

A printed number agrees when rounding the recomputed one to the printed decimals gives it. One that
does not is, in this order,

    misprint   one slip of the pen away from what it should have read: another sign, one digit lost
               or added, or another number of the same place; or an element lost or added
    rounding   as a double, a neighbour of the recomputed double, or exactly what double precision
               makes of other printed numbers
    wrong      none of these
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

AGREES, MISPRINT, ROUNDING, WRONG = "agrees", "misprint", "rounding", "wrong"


@dataclass(frozen=True)
class Compared:
    """One printed number beside the recomputed one.

    `printed` is None for an element that was not printed, `recomputed` and `should` are None for
    one that was printed and does not belong there.
    """

    printed: str | None
    recomputed: float | None
    should: str | None
    digits: int | None
    verdict: str
    slip: str = ""


def decimals(printed: str) -> int:
    """The decimals of a printed number: 2 for `0.50`, 0 for `2.`."""
    return len(printed.partition(".")[2])


def rounded(value: float, places: int) -> str:
    """The value, exactly as the double holds it, rounded to so many decimals."""
    unit = Decimal(1).scaleb(-places)
    result = Decimal(value).quantize(unit, rounding=ROUND_HALF_EVEN)
    return f"{abs(result) if result == 0 else result:f}"


def agrees(printed: str, value: float) -> bool:
    """Whether rounding `value` to the printed decimals gives the printed number."""
    return Decimal(printed) == Decimal(rounded(value, decimals(printed)))


def digits_of_agreement(printed: str, value: float) -> int:
    """The most significant digits to which both round to the same number."""
    most = len(Decimal(printed).as_tuple().digits)
    for digits in range(most, 0, -1):
        if f"{Decimal(printed):.{digits - 1}e}" == f"{Decimal(value):.{digits - 1}e}":
            return digits
    return 0


def slip(printed: str, value: float) -> str:
    """The one slip of the pen that made `printed` of the right number, or nothing."""
    if agrees(printed[1:] if printed.startswith("-") else f"-{printed}", value):
        return "sign"
    if any(agrees(text, value) for text in _one_digit_less(printed)):
        return "added digit"
    should = rounded(value, decimals(printed) + 1)
    lost = any(Decimal(text) == Decimal(printed) for text in _one_digit_less(should))
    return "lost digit" if lost else ""


def compare(
    printed: str, value: float, follows: float | None = None, others: Iterable[float] = ()
) -> Compared:
    """One printed number beside the recomputed `value`.

    `follows` is what double precision makes of other printed numbers, where it was made of them;
    `others` are the numbers that stand around it, which may have got into its place.
    """
    should = rounded(value, decimals(printed))
    digits = digits_of_agreement(printed, value)
    if agrees(printed, value):
        return Compared(printed, value, should, digits, AGREES)
    neighbours = (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
    if float(printed) in (*neighbours, follows):
        return Compared(printed, value, should, digits, ROUNDING)
    found = slip(printed, value)
    if found == "lost digit":
        should = rounded(value, decimals(printed) + 1)
    elif found == "added digit":
        should = rounded(value, decimals(printed) - 1)
    elif not found and any(agrees(printed, other) for other in others):
        found = "another number"
    return Compared(printed, value, should, digits, MISPRINT if found else WRONG, found)


def aligned(
    printed: Sequence[str], values: Sequence[float], others: Sequence[float] = ()
) -> list[Compared]:
    """A printed row beside the right one, either of which may have elements that the other lacks.

    The shorter row stands in the longer one's order at the places where most of it agrees; where both
    are equally long it is element by element.
    """
    short = min(len(printed), len(values))

    def agreeing(places: tuple[Sequence[int], Sequence[int]]) -> int:
        return sum(agrees(printed[i], values[j]) for i, j in zip(*places, strict=True))

    ways = itertools.product(
        itertools.combinations(range(len(printed)), short),
        itertools.combinations(range(len(values)), short),
    )
    pairs = dict(zip(*max(ways, key=agreeing), strict=True))
    found = []
    for i, text in enumerate(printed):
        if i in pairs:
            found.append(compare(text, values[pairs[i]], others=others))
        else:
            found.append(Compared(text, None, None, None, MISPRINT, "added element"))
    for j in sorted(set(range(len(values))) - set(pairs.values())):
        should = rounded(values[j], max(map(decimals, printed)))
        found.insert(j, Compared(None, values[j], should, None, MISPRINT, "lost element"))
    return found


def _one_digit_less(number: str) -> list[str]:
    """What the number would be without one of its digits, where any is left."""
    shorter = [number[:i] + number[i + 1 :] for i, c in enumerate(number) if c.isdigit()]
    return [text for text in shorter if text.strip("-.")]
