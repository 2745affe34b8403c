"""What a careful editor would stop at in a template, with file and line.

The first half reads templates alone: a digit typed in prose, a figure or a table that nothing refers
to, a claim without evidence or with a predicate that cannot be read, a claim's name given twice, and
a citation that the bibliography lacks. The second half needs what was filled and measured: a number
printed twice with roundings that contradict each other, and a measurement quoted nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

from jinja2 import nodes

from workings.derive.expression import ExpressionError
from workings.page import latex, predicate


@dataclass(frozen=True)
class Finding:
    """One thing to mend."""

    place: str  # file:line
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


# Digits that are structure and no result. In prose:
STRUCTURAL = re.compile(
    r"\\(?:label|[cC]?ref\*?|hyperref|hypertarget|hyperlink|ledgerrow)\{[^}]*\}"  # names
    r"|\\(?:text|paren)?cite(?:\[[^\]]*\])*\{[^}]*\}"  # citations, with the chapter
    r"|\\begin\{\w+\}(?:\{[^\n]*\})?|\\(?:setlength|addlinespace|arraystretch)[^\n]*"  # layout
    r"|\d*\.?\d+\s*(?:mm|pt|em|ex|\\\w+(?:skip|width|sep))\b"  # lengths
    r"|[pP]roblem \d\b"  # the problems of the original
)
# In a formula whole numbers from 0 to 2 (indices, exponents, 1 − h²); anything else is a value.
_MATHS = re.compile(r"\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
_SMALL = re.compile(r"(?<![\d.])[012](?![\d.]*\d)")
_DIGIT = re.compile(r"(?<![\w-])-?\d[\d.,]*")  # SHA-256 is a name

# Measurements that no template names, with the reason.
UNQUOTED = {
    "classifier.confusion": "drawn as a figure",
    "gradient_check.best": "its range is printed, best step by best step it is in the figure",
    "recurrence.gradients": "read by the job gradient_check",
    "seeds.runs": "read by make diff",
    "patch_search.moves": "drawn as a figure",
    "patch_search.images_by_size": "drawn as a figure",
    "originals.quantities": "counted in a table by steps",
}


def of_templates(
    templates: Iterable[Path], bibliography: Path = Path("report/references.bib")
) -> list[Finding]:
    """The findings that need no measurements; `templates` are the sections with their partials."""
    texts = {file: file.read_text(encoding="utf-8") for file in templates}
    trees = {file: latex.parse(file) for file in texts}
    whole = "\n".join(texts.values())
    entries = set(
        re.findall(r"^@\w+\{\s*([^,\s]+)", bibliography.read_text(encoding="utf-8"), re.MULTILINE)
    )
    findings: list[Finding] = []
    claimed: dict[str, str] = {}
    for file, tree in trees.items():
        for line, text in _prose(tree):
            findings += _typed_digits(file, line, text)
            findings += _citations(file, line, text, entries)
        for call in tree.find_all(nodes.Call):
            findings += _call(file, call, whole, claimed)
    return sorted(set(findings), key=lambda f: (f.place.rsplit(":", 1)[0], _line(f), f.message))


def of_values(
    quotes: Mapping[str, list[dict]],
    measured: Mapping[str, Mapping[str, Any]],
    templates: Iterable[Path],
) -> list[Finding]:
    """The findings that need every section's quotes and every job's measurements."""
    return [*_roundings(quotes), *_unquoted(quotes, measured, templates)]


def _prose(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """What is read as text, with its first line: the template's own and sentences in helpers."""
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                yield node.lineno, node.data
    for call in tree.find_all(nodes.Call):
        name = getattr(call.node, "name", "")
        for argument in [*call.args, *(pair.value for pair in call.kwargs)]:
            predicates = name == "holds" or (
                name == "claim" and call.args[1:2] and argument is call.args[1]
            )
            words = argument.value if isinstance(argument, nodes.Const) else None
            if isinstance(words, str) and " " in words and not predicates:
                yield argument.lineno, words


def _typed_digits(file: Path, line: int, text: str) -> Iterator[Finding]:
    blank = lambda match: re.sub(r"\S", " ", match[0])  # noqa: E731  keeps the lines
    bare = STRUCTURAL.sub(blank, text)
    bare = _MATHS.sub(lambda match: _SMALL.sub(" ", match[0]), bare)
    bare = re.sub(r"[_^]\{?[\w+-]+\}?", blank, bare)
    for found in _DIGIT.finditer(bare):
        yield Finding(
            f"{file}:{line + bare[: found.start()].count(chr(10))}",
            f"the digits {found[0].strip('.,')} are typed; print a measurement with num(…)",
        )


