r"""A .bib file: its entries, by BibTeX's grammar, and its text as BibTeX and pandoc are given it.

pybtex reads, so that braces, parentheses, quotes and strings count as they do for BibTeX. Comments are those
that biber knows, and BibTeX does not: from a % before, between or after fields and entries to the end of its
line, and what @comment holds.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from pybtex.database.input.bibtex import LowLevelParser, SkipEntry, month_names
from pybtex.scanner import Pattern, PrematureEOF
from pybtex.utils import CaseInsensitiveDict

PREAMBLE = "preamble"
FORMULA = re.compile(r"(?<!\\)\$(?:\\.|[^$\\])*\$|\\\(.*?\\\)", re.DOTALL)
COMMENT = r"%[^\n]*"
# Letters in the place of quotation marks, which pandoc would exchange for those of the language.
QUOTES = {ord(mark): chr(0xE010 + number) for number, mark in enumerate("“”‘’")}
# The kinds that pandoc names on the page, and only in English, as the ones that it does not name.
UNTYPED = {"phdthesis": "thesis", "mastersthesis": "thesis", "techreport": "report"}


@dataclass(frozen=True)
class Entry:
    """One entry, with the line of its file that has its @, and values without the signs around them."""

    kind: str
    key: str
    place: str
    fields: dict[str, str]

    def aliases(self) -> list[str]:
        """Other keys that biber knows it by."""
        return [key.strip() for key in self.fields.get("ids", "").split(",") if key.strip()]


class _Parser(LowLevelParser):
    """pybtex's, with biber's comments and names of strings in any case."""

    WHITESPACE = Pattern(rf"(?:\s|{COMMENT})+", "whitespace")
    AT = Pattern(rf"(?:{COMMENT}|[^@\s]+|\s+)*+@", "'@'")
    AT.search = AT.match  # from where the last entry ends, else it would find an @ in a comment

    def __init__(self, text: str):
        super().__init__(text, macros=CaseInsensitiveDict({name: name for name in month_names}))
        self.ends = [found.start() for found in re.finditer("\n", text)]  # of the lines
        self.wrong: list[tuple[int, str]] = []  # line, message
        self.blanks: list[tuple[int, int]] = []  # where spaces and comments stand
        self.spans: list[tuple[int, int]] = []  # from the @ of each entry to its end

    def line(self, position: int) -> int:
        return bisect_left(self.ends, position) + 1

    def handle_error(self, error) -> None:
        said = re.sub(r"^syntax error | ?in line \d+", "", str(error)).strip(": ")
        begun = self.line(self.command_start)
        self.wrong.append((error.lineno, f"{said}, in what begins in line {begun}"))

    def eat_whitespace(self) -> None:
        start = self.pos
        super().eat_whitespace()
        self.blanks.append((start, self.pos))

    def parse_command(self) -> tuple:
        try:
            parsed = super().parse_command()
        except SkipEntry:
            self.skip_comment()
            raise
        self.spans.append((self.command_start, self.pos))
        return parsed

    def skip_comment(self) -> None:
        """To the brace or parenthesis that closes the one read last."""
        braces, parentheses = (self.LBRACE, self.RBRACE), (self.LPAREN, self.RPAREN)
        signs = braces if self.text[self.pos - 1] == "{" else parentheses
        depth = 1
        while depth:
            found = self.skip_to(signs)
            if not found:
                raise PrematureEOF(self)
            depth += 1 if found.pattern is signs[0] else -1

    def between(self) -> list[tuple[int, int]]:
        """What is before the first entry, between two, and after the last."""
        ends = [0, *(end for _, end in self.spans)]
        return list(zip(ends, [*(start for start, _ in self.spans), len(self.text)], strict=True))


def read(file: Path) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries of a file, and (place, message) of what cannot be read."""
    try:
        parser = _Parser(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        return [], [(f"{file}:{line}", "not UTF-8 text; save the file as UTF-8")]
    entries = []
    for kind, (key, *content) in parser:
        line, kind = parser.line(parser.command_start), kind.lower()
        if kind == PREAMBLE:
            entries.append(Entry(kind, "@preamble", f"{file}:{line}", {kind: "".join(key)}))
        elif kind != "string" and key:
            names = [name.lower() for name, _ in content[0]]
            for name in sorted({name for name in names if names.count(name) > 1}):
                parser.wrong.append((line, f"'{key}': its {name} stands twice; keep one"))
            values = ("".join(value) for _, value in content[0])
            fields = dict(zip(names, values, strict=True))
            entries.append(Entry(kind, key, f"{file}:{line}", fields))
    if not parser.wrong:  # else the parser may have gone on in the middle of an entry
        for (start, end), (_, following) in zip(parser.spans, parser.between()[1:], strict=True):
            if _is_rest(parser.text[end:following]):
                said = f"what begins in line {parser.line(start)} is closed before its end"
                parser.wrong.append((parser.line(end), f"{said}; a brace too many?"))
    return entries, [(f"{file}:{line}", message) for line, message in parser.wrong]


def _is_rest(between: str) -> bool:
    """Whether what stands between two entries, which nobody reads, is the rest of the first."""
    words = re.sub(rf"(?<!\S){COMMENT}", "", between)
    depths = accumulate({"{": 1, "}": -1}.get(sign, 0) for sign in words)
    return bool(re.match(r"\s*,\s*\w+\s*=", words)) or min(depths, default=0) < 0


def for_bibtex(text: str) -> str:
    """A file without comments, letters composed, the first ones of names so that BibTeX cuts none in two."""
    parser = _Parser(text)
    list(parser)
    signs = list(text)
    for start, end in parser.between() + parser.blanks:
        signs[start:end] = [sign if sign.isspace() else " " for sign in signs[start:end]]
    held = r"(?:[^{}]|\{[^{}]*\})*"
    names = re.compile(
        rf"\b((?:author|editor)\s*=\s*)(?:\{{({held})\}}|\"((?:[^{{}}\"]|\{{[^{{}}]*\}})*)\")", re.I
    )
    first = re.compile(r"(?<![a-zA-Z{\\\u0080-\U0010ffff])[\u0080-\U0010ffff]")

    def mended(found: re.Match) -> str:
        return found[1] + "{" + first.sub(r"{\\relax \g<0>}", found[2] or found[3] or "") + "}"

    return names.sub(mended, unicodedata.normalize("NFC", "".join(signs)))


def _with_quotes_held(value: str) -> str:
    """Words whose quotation marks are QUOTES, formulas as they are."""
    parts = re.split(f"({FORMULA.pattern})", value, flags=re.DOTALL)
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"(?<!\\)``", "“", parts[at])
        parts[at] = re.sub(r"(?<!\\)''", "”", parts[at])
        parts[at] = re.sub(r"(?<!\\)`([^`']*)'", r"‘\1’", parts[at]).translate(QUOTES)
    return "".join(parts)


def for_pandoc(files: Iterable[Path], english: bool) -> str:
    """The entries, in braces alone, the words that pandoc would change or cannot translate held from it."""
    kept = re.compile(
        r".*title|journal|series|note|howpublished|publisher|institution|organization|school"
    )
    written = []
    for entry in (entry for file in files for entry in read(file)[0] if entry.kind != PREAMBLE):
        fields = []
        for name, value in entry.fields.items():
            if not value.strip() or (name == "pubstate" and not english):
                continue
            if kept.fullmatch(name):
                value = f"{{{_with_quotes_held(value)}}}"
            elif name == "year":
                value = value.replace("--", "–")
            fields.append(f"{name} = {{{value}}}")
        kind = entry.kind if english else UNTYPED.get(entry.kind, entry.kind)
        held = ",\n ".join(fields)
        written.append(f"@{kind}{{{entry.key},\n {held}}}\n")
    return "".join(written)
