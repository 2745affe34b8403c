r"""What TeX's log says: where TeX stopped, and what a reader of the page would stumble over.

workings.sty writes into the log which file is begun and ended, so that a warning, which names its line
alone, has its file. A line of a filled section is told as that of the template it was filled from.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from workings import classes
from workings.page import bibliography

SECTION = re.compile(r"build/sections/([\w-]+)\.tex")
OVERFULL = 1.0  # points that a line may be too wide
HIGH = 10.0  # and a page too high

STUMBLES = [
    (r"LaTeX Warning: Reference `([^']*)' on page", "reference to nothing: {}"),
    (
        r"Warning: Citation [`']([^']*)' on page",  # LaTeX's own, biblatex's or natbib's
        "citation missing from the bibliography: {}",
    ),
    (r"LaTeX Warning: Label `([^']*)' multiply defined", "label given twice: {}"),
    (r"name\{([^}]*)\} has been referenced but does not exist", "link to nothing: {}"),
    (r"^No file (\S+\.tex)\.", "not there to be read: {}"),
    (r"Label\(s\) may have changed", "the references did not come to rest"),
    (r"Missing character: There is no (\S+) ", "letter missing from the typeface: {}"),
    (
        r"Font shape `((?:T1|T5|TU)/[^']*)' undefined",
        "the typeface has no {}, so that another would be set; leave one of its shapes out",
    ),
    (r"LaTeX Warning: Command (\\\S+) invalid in math mode", "{} is for texts, not for formulas"),
    (
        r"Float too large for page by ([\d.]+)pt",
        "a figure or table is {} pt higher than its page",
    ),
]  # fmt: skip


def complaints(
    log: str, shell: Path, bbl: Path = Path(), references: Iterable[Path] = ()
) -> list[str]:
    """What a reader would stumble over, each with its place where the log of `shell` knows it.

    Args:
        bbl: what BibTeX made.
        references: the .bib files.
    """
    found, reading, key = [], [str(shell)], ""
    # What a class says of typefaces before workings.sty, which then chooses them, is settled.
    log = log[max(log.find("workings ends "), 0) :]
    for line in log.splitlines():
        if begun := re.match(r"workings begins (.*)", line):
            reading.append(begun[1])
        elif sets := re.match(r"workings sets (.*)", line):
            key = sets[1]
        elif line == f"workings ends {reading[-1]}":
            reading.pop()
        said = [words.format(*m.groups()) for p, words in STUMBLES if (m := re.search(p, line))]
        if (wide := re.match(r"Overfull \\hbox \(([\d.]+)pt", line)) and float(wide[1]) > OVERFULL:
            said.append(f"a line is {wide[1]} pt too wide")
        if (high := re.match(r"Overfull \\vbox \(([\d.]+)pt", line)) and float(high[1]) > HIGH:
            said.append(f"a page is {high[1]} pt too high")
        number = re.search(r"(?:input line|at lines?) (\d+)", line)
        place = placed(reading[-1], int(number[1])) + ": " if number else ""
        if said and number and (own := _entry(reading[-1], int(number[1]), key, shell, bbl)):
            place = bibliography.told(own, references) + ": "
        found += [place + each for each in said]
    return list(dict.fromkeys(found))


def stops(log: str) -> list[tuple[str, str, str]]:
    """(file, line, message) of TeX's own errors."""
    return re.findall(r"^(\S+\.\w+):(\d+): (.*)$", log, flags=re.MULTILINE)


def stopped_at(log: str, shell: Path, bbl: Path) -> str:
    """The key of the entry of the bibliography where TeX stopped; nothing where it was none."""
    for file, line, _ in stops(log)[:1]:
        keys = re.findall(r"^workings sets (.*)$", log, flags=re.MULTILINE)
        return _entry(file, int(line), keys[-1] if keys else "", shell, bbl)
    return ""


def _entry(file: str, line: int, last: str, shell: Path, bbl: Path) -> str:
    """The key of the entry that a line sets: of what BibTeX made, or the `last` that biblatex began."""
    if file.endswith(".bbl"):
        return bibliography.begun(bbl, line)
    if Path(file) == shell and last:
        lines = shell.read_text(encoding="utf-8").splitlines()
        return last if r"\printbibliography" in lines[line - 1] else ""
    return ""


def why(log: str, output: str, packages: dict[str, str]) -> str:
    """Where TeX stopped and what it said, from its log and from what latexmk printed.

    Args:
        packages: the Debian packages of TeX's files.
    """
    said = re.search(r"^! (.*)$", log, flags=re.MULTILINE)
    if not stops(log):
        biber = re.findall(r"^ERROR - (.*)$", output, flags=re.MULTILINE)
        tail = "; ".join(biber) or (said[1] if said else " ".join(output.split()[-60:]))
        return f"TeX stopped: {tail}"
    file, line, message = stops(log)[0]
    if said and message == "Emergency stop.":  # of a missing package TeX tells the reason apart
        message = said[1]
    return f"{placed(file, int(line))}: TeX stopped: {message}{_hint(message, log, packages)}"


def _hint(message: str, log: str, packages: dict[str, str]) -> str:
    """What TeX's message leaves out: the name of the command, and who has the file."""
    if message.startswith("Undefined control sequence"):
        found = re.search(r"Undefined control sequence\.\n.*?(\\[A-Za-z@]+) *\n", log)
        return f" {found[1]}" if found else ""
    found = re.search(r"File `(\S+)' not found|babel Error: Unknown option '(\w+)'", message)
    if not found:
        return ""
    file = found[1] or f"{found[2]}.ldf"
    known = {f"{name}.cls": known.package for name, known in classes.CLASSES.items()}
    package = (packages | known).get(file)
    owner = f"the package {package}" if package else f"what `apt-file search /{file}` names"
    return f" On Debian install {owner}"


# -- places ----------------------------------------------------------------------------------------


def placed(file: str, line: int) -> str:
    """file:line as a person knows it: of a filled section that of its template."""
    file = file.removeprefix("./")
    section = SECTION.fullmatch(file)
    template = Path(f"templates/sections/{section[1]}.tex.j2") if section else Path(file)
    if not (section and template.is_file() and Path(file).is_file()):
        return f"{file}:{line}"
    filled, written = (f.read_text(encoding="utf-8").splitlines() for f in (Path(file), template))
    there = _line_of(filled[:line], written) if filled and written else None
    return f"{template}:{there} ({file}:{line})" if there else f"{template} ({file}:{line})"


def _line_of(filled: list[str], template: list[str]) -> int | None:
    """The line of the template that has the words of the last filled one, or its figure or table."""
    block = re.compile(
        r"\\(?:(text|wide)figure|(?:begin|end)\{(?:long)?measuredtable\})\{?([\w-]*)"
    )
    for line in reversed(filled):
        found = block.match(line)
        if found and found[2]:
            kind = "figure" if found[1] else "table"
            named = [n for n, each in enumerate(template, 1) if f"{kind} '{found[2]}'" in each]
            return named[0] if named else None
        if not found and not line.endswith(r"\\"):
            break  # no row of a table
    words = _words(filled[-1])
    likeness = [difflib.SequenceMatcher(None, _words(line), words).ratio() for line in template]
    best = max(likeness)
    return likeness.index(best) + 1 if words and best > 0.5 else None


def _words(line: str) -> list[str]:
    """The words and commands of a line, without what a template prints into it."""
    bare = re.sub(r"\\measured\{[^{}]*\}\{[^{}]*\}\{[^{}]*\}|\\(?:VAR|BLOCK)\{[^{}]*\}", " ", line)
    return re.findall(r"\\?\w+", bare)