def _citations(file: Path, line: int, text: str, entries: set[str]) -> Iterator[Finding]:
    for found in re.finditer(r"\\(?:text|paren)?cite(?:\[[^\]]*\])*\{([^}]*)\}", text):
        for key in found[1].split(","):
            if key.strip() not in entries:
                yield Finding(
                    f"{file}:{line + text[: found.start()].count(chr(10))}",
                    f"the citation '{key.strip()}' is not in report/references.bib",
                )


def _call(file: Path, call: nodes.Call, whole: str, claimed: dict[str, str]) -> Iterator[Finding]:
    helper = getattr(call.node, "name", "")
    place = f"{file}:{call.lineno}"
    constants = [arg.value if isinstance(arg, nodes.Const) else None for arg in call.args]
    if helper in ("figure", "table") and constants and isinstance(constants[0], str):
        kind = "fig" if helper == "figure" else "tab"
        if not re.search(rf"\\[cC]ref{{[^}}]*{kind}:{re.escape(constants[0])}[,}}]", whole):
            yield Finding(place, f"the {helper} '{constants[0]}' is never referred to")
    elif helper in ("claim", "holds") and constants:
        text = constants[1 if helper == "claim" and len(constants) > 1 else 0]
        if isinstance(text, str):
            what = f"the claim '{constants[0]}'" if helper == "claim" else "holds(…)"
            try:
                if not predicate.parse(text).keys():
                    yield Finding(place, f"{what} rests on no measurement: `{text}`")
            except ExpressionError as error:
                yield Finding(place, f"{what}: {latex.refused_predicate(text, error)}")
    if helper == "claim" and constants and isinstance(constants[0], str):
        first = claimed.setdefault(constants[0], str(file))
        if first != str(file):  # in one file two wordings may stand in two branches
            yield Finding(place, f"the claim '{constants[0]}' has its name from {first} already")


_HALVES = (ROUND_HALF_UP, ROUND_HALF_DOWN)
_DIGITS = Context(prec=400)  # a double printed in full has up to 309 before its point


def _roundings(quotes: Mapping[str, list[dict]]) -> Iterator[Finding]:
    """A shorter print must be what a reader gets who rounds the longer one."""
    seen: dict[str, list[tuple[Decimal, int, str, dict]]] = {}
    for quoted in quotes.values():
        for quote in quoted:
            shown = _shown(quote["text"])
            if shown is not None:
                seen.setdefault(quote["key"], []).append((*shown, quote))
    for key, prints in seen.items():
        told = set()
        for short, places, power, quote in prints:
            for long, more, other_power, other in prints:
                if power == other_power and places < more:
                    unit = Decimal(1).scaleb(-places)
                    ways = {long.quantize(unit, r, _DIGITS) for r in _HALVES}
                    pair = (quote["text"], other["text"])
                    if short not in ways and pair not in told:
                        told.add(pair)
                        yield Finding(
                            quote.get("place", ""),
                            f"'{key}' is printed as {short} here and as {long} at "
                            f"{other.get('place', '')}, which rounds to {min(ways)}",
                        )


def _shown(text: str) -> tuple[Decimal, int, str] | None:
    """(number, decimals, unit and power) of what was printed; None for what is no single number."""
    bare = text.replace(r"\,", "").replace(r"\ensuremath{", "").replace("}", "").replace("{", "")
    found = re.fullmatch(r"(-?\d+)(?:\.(\d+))?(.*)", bare)
    if not found:
        return None
    number = Decimal(found[1] + ("." + found[2] if found[2] else ""))
    return number, len(found[2] or ""), found[3].strip()


def _unquoted(
    quotes: Mapping[str, list[dict]],
    measured: Mapping[str, Mapping[str, Any]],
    templates: Iterable[Path],
) -> Iterator[Finding]:
    """A measurement that no template prints or decides by, under its first name in the job."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in templates)
    printed = {tuple(q["key"].split(".")[:2]) for quoted in quotes.values() for q in quoted}
    for job, values in measured.items():
        for name in values:
            key = f"{job}.{name}"
            named = (job, name) in printed or re.search(rf"{re.escape(key)}(?!\w)", text)
            if not named and key not in UNQUOTED:
                yield Finding(
                    f"analysis/{job}.py:{_line_with(Path(f'analysis/{job}.py'), name)}",
                    f"the measurement '{key}' is quoted nowhere; print it, decide by it, or drop it",
                )


def _line_with(file: Path, name: str) -> int:
    """The first line that records `name`, 1 if none does."""
    lines = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
    return next((n for n, line in enumerate(lines, 1) if f'"{name}"' in line), 1)


def _line(finding: Finding) -> int:
    return int(finding.place.rsplit(":", 1)[1])
