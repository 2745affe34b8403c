"""What a careful editor would stop at in a template, with file and line.

The first half reads templates alone: a digit typed in prose, a figure or a table that nothing refers
to, a citation that the bibliography lacks, and claims that claim nothing: on no measurement, on a
truth value that was made elsewhere, or on what the if around them has decided. The second half needs
what was filled and measured: a number printed twice with roundings that contradict each other, and a
measurement quoted nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Context, Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

from jinja2 import nodes

from workings.page import bibliography, changes, claims, letters, template


@dataclass(frozen=True)
class Finding:
    """One thing to mend."""

    place: str  # file:line
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def _order(finding: Finding) -> tuple[str, int, str]:
    file, _, line = finding.place.rpartition(":")
    return file, int(line), finding.message


_CITATION = r"\\(?:text|paren)?cite[pt]?\*?(?:\[[^\]]*\])*\{([^}]*)\}"
# Digits that are structure and no result. In prose:
STRUCTURAL = re.compile(
    r"\\(?:label|[cC]?ref\*?|hyperref|hypertarget|hyperlink)\{[^}]*\}"  # names
    rf"|{_CITATION}"  # with the chapter
    r"|\\begin\{\w+\}(?:\{[^\n]*\})?|\\(?:setlength|addlinespace|arraystretch)[^\n]*"  # layout
    r"|\\(?:multicolumn|cmidrule)(?:\([^)]*\))?\{[^}]*\}"
    r"|\d*\.?\d+\s*(?:mm|pt|em|ex|\\\w+(?:skip|width|sep))\b"  # lengths
    r"|[^\W\d]~\d+\b"  # tied to a word it is a name: problem~2
)
# In a formula whole numbers from 0 to 2 (indices, exponents, 1 − h²); anything else is a value.
_MATHS = re.compile(r"\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
_SMALL = re.compile(r"(?<![\d.])[012](?![\d.]*\d)")
SEEDS = "seeds"  # the engine's own job, whose measurements a report may leave unprinted
_DIGIT = re.compile(r"(?<![\w-])-?\d[\d.,]*")  # SHA-256 is a name


def of_templates(
    templates: Iterable[Path],
    bibliographies: Iterable[Path] = (),
    biber: bool = True,
    engine: str = letters.PDFLATEX,
) -> list[Finding]:
    """The findings that need no measurements.

    Args:
        templates: the sections with their partials.
        bibliographies: the BibTeX files.
        biber: whether biblatex sets the references, else BibTeX.
        engine: what sets the page.
    """
    trees = {file: template.parse(file) for file in templates}
    prose = {file: list(_prose(tree)) for file, tree in trees.items()}
    whole = "\n".join(text for texts in prose.values() for _, text in texts)
    entries, wrong = bibliography.check(bibliographies, biber, engine)
    findings = {Finding(place, message) for place, message in wrong}
    claimed: dict[str, str] = {}
    for file, tree in trees.items():
        for line, text in prose[file]:
            findings |= {*_typed_digits(file, line, text), *_citations(file, line, text, entries)}
        findings |= {*_referred_to(file, tree, whole), *_claims(file, tree, (), claimed)}
    return sorted(findings, key=_order)


def of_values(
    quotes: Mapping[str, list[dict]],
    measured: Mapping[str, Mapping[str, Any]],
    templates: Iterable[Path],
    place_of: Callable[[str], str],
) -> list[Finding]:
    """The findings that need every section's quotes and every job's measurements.

    Args:
        quotes: what each section quoted.
        measured: the measurements of each job.
        templates: the sections with their partials.
        place_of: the file:line that records a key.
    """
    return [*_roundings(quotes), *_unquoted(quotes, measured, templates, place_of)]


def _prose(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """What is read as text, with its first line: the template's own, and words in expressions."""
    yield from template.prose(tree)
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            yield from _printed_words(node)
    for node in tree.find_all((nodes.For, nodes.Assign)):
        yield from _printed_words(node.iter if isinstance(node, nodes.For) else node.node)


