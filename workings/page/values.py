r"""The value that knows its key, and how it becomes text.

A template's names are `Value`s: a measurement, a choice, or a part of one, with the key it is recorded
under and the way it is to be printed. Compared, counted or asked for its truth it is its raw value;
arithmetic gives a value without a key, which cannot be printed. `Writer` prints one section's values,
each linked to its row in the ledger, and keeps what it printed.
"""

from __future__ import annotations

import math
import operator
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import FrameType
from typing import Any, NamedTuple

from jinja2 import Undefined

from workings.languages import ENGLISH, Language
from workings.measurements import nearest
from workings.messages import InputError
from workings.page import letters
from workings.page.numbers import number
from workings.page.tex import TeX, anchor, code, escape

LONGEST = 14_000  # bits of a whole number: as long as JSON holds them
MOST = 20_000  # values that a section prints: more are no prose, and TeX would take minutes


@dataclass(frozen=True)
class Format:
    """How a value is printed; what it holds inherits it."""

    notation: str | None = None
    digits: int | None = None
    unit: str = ""
    code: bool = False
    dash: bool = False
    bare: bool = False  # without its unit

    def said(self) -> dict[str, Any]:
        """What the template said of it."""
        return {
            name: given for name, given in asdict(self).items() if given not in (None, "", False)
        }


@dataclass(frozen=True, eq=False)
class Value:
    """What is recorded under `key` (None: it was computed in a template), and how to print it.

    `shape`, where it is given, prints more than the value alone: a list in words, a matrix …
    """

    raw: Any
    key: str | None = None
    format: Format = Format()
    shape: Callable[[Writer, Value], str] | None = None

    def named(self) -> str:
        """The beginning of a message: what is called how."""
        return f"'{self.key or 'the result of a computation'}' is {self.raw!r:.40}"

    def formatted(self, **changes: Any) -> Value:
        return replace(self, format=replace(self.format, **changes))

    def shaped(self, shape: Callable[[Writer, Value], str]) -> Value:
        return replace(self, shape=shape)

    def child(self, part: Any) -> Value:
        """What is recorded under `part`: a name, or a place in a list.

        Raises:
            InputError: nothing is; the message names what is nearest.
        """
        held, part = self.raw, str(raw(part))
        if isinstance(held, list) and part.removeprefix("-").isdigit():
            place = int(part) + (len(held) if part[0] == "-" else 0)
            if 0 <= place < len(held):
                return Value(held[place], f"{self.key}.{place}", self.format)
        if isinstance(held, Mapping) and part in held:
            return Value(held[part], f"{self.key}.{part}" if self.key else part, self.format)
        walked = self.key.split(".") if self.key else []
        raise InputError(f"no '{'.'.join([*walked, part[:60]])}': {nearest(held, walked, part)}")

    def at(self, key: str) -> Value | None:
        """What is recorded under the dotted key, if something is."""
        found = self
        try:
            for part in key.split("."):
                found = found.child(part)
        except InputError:
            return None
        return found

    def children(self) -> list[Value]:
        """The items of a list, or what a mapping holds, in order."""
        if isinstance(self.raw, list):
            return [self.child(place) for place in range(len(self.raw))]
        if isinstance(self.raw, Mapping):
            return [self.child(name) for name in self.raw]
        raise InputError(f"{self.named()}, not a list")

    def __iter__(self) -> Iterator[Value]:
        return iter(self.children())

    def __len__(self) -> int:
        return len(self.raw if isinstance(self.raw, list | Mapping) else self.children())

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __contains__(self, item: Any) -> bool:
        if not isinstance(self.raw, str | list | Mapping):
            raise InputError(f"{self.named()}, which holds nothing")
        return raw(item) in self.raw

    def __str__(self) -> str:
        raise InputError(f"{self.named()}; print it by itself, with \\VAR{{…}}")

    def __eq__(self, other: object) -> bool:
        other = raw(other)
        if None not in (self.raw, other) and _kind(self.raw) is not _kind(other):
            raise InputError(f"{self.named()}, which cannot be the same as {other!r:.40}")
        return self.raw == other

    def __neg__(self) -> Value:
        return Value(-numeric(self))


def raw(thing: Any) -> Any:
    """The plain value of anything in a template; an error if there is none."""
    if isinstance(thing, Undefined):
        thing._fail_with_undefined_error()
    return thing.raw if isinstance(thing, Value) else thing


def numeric(thing: Any) -> int | float:
    """The number that `thing` is."""
    value = raw(thing)
    if isinstance(value, bool) or not isinstance(value, int | float):
        named = thing.named() if isinstance(thing, Value) else f"this is {value!r:.40}"
        raise InputError(f"{named}, where a number is needed")
    return value


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


_SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def computed(sign: str, left: Any, right: Any) -> Value:
    """A value without a key: what comes of two numbers."""
    left, right = numeric(left), numeric(right)
    try:
        result = _SIGNS[sign](left, right)
    except ArithmeticError as error:
        raise InputError(f"{left!r:.40} and {right!r:.40} make no number: {error}") from None
    if result.bit_length() > LONGEST if isinstance(result, int) else not math.isfinite(result):
        raise InputError(f"{left!r:.40} {sign} {right!r:.40} is too large a number")
    return Value(result)


