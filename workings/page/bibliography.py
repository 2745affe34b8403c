r"""What in the bibliography would not be printed right, and where an entry stands.

What TeX would act on in a field, a second entry of the same key, or a command that no reference needs is
told with its file and line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from workings.messages import InputError
from workings.page import bibtex, letters
from workings.page.bibtex import FORMULA, PREAMBLE, Entry

# Addresses, read letter by letter, and names.
LITERAL = {"url", "doi", "eprint", "file", "pdf", "ids", "crossref", "xref", "xdata", "related"}
UNPRINTED = {"abstract", "annotation", "annote", "keywords", "file", "pdf"}
NAMED = {"author", "editor", "title", "organization", "institution", "key", "label", "shorthand"}
NAMED |= {"crossref", "xdata", "entryset", PREAMBLE}
# A reference sets words; it reads no files, and what it defines or decides stands in the @preamble.
_READS = re.compile(
    r"\^\^|\\(?:@*input\w*|include\w*|InputIfFileExists|\w*verbatiminput\w*|lstinputlisting|open(?:in|out)"
    r"|read\w*|write\w*|immediate|special|catcode|\w*csname|\w*lua\w*|pdf\w+|usepackage|RequirePackage"
    r"|\w*expand\w*|scantokens|shipout)(?![A-Za-z])"
)
_DEFINES = re.compile(
    r"\\(?:[egx]?def|let|futurelet|\w*command|loop|if\w*|else|fi|unless|\w*group|end(?:input)?|stop|bye"
    r"|(?:bib)?item|label)(?![A-Za-z])"
)
_BARE = re.compile(r"(?<!\\)(?:\\\\)*([&%#_^$])")


def _is_balanced(value: str) -> bool:
    """Whether TeX, to which a brace after a \\ is a sign, finds a value as whole as BibTeX did."""
    depth = 0
    for token in re.findall(r"\\.|[\\{}]", value, flags=re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0 or token == "\\":
            return False
    return depth == 0


def told(key: str, files: Iterable[Path], message: str = "") -> str:
    """An entry with its place in the files, or what is wrong with it."""
    message = message or f"the entry '{key}'"
    there = filter(Path.exists, files)
    places = {entry.key: entry.place for file in there for entry in bibtex.read(file)[0]}
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
        entries, wrong = bibtex.read(file)
        found += wrong
        for entry in entries:
            found += [
                (entry.place, f"'{entry.key}': {said}") for said in _wrong(entry, biber, engine)
            ]
            keys = [entry.key, *(entry.aliases() if biber else ())]
            for key in keys if entry.kind != PREAMBLE else ():
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
        if command or (name != PREAMBLE and (command := _DEFINES.search(value))):
            yield f"its {name} has {command[0]}, which no reference needs; take it out"
        if name in UNPRINTED and not biber:
            continue
        if not _is_balanced(value):
            yield f"its {name} has a \\ before a brace that would close it; write \\textbackslash{{}}"
        bare = FORMULA.sub("", value)
        signs = []
        if name not in LITERAL | {PREAMBLE}:  # TeX reads even those that it sets nowhere
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
    if entry.kind != PREAMBLE and not biber and entry.aliases():
        yield "it has other keys in `ids`, which biber knows and BibTeX does not; cite its own"
