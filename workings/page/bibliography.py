r"""What the bibliography holds, as BibTeX's grammar has it, and what in it would not be printed right.

pybtex reads the files, so that braces, parentheses, strings and comments count as they do for biber and
BibTeX. What TeX would act on in a field, a second entry of the same key, or a command that no reference
needs is told with its file and line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from workings.messages import InputError
from workings.page import letters

# Addresses, read letter by letter, and names.
LITERAL = {"url", "doi", "eprint", "file", "pdf", "ids", "crossref", "xref", "xdata", "related"}
UNPRINTED = {"abstract", "annotation", "annote", "keywords", "file", "pdf"}
PREAMBLE = "@preamble"
NAMED = {"author", "editor", "title", "organization", "institution", "key", "label", "shorthand"}
NAMED |= {"crossref", "xdata", "entryset", "preamble"}
# A reference sets words; it reads no files, and what it defines or decides stands in the @preamble.
_READS = re.compile(
    r"\^\^|\\(?:@*input\w*|include\w*|InputIfFileExists|\w*verbatiminput\w*|lstinputlisting|open(?:in|out)"
    r"|read\w*|write\w*|immediate|special|catcode|\w*csname|\w*lua\w*|pdf\w+|usepackage|RequirePackage"
    r"|\w*expand\w*|scantokens|shipout)(?![A-Za-z])"
)
_DEFINES = re.compile(
    r"\\(?:[egx]?def|let|futurelet|\w*command|loop|if\w*|else|fi|unless|\w*group|end(?:input)?|stop|bye)"
    r"(?![A-Za-z])"
)
_FORMULA = re.compile(r"(?<!\\)\$[^$]*\$|\\\(.*?\\\)", re.DOTALL)
_BARE = re.compile(r"(?<!\\)(?:\\\\)*([&%#_^$])")


@dataclass(frozen=True)
class Entry:
    """One entry, with the lines of its file from its @ on."""

    key: str
    place: str
    fields: dict[str, str]

    def aliases(self) -> list[str]:
        """Other keys that biber knows it by."""
        return [key.strip() for key in self.fields.get("ids", "").split(",") if key.strip()]


def for_bibtex(text: str) -> str:
    """A file with composed letters, and the first ones of names so that BibTeX cuts none in two."""
    held = r"(?:[^{}]|\{[^{}]*\})*"
    names = re.compile(
        rf"\b((?:author|editor)\s*=\s*)(?:\{{({held})\}}|\"((?:[^{{}}\"]|\{{[^{{}}]*\}})*)\")", re.I
    )
    first = re.compile(r"(?<![a-zA-Z{\\\u0080-\U0010ffff])[\u0080-\U0010ffff]")

    def mended(found: re.Match) -> str:
        return found[1] + "{" + first.sub(r"{\\relax \g<0>}", found[2] or found[3] or "") + "}"

    return names.sub(mended, unicodedata.normalize("NFC", text))


def _is_balanced(value: str) -> bool:
    """Whether TeX, to which a brace after a \\ is a sign, finds a value as whole as BibTeX did."""
    depth = 0
    for token in re.findall(r"\\.|[\\{}]", value, flags=re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0 or token == "\\":
            return False
    return depth == 0


def read(file: Path) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries of a file, and (place, message) of what cannot be read."""
    from pybtex.database.input.bibtex import LowLevelParser, month_names

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        return [], [(f"{file}:{line}", "not UTF-8 text; save the file as UTF-8")]
    entries, wrong = [], []

    def line(position: int) -> int:
        return text.count("\n", 0, position) + 1

    def note(error) -> None:
        said = re.sub(r"^syntax error | ?in line \d+", "", str(error)).strip(": ")
        begun = line(parser.command_start)
        wrong.append((f"{file}:{error.lineno}", f"{said}, in what begins in line {begun}"))

    parser = LowLevelParser(text, macros=dict(month_names), handle_error=note)
    spans = []
    for kind, (key, *content) in parser:
        place = f"{file}:{line(parser.command_start)}"
        spans.append((parser.command_start, parser.pos))
        if kind.lower() == "preamble":
            entries.append(Entry(PREAMBLE, place, {"preamble": "".join(key)}))
        elif kind.lower() != "string" and key:
            names = [name.lower() for name, _ in content[0]]
            twice = sorted({name for name in names if names.count(name) > 1})
            wrong += [(place, f"'{key}': its {name} stands twice; keep one") for name in twice]
            values = ("".join(value) for _, value in content[0])
            entries.append(Entry(key, place, dict(zip(names, values, strict=True))))
    if not wrong:  # else the parser may have gone on in the middle of an entry
        after = [start for start, _ in spans[1:]] + [len(text)]
        for (start, end), following in zip(spans, after, strict=True):
            if _is_rest(text[end:following]):
                said = (
                    f"what begins in line {line(start)} is closed before its end; a brace too many?"
                )
                wrong.append((f"{file}:{line(end)}", said))
    return entries, wrong


