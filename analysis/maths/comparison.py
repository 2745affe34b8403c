"""Printed numbers against recomputed ones, with no tolerance: the digits themselves decide.

A printed number agrees when rounding the recomputed one to the printed decimals gives it, or, where a
double was printed, to a double. One that does not is, in this order,

    damaged    a digit or an element lost or added, as happens to a text that is converted
    misprint   another sign, or another number of the same place: one slip of the pen
    rounding   as a double, a neighbour of the recomputed double, or exactly what double precision
               makes of other printed numbers
    wrong      none of these

The recomputed numbers are doubles or, where more digits decide, Decimals.
"""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

AGREES, DAMAGED, MISPRINT = "agrees", "damaged", "misprint"
ROUNDING, WRONG = "rounding", "wrong"
Number = float | Decimal


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


def rounded(value: Number, places: int) -> str:
    """The value, exactly as it is held, rounded to so many decimals."""
    unit = Decimal(1).scaleb(-places)
    result = Decimal(value).quantize(unit, rounding=ROUND_HALF_EVEN)
    return f"{abs(result) if result == 0 else result:f}"


def agrees(printed: str, value: Number) -> bool:
    """Whether rounding `value`, to the printed decimals or to a double, gives the printed number."""
    roundings = rounded(value, decimals(printed)), repr(float(value))
    return Decimal(printed) in map(Decimal, roundings)


def digits_of_agreement(printed: str, value: Number) -> int:
    """The most significant digits to which both round to the same number."""
    most = len(Decimal(printed).as_tuple().digits)
    for digits in range(most, 0, -1):
        if f"{Decimal(printed):.{digits - 1}e}" == f"{Decimal(value):.{digits - 1}e}":
            return digits
    return 0


def slip(printed: str, value: Number) -> str:
    """The one slip that made `printed` of the right number, or nothing."""
    if agrees(printed[1:] if printed.startswith("-") else f"-{printed}", value):
        return "sign"
    if any(agrees(text, value) for text in _one_digit_less(printed)):
        return "added digit"
    should = rounded(value, decimals(printed) + 1)
    lost = any(Decimal(text) == Decimal(printed) for text in _one_digit_less(should))
    return "lost digit" if lost else ""


def compare(
    printed: str, value: Number, follows: float | None = None, others: Iterable[float] = ()
) -> Compared:
    """One printed number beside the recomputed `value`.

    `follows` is what double precision makes of other printed numbers, where it was made of them;
    `others` are the numbers that stand around it, which may have got into its place.
    """
    should = rounded(value, decimals(printed))
    digits = digits_of_agreement(printed, value)
    if agrees(printed, value):
        return Compared(printed, float(value), should, digits, AGREES)
    double = float(value)
    neighbours = (math.nextafter(double, -math.inf), math.nextafter(double, math.inf))
    if float(printed) in (*neighbours, follows):
        return Compared(printed, double, should, digits, ROUNDING)
    found, verdict = slip(printed, value), DAMAGED
    if found == "lost digit":
        should = rounded(value, decimals(printed) + 1)
    elif found == "added digit":
        should = rounded(value, decimals(printed) - 1)
    elif found == "sign":
        verdict = MISPRINT
    elif any(agrees(printed, other) for other in others):
        found, verdict = "another number", MISPRINT
    else:
        verdict = WRONG
    return Compared(printed, double, should, digits, verdict, found)


def aligned(
    printed: Sequence[str], values: Sequence[Number], others: Sequence[float] = ()
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
            found.append(Compared(text, None, None, None, DAMAGED, "added element"))
    for j in sorted(set(range(len(values))) - set(pairs.values())):
        should = rounded(values[j], max(map(decimals, printed)))
        found.insert(j, Compared(None, float(values[j]), should, None, DAMAGED, "lost element"))
    return found


def _one_digit_less(number: str) -> list[str]:
    """What the number would be without one of its digits, where any is left."""
    shorter = [number[:i] + number[i + 1 :] for i, c in enumerate(number) if c.isdigit()]
    return [text for text in shorter if text.strip("-.")]


def lines_of(cell: str) -> list[str]:
    """The lines of a cell without comments and spaces, by which two are the same or are not."""
    bare = (re.sub(r"#.*|\s", "", line) for line in cell.split("\n"))
    return [line for line in bare if line]
