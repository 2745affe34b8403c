r"""What report/report.tex says of itself: class, sections in their order, references.

It is read line by line, without running TeX: a command that counts stands written out, not behind a
macro. Comments are ignored, and so is whatever follows ``\end{document}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workings import classes
from workings.messages import InputError

SECTION = "build/sections/"


@dataclass(frozen=True)
class Document:
    r"""What stands in a report's TeX file.

    Args:
        name: of the document class.
        options: that the class is given.
        layout: the key of `workings.classes.CLASSES` that says how wide its figures are.
        sections: the line of each ``\input{build/sections/NAME}``, in order.
        references: the BibTeX files.
        biber: whether biblatex sets the references, else BibTeX.
    """

    name: str
    options: list[str]
    layout: str
    sections: dict[str, int]
    references: list[Path]
    biber: bool


def read(file: Path) -> Document:
    """The report's TeX file.

    Raises:
        InputError: it is not there, names no class, or reads a section twice.
    """
    if not file.exists():
        raise InputError(
            f"{file}: not there; it holds the report's class and its sections in order"
        )
    text = without_comments(file.read_text(encoding="utf-8"))
    found = re.search(r"\\documentclass\s*(?:\[([^\]]*)\])?\s*\{([^}]+)\}", text)
    if not found:
        raise InputError(f"{file}: no \\documentclass line; \\documentclass{{article}} is right")
    name, options = found[2].strip(), _listed(found[1] or "")
    packages = [p for given in _arguments("usepackage", text) for p in _listed(given)]
    bib, resources = _arguments("bibliography", text), _arguments("addbibresource", text)
    references = [Path(each).with_suffix(".bib") for given in bib for each in _listed(given)]
    return Document(
        name,
        options,
        classes.layout(name, options, "workings-house" in packages),
        _sections(file, text),
        references + [Path(resource) for resource in resources],
        bool(resources) or "biblatex" in packages,
    )


def _sections(file: Path, text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for match in re.finditer(
        rf"\\(?:input|include)\s*\{{\s*{SECTION}([^}}]+?)(?:\.tex)?\s*\}}", text
    ):
        name, line = match[1], text.count("\n", 0, match.start()) + 1
        if name in found:
            raise InputError(
                f"{file}:{line}: section '{name}' is read twice, first in line {found[name]}"
            )
        found[name] = line
    return found


def without_comments(text: str) -> str:
    r"""The text up to ``\end{document}``, its lines as they are but without their comments."""
    return uncommented(text).partition(r"\end{document}")[0]


def uncommented(text: str) -> str:
    """TeX, its lines as they are but without their comments."""
    return re.sub(r"(?<!\\)((?:\\\\)*)%.*", r"\1", text)


def _arguments(command: str, text: str) -> list[str]:
    return re.findall(rf"\\{command}\s*(?:\[[^\]]*\])?\s*\{{([^}}]*)\}}", text)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