def _printed_words(node: nodes.Node) -> Iterator[tuple[int, str]]:
    """The texts in an expression that may be printed: none that chooses a part or is compared."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.lineno, node.value
    elif isinstance(node, nodes.Filter | nodes.Getitem):
        yield from _printed_words(node.node)
    elif not isinstance(node, nodes.Compare):
        for child in node.iter_child_nodes():
            yield from _printed_words(child)


def _matches(
    pattern: str | re.Pattern, file: Path, line: int, text: str
) -> Iterator[tuple[str, re.Match]]:
    """Where the pattern stands in a text that begins in that line."""
    for found in re.finditer(pattern, text):
        yield f"{file}:{line + text.count(chr(10), 0, found.start())}", found


def _typed_digits(file: Path, line: int, text: str) -> Iterator[Finding]:
    blank = lambda match: re.sub(r"\S", " ", match[0])  # noqa: E731  keeps the lines
    bare = STRUCTURAL.sub(blank, text)
    bare = _MATHS.sub(lambda match: _SMALL.sub(" ", match[0]), bare)
    bare = re.sub(r"[_^]\{?[\w+-]+\}?", blank, bare)
    for place, found in _matches(_DIGIT, file, line, bare):
        yield Finding(
            place,
            f"the digits {found[0].strip('.,')} are typed; print a measurement or a choice instead, "
            "or tie a number that is a name to its word: problem~2",
        )


def _citations(file: Path, line: int, text: str, entries: set[str]) -> Iterator[Finding]:
    for place, found in _matches(_CITATION, file, line, text):
        for key in map(str.strip, found[1].split(",")):
            if key not in entries:
                yield Finding(place, f"the citation '{key}' is not in the bibliography")


def _referred_to(file: Path, tree: nodes.Template, whole: str) -> Iterator[Finding]:
    for kind, short in (("figure", "fig"), ("table", "tab")):
        for (name, *_), line in template.blocks(tree, kind):
            if not re.search(rf"ref\*?\{{[^}}]*\b{short}:{re.escape(name.value)}[,}}]", whole):
                yield Finding(f"{file}:{line}", f"the {kind} '{name.value}' is never referred to")


def _claims(
    file: Path, node: nodes.Node, known: claims.Known, claimed: dict[str, str]
) -> Iterator[Finding]:
    """The claims below `node` that claim nothing, where the ifs around it have decided `known`."""
    if isinstance(node, nodes.If):
        for branch in (node, *node.elif_):
            for inner in branch.body:
                yield from _claims(file, inner, (*known, (branch.test, True)), claimed)
            known = (*known, (branch.test, False))
        for inner in node.else_:
            yield from _claims(file, inner, known, claimed)
        return
    if isinstance(node, nodes.CallBlock) and node.call.args[0].value == "claim":
        _, name, _, condition, _ = node.call.args
        for message in _claim(name.value, condition, known, claimed.get(name.value)):
            yield Finding(f"{file}:{node.lineno}", message)
        claimed.setdefault(name.value, f"{file}:{node.lineno}")
    for child in node.iter_child_nodes():
        yield from _claims(file, child, known, claimed)


def _claim(
    name: str, condition: nodes.Expr, known: claims.Known, first: str | None
) -> Iterator[str]:
    what, written = f"the claim '{name}'", claims.source(condition)
    if first:
        yield f"{what} has its name from {first} already"
    if all(key.split(".")[0] in ("config", "loop") for key, _ in template.keys(condition)):
        yield f"{what} rests on no measurement: `{written}`"
    for operand in claims.ready_made(condition):
        yield f"{what}: `{operand}` is a ready-made truth value; compare what was measured"
    possible = claims.possible(condition, known)
    if known and len(possible) == 1:
        yield (
            f"{what} cannot {'fail' if True in possible else 'hold'}: the if around it has decided "
            f"`{written}`; take it out of the if, with its other wording after otherwise"
        )


_HALVES = (ROUND_HALF_UP, ROUND_HALF_DOWN)
_DIGITS = Context(prec=5000)  # of any number that is printed


def _roundings(quotes: Mapping[str, list[dict]]) -> Iterator[Finding]:
    """A shorter print must be what a reader gets who rounds the longer one, in whatever unit."""
    seen: dict[str, dict[str, dict]] = {}  # of each key the numbers that a reader was told
    for quote in (quote for quoted in quotes.values() for quote in quoted):
        if quote["number"] is not None:
            seen.setdefault(quote["key"], {}).setdefault(quote["number"], quote)
    for key, prints in seen.items():
        for short, long in permutations(prints, 2):
            last = Decimal(1).scaleb(Decimal(short).as_tuple().exponent)
            ways = {Decimal(long).quantize(last, way, _DIGITS) for way in _HALVES}
            if (
                last > Decimal(1).scaleb(Decimal(long).as_tuple().exponent)
                and Decimal(short) not in ways
            ):
                here, there = (changes.readable(prints[each]["text"]) for each in (short, long))
                yield Finding(
                    prints[short]["place"],
                    f"'{key}' is printed as {here} here and as {there} at {prints[long]['place']}, "
                    f"which rounds to {min(ways):f}",
                )


def _unquoted(
    quotes: Mapping[str, list[dict]],
    measured: Mapping[str, Mapping[str, Any]],
    templates: Iterable[Path],
    place_of: Callable[[str], str],
) -> Iterator[Finding]:
    """A measurement that no template names, under its first name in the job."""
    named = {quote["key"] for quoted in quotes.values() for quote in quoted}
    named |= {key for file in templates for key, _ in template.keys(template.parse(file))}
    named = {tuple(key.split(".")[:2]) for key in named}
    for job, values in measured.items():
        for name in values if job != SEEDS else ():
            if not named & {(job,), (job, name)}:
                yield Finding(
                    place_of(f"{job}.{name}"),
                    f"the measurement '{job}.{name}' is quoted nowhere; print it, decide by it, "
                    f"drop it, or say why: \\BLOCK{{ unprinted {job}.{name} because '…' }}",
                )
