"""LaTeX with marks -> HTML, by pandoc; and the citations with their bibliography."""

from __future__ import annotations

import html
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from workings.messages import InputError
from workings.page import bibtex
from workings.page.web.source import COMMA, FIRST, KNOWN, MARK, PART, Marked

STYLE = Path(__file__).parents[2] / "style/web"
# What lays out a page of paper, and means nothing here.
LAYOUT = {
    "needspace", "Needspace", "FloatBarrier", "enlargethispage", "vspace", "hspace", "clearpage",
    "newpage", "pagebreak", "nopagebreak", "linebreak", "raggedright", "centering", "phantomsection",
    "small", "footnotesize", "noindent", "par", "smallskip", "medskip", "bigskip", "hfill", "vfill",
    "looseness", "sloppy", "fussy", "allowbreak", "label", "hypersetup", "unskip", "null", "color",
    "onecolumn", "twocolumn", "flushbottom", "balance", "balancecolumns", "frenchspacing", "relax",
    "selectfont", "normalfont", "sffamily", "normalsize", "large", "Large", "LARGE", "scriptsize",
}  # fmt: skip
_STYLES = {
    "left": "l", "right": "r", "center": "c",
    "right; padding-right: 0": "r tight", "left; padding-left: 0": "l tight",
}  # fmt: skip


@dataclass(frozen=True)
class Fragment:
    """A part of the page.

    Args:
        html: with the references, citations and numbers still open.
        citations: the commands that cite, in order.
        left_out: commands that pandoc does not know, whose text is missing.
    """

    html: str
    citations: tuple[str, ...]
    left_out: tuple[str, ...]


@lru_cache(maxsize=512)
def fragment(text: str, definitions: str = "") -> Fragment:
    """A piece of LaTeX as HTML.

    Args:
        definitions: the commands that the report defines.
    """
    marked = Marked()
    source = marked.read(text)
    made, said = pandoc(f"{KNOWN}{definitions}\n\n{source}", "--from=latex")
    skipped = re.findall(r"\[INFO\] Skipped '\\([A-Za-z@]+)", said)
    return Fragment(
        _filled_in(made, marked.html),
        tuple(marked.citations),
        tuple(dict.fromkeys(name for name in skipped if name not in LAYOUT)),
    )


def pandoc(text: str, *options: str) -> tuple[str, str]:
    """What pandoc makes of a text, and what it says about it. It reads and writes no other file."""
    command = [
        *(program(), "--to=html5", "--mathml", "--wrap=none", "--sandbox", "--verbose"),
        *options,
    ]
    ran = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8")
    if ran.returncode != 0:
        raise InputError(f"the page cannot be made of this LaTeX: {ran.stderr.strip()[-600:]}")
    return ran.stdout, ran.stderr


@cache
def program() -> str:
    """The pandoc of the pypandoc-binary package: one version on every machine."""
    import pypandoc

    return pypandoc.get_pandoc_path()


def cited(
    commands: Sequence[str], references: Iterable[Path], style: str, language: str
) -> tuple[list[str], str]:
    """Each citation as HTML, and the bibliography."""
    if not commands:
        return [], ""
    if style == "author-year":
        commands = [re.sub(r"^\\cite(?=[\[{])", r"\\textcite", command) for command in commands]
    with tempfile.TemporaryDirectory() as folder:
        bibliography = Path(folder, "references.bib")
        text = bibtex.for_pandoc(references, english=language.startswith("en"))
        bibliography.write_text(text, encoding="utf-8")
        made, said = pandoc(
            "\n\n".join([*commands, r"\section*{.}"]), "--from=latex", "--citeproc",
            f"--csl={STYLE / style}.csl", f"--metadata=lang:{language}",
            "--metadata=link-citations:true", f"--bibliography={bibliography}",
        )  # fmt: skip
    if missing := re.findall(r"Citeproc: citation (\S+) not found", said):
        raise InputError(f"citation missing from the bibliography: {', '.join(missing)}")
    made = _clean(made).translate({ord(held): mark for mark, held in bibtex.QUOTES.items()})
    before, _, after = made.partition('<h1 class="unnumbered"')
    found = re.findall(r"<p>(.*?)</p>", before, flags=re.DOTALL)
    listed = re.search(r'<div id="refs".*', after, flags=re.DOTALL)
    made = listed[0].strip() if listed else ""
    return found, re.sub(r"\b(?:pp?|S)\.\s(?=[A-Za-z]+\d)", "", made)  # e90081 is no page


def _filled_in(made: str, marks: Sequence[str]) -> str:
    """pandoc's HTML, each mark replaced by what it stands for."""
    made = re.sub(r"&#(98\d{4}|10[0-4]\d{4});", lambda code: chr(int(code[1])), made)
    made = _clean(made)
    one = MARK.pattern
    made = re.sub(
        rf"<mi[^>]*>({one})</mi>|<p>({one})</p>", lambda found: found[1] or found[2], made
    )
    made = made.replace(PART, "<!part>")
    previous = None
    while previous != made:
        previous = made
        made = MARK.sub(lambda mark: marks[ord(mark[0]) - FIRST], made)
    return made


def _clean(made: str) -> str:
    """Without the formulas' sources, styles of single elements, and links that run something."""
    made = re.sub(r"<annotation[^>]*>.*?</annotation>", "", made, flags=re.DOTALL)
    made = made.replace("<semantics>", "").replace("</semantics>", "")
    made = made.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")
    made = re.sub(r' columnalign="\w+"', "", made)
    made = re.sub(r'<span class="nocase">(.*?)</span>', r"\1", made, flags=re.DOTALL)
    made = made.replace("\u2006", "\u202f")  # a thin space at which no line breaks

    made = made.replace(f"&#{ord(COMMA)};", COMMA)
    made = re.sub(rf"</mn><mi[^>]*>{COMMA}</mi><mn>|{COMMA}", ",", made)

    def styled(found: re.Match) -> str:
        name = _STYLES.get(found[1].removeprefix("text-align: ").rstrip(";"))
        return f' class="{name}"' if name else ""

    made = re.sub(r' style="([^"]*)"', styled, made)
    made = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", made)  # names nothing
    made = re.sub(r'<math display="inline">(.*?)</math>', _number, made)
    return re.sub(r'href="([^"]*)"', _safe, made)


# A negative number or a power of ten, which LaTeX sets as a formula, as the letters that it is.
_NUMBER = [
    (r"<mspace[^>]*></mspace>", "\u202f"),
    (r"<(mn|mi)[^>]*>([\d.,−]+)</\1>", r"\2"),
    (r"<mo>([−×])</mo>", r"\1"),
    (r"<mrow>([^<>]*)</mrow>", r"\1"),
    (r"<msup>10([\d−]+)</msup>", r"10<sup>\1</sup>"),
    (r"<mrow>((?:[^<>]|<sup>|</sup>)*)</mrow>", r"\1"),
    ("×", " × "),
]


def _number(found: re.Match) -> str:
    text = found[1]
    for form, letters in _NUMBER:
        text = re.sub(form, letters, text)
    number = re.fullmatch(r"[\d.,−\u202f]+( × 10<sup>[\d−]+</sup>)?", text)
    return text if number and "−" in text + "−" * ("×" in text) else found[0]


def _safe(found: re.Match) -> str:
    """A link to this page, to another over https, or to an address; no other."""
    target = html.unescape(found[1]).strip()
    harmless = re.match(r"(#|https?://|mailto:)", target, flags=re.IGNORECASE)
    return found[0] if harmless else 'href="#"'