def _is_rest(between: str) -> bool:
    """Whether what stands between two entries, which nobody reads, is the rest of the first."""
    depths = accumulate({"{": 1, "}": -1}.get(sign, 0) for sign in between)
    return between.lstrip().startswith(",") or min(depths, default=0) < 0


def told(key: str, files: Iterable[Path], message: str = "") -> str:
    """An entry with its place in the files, or what is wrong with it."""
    message = message or f"the entry '{key}'"
    there = filter(Path.exists, files)
    places = {entry.key: entry.place for file in there for entry in read(file)[0]}
    return f"{places[key]}: {message}" if key in places else message


def begun(bbl: Path, line: int) -> str:
    """The key of the entry that a line of what BibTeX or biber made belongs to; nothing before the first."""
    written = bbl.read_text(encoding="utf-8", errors="replace")
    keys = re.findall(
        r"\\(?:bibitem(?:\[.*\])?(?:%\n\s*)?|entry)\{([^}]*)\}",
        "\n".join(written.split("\n")[:line]),
    )
    return keys[-1] if keys else ""


def refused(blg: Path) -> tuple[str, str]:
    """The key of the entry that BibTeX did not take, by its log, and why; nothing where it was none."""
    said = blg.read_text(encoding="utf-8", errors="replace") if blg.exists() else ""
    wrong = re.search(r"^(?!Warning)(.*) for entry (\S+)$", said, flags=re.MULTILINE)
    return (wrong[2], wrong[1]) if wrong else ("", "")


def check(
    files: Iterable[Path], biber: bool, engine: str
) -> tuple[set[str], list[tuple[str, str]]]:
    """The keys that can be cited, and (place, message) of each thing to mend.

    Args:
        biber: whether biblatex sets the references, else BibTeX.
        engine: what sets the page.
    """
    places: dict[str, str] = {}
    found = []
    for file in filter(Path.exists, files):
        entries, wrong = read(file)
        found += wrong
        for entry in entries:
            found += [
                (entry.place, f"'{entry.key}': {said}") for said in _wrong(entry, biber, engine)
            ]
            keys = [entry.key, *(entry.aliases() if biber else ())]
            for key in keys if entry.key != PREAMBLE else ():
                if key in places:
                    found.append((entry.place, f"the key '{key}' is that of {places[key]} already"))
                places.setdefault(key, entry.place)
    return set(places), found


def _wrong(entry: Entry, biber: bool, engine: str) -> Iterator[str]:
    """What would not be printed as it stands."""
    if not entry.fields.keys() & NAMED:
        yield "it has neither an author nor a title, so that nothing names it"
    for name, value in entry.fields.items():
        command = _READS.search(value)
        if command or (name != "preamble" and (command := _DEFINES.search(value))):
            yield f"its {name} has {command[0]}, which no reference needs; take it out"
        if name in UNPRINTED and not biber:
            continue
        if not _is_balanced(value):
            yield f"its {name} has a \\ before a brace that would close it; write \\textbackslash{{}}"
        bare = _FORMULA.sub("", value)
        signs = []
        if name not in LITERAL | {"preamble"}:  # TeX reads even those that it sets nowhere
            signs = [sign for sign in _BARE.findall(value) if sign in "%#"]
            signs += _BARE.findall(bare) if name not in UNPRINTED else []
        for sign in dict.fromkeys(signs):
            shown = " ".join(value.split())
            right = f"\\{sign}" if sign in "&%#_" else f"\\textasciicircum{{}}, or ${shown:.20}$"
            right = r"\$, or a second one" if sign == "$" else right
            yield f"its {name} has a bare {sign}, which TeX would act on; write {right}"
        try:
            letters.refuse(unicodedata.normalize("NFC", value), engine)
        except InputError as error:
            yield f"its {name}: {error}"
    if entry.key != PREAMBLE and not biber and entry.aliases():
        yield "it has other keys in `ids`, which biber knows and BibTeX does not; cite its own"