# Comparison is that of the numbers.
for _name in ("__lt__", "__le__", "__gt__", "__ge__"):
    _sign = getattr(operator, _name)
    setattr(Value, _name, lambda self, other, s=_sign: s(numeric(self), numeric(other)))


class Shown(NamedTuple):
    """What is printed of a value: its characters, the same as TeX, and the number that it tells."""

    plain: str
    tex: str
    number: str | None = None


@dataclass
class Writer:
    """Prints the values of one section, and keeps what it printed.

    Args:
        section: its name, which makes the anchors of the quotes.
        names: what a template can name: each job's measurements, `config`, `derivation`.
        language: of the report.
        engine: what sets the page, which decides what letters can be printed.
        report_refuted: print a claim that does not hold as refuted.
        title_block: makes the document's front matter around the abstract.
        plain: print characters alone, as in an alternative text.
        quotes: what was printed, in order.
        claims: what was claimed.
        reads: what the condition of a claim has read so far.
    """

    section: str
    names: Value
    language: Language = ENGLISH
    engine: str = letters.PDFLATEX
    report_refuted: bool = False
    title_block: Callable[[str], str] = str
    plain: bool = False
    quotes: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    reads: dict[str, Any] = field(default_factory=dict)

    def printed(self, thing: Any) -> str:
        """What `\\VAR{thing}` prints: the only door from a template's expressions to its text."""
        raw(thing)  # an error where there is nothing
        if isinstance(thing, Value):
            return thing.shape(self, thing) if thing.shape else self.link(thing)
        if isinstance(thing, str):
            return TeX(thing) if self.plain else escape(thing)
        if isinstance(thing, int | float):
            raise InputError(
                f"the bare number {thing!r} has no key; record it in the job and print that"
            )
        raise InputError(f"a {type(thing).__name__} cannot be printed; print one of its values")

    def link(self, value: Value) -> str:
        """The value alone, linked to its row in the ledger; in plain text, its characters."""
        if value.raw is None and value.format.dash:
            return TeX("–")
        shown = self.texts(value)
        letters.refuse(shown.plain, self.engine)
        return TeX(shown.plain) if self.plain else self.quote(value, *shown[1:])

    def quote(self, value: Value, tex: str, number: str | None = None) -> str:
        r"""`tex` as the print of `value`: \\measured{key}{section.n}{tex}, and kept as a quote.

        `number` is the one that a reader takes it for, if it is one.
        """
        if value.key.startswith("derivation."):
            return TeX(tex)
        if len(self.quotes) == MOST:
            raise InputError(f"the section prints more than {MOST} values; let the job choose some")
        letters.refuse(tex, self.engine)
        quote = {"key": value.key, "value": value.raw, "text": tex, "number": number}
        self.quotes.append(quote | {"place": place(), "format": value.format.said()})
        return TeX(
            f"\\measured{{{anchor(value.key)}}}{{{self.section}.{len(self.quotes)}}}{{{tex}}}"
        )

    def texts(self, value: Value) -> Shown:
        """What is printed of a number or a text.

        Raises:
            InputError: it is neither, nobody recorded it, or its digits are not said.
        """
        key, held, form = value.key, value.raw, value.format
        if key is None:
            raise InputError(
                f"{held!r:.60} was computed in the template, so that it has no key; record it in the "
                "job and print that"
            )
        if held is None:
            raise InputError(f"'{key}' has no value; say what stands there: {key} | dash, or an if")
        if isinstance(held, bool):
            raise InputError(
                f"'{key}' is {str(held).lower()}; decide by it between two wordings: if"
            )
        if isinstance(held, list):
            raise InputError(
                f"'{key}' is a list of {len(held)} items; print it with each, matrix or row, or go "
                "through it with for"
            )
        if isinstance(held, Mapping):
            raise InputError(f"'{key}' holds {', '.join(held)}; print one of them")
        if isinstance(held, str) and form.notation is None and not form.unit:
            return Shown(held, code(held) if form.code else escape(held))
        try:
            return self.number(held, form.digits, form.notation, form.unit, bare=form.bare)
        except (TypeError, ValueError) as error:
            raise InputError(f"'{key}': {error}") from None

    def number(self, *given: Any, bare: bool = False) -> Shown:
        """A number as `numbers.number` formats it, in the language of the report."""
        made = number(*given, language=self.language)
        made = replace(made, unit="") if bare else made
        return Shown(made.plain(), made.latex(), str(made.value))


def place(frames: Iterable[tuple[FrameType, int]] | None = None) -> str:
    """file:line of the template among frames, the innermost first; by default of what is running."""
    for frame, line in frames or traceback.walk_stack(sys._getframe()):
        template = frame.f_globals.get("__jinja_template__")
        if template is not None and template.filename:
            return f"{template.filename}:{template.get_corresponding_lineno(line)}"
    return ""
