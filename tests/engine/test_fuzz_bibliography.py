r"""Whatever stands in a .bib file: it is printed as it stands, or refused in one sentence with its line.

What is right is also so on the page. 100 entries in each of two classes, the same every time; more and
others with WORKINGS_EXAMPLES=2000.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workings.commands.new import lay_down
from workings.page import bibliography

from .changing import replace
from .running import build, page
from .webpage import set_page, words

MORE = int(os.environ.get("WORKINGS_EXAMPLES", "0"))
TOGETHER = 200  # entries set in one document

# What a person writes in a title, and reads of it.
RIGHT = {
    "word ": "word", "{DNA} ": "DNA", r"50\,\% ": "50%", r"\& ": "&", r"a\_b ": "a_b", r"\#1 ": "#1",
    "$x_1$ ": "x1", r"\emph{new} ": "new", r'{\"o}': "ö", r"\'e": "é", r"{\ss} ": "ß", "ł": "ł", "Ș": "Ș",
    "ễ": "ễ", "e\u0301": "é", "5~cm ": "5cm", r"\textbf{b\'a} ": "bá", "(in {)} ": "(in)", "“so” ": "“so”",
    r"\textbackslash{} ": "\\", r"\$5 ": "$5", "A/B ": "A/B", "@ ": "@", r"\textit{\o} ": "ø",
}  # fmt: skip
_right = st.sampled_from([*RIGHT.items()])
# What may break it: each alone is printed somehow, or refused.
_noise = st.text(st.sampled_from("\\{}()&%#$_^~\"'`-,;:.?!@=<>| \n\taB1é\u0301ßΩ数"), max_size=6)
_commands = st.sampled_from(
    [
        r"\input{x}",
        r"\include{x}",
        r"\def\a{1}",
        r"\write18{x}",
        r"\undefined",
        r"\end{document}",
        r"\par",
        r"\cite{k0}",
        r"\\",
        r"\verb|x|",
        r"$$",
        r"\(",
        r"\)",
        r"\begin{a}",
        r"\iffalse",
        r"\else",
        r"\fi",
        r"\endgroup",
        r"\bibitem",
        r"\relax",
        r"\csname",
        r"\item",
        r"\url{a_b}",
        r"\footnote{f}",
        r"^^5c",
        r"{\bf",
        r"\{",
        r"\}",
        r"\\{",
        r"\hbox",
        r"\vskip",
    ]
)
_wrong = (_noise | _commands).map(lambda text: (text, ""))
_titles = st.lists(_right, max_size=6) | st.lists(_right | _wrong, max_size=4)
_names = st.sampled_from(
    [
        "Ada Example",
        "Lưu Nguyễn and others",
        "de la Cruz, Łukasz",
        "{The {\\AA} Group}",
        "O'Neil, Jr., S{\\'e}an",
    ]
)
_entries = st.tuples(_titles, _names, st.sampled_from(["2001", "{in press}", "1999--2001"]))


def written(number: int, parts: list, names: str, year: str) -> str:
    title = f"{{begun{number}x {''.join(text for text, _ in parts)}ended{number}x}}"
    year = year if year.startswith("{") else f"{{{year}}}"
    return f"@misc{{k{number}, title = {{{title}}},\n author = {{{names}}}, year = {year}}}\n"


def squeezed(text: str) -> str:
    """Letters and signs alone: no spaces, no hyphens at the end of a line."""
    return re.sub(r"[\s\u00ad‐-]+", "", unicodedata.normalize("NFC", text)).casefold()


@pytest.fixture(scope="module", params=["article", "IEEEtran"])
def report(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param) / "report"
    lay_down(folder, "Penguins", ["Ada Lovelace"], request.param)
    replace("report/report.tex", "\\appendix\n", "\\nocite{*}\n\\appendix\n")(folder)
    replace("config/default.yaml", "report:\n", "report:\n  editions: [pdf]\n")(folder)
    assert (done := build(folder)), done.said
    return folder


@pytest.fixture(scope="module")
def entries() -> list[tuple]:
    drawn = []

    @given(_entries)
    @settings(max_examples=MORE or 100, derandomize=not MORE, deadline=None, database=None)
    def draw(entry):
        drawn.append(entry)

    draw()
    return drawn


def is_right(parts: list) -> bool:
    return all(read for _, read in parts)


def test_any_entry_is_printed_or_refused_in_a_sentence(report, entries, tmp_path):
    file = report / "report/references.bib"
    cited = file.read_text()
    biber = "biblatex" in (report / "report/report.tex").read_text()
    taken = {}
    for number, (parts, names, year) in enumerate(entries):
        entry = written(number, parts, names, year)
        (tmp_path / "r.bib").write_text(entry, encoding="utf-8")
        keys, refused = bibliography.check([tmp_path / "r.bib"], biber, "pdflatex")
        for place, message in refused:
            assert re.fullmatch(rf"{re.escape(str(tmp_path))}/r.bib:\d+", place)
            assert message and "\n" not in message and len(message) < 400, message
        if not refused:
            assert keys == {f"k{number}"}, entry
            taken[number] = entry
        else:
            assert not is_right(parts), (entry, refused)
    assert len(entries) / 4 < len(taken) < len(entries)
    lost = []
    for start in range(0, len(taken), TOGETHER):
        some = list(taken)[start : start + TOGETHER]
        file.write_text(cited + "".join(taken[number] for number in some), encoding="utf-8")
        while not (done := build(report)):
            named = re.findall(r"report/references\.bib:\d+: the entry 'k(\d+)': \S", done.said)
            named = set(map(int, named))
            assert named and not any(is_right(entries[n][0]) for n in named), done.said[-3000:]
            some = [number for number in some if number not in named]
            file.write_text(cited + "".join(taken[number] for number in some), encoding="utf-8")
        printed = squeezed(page(report))
        right = [number for number in some if is_right(entries[number][0])]
        cites = " ".join(rf"\cite{{k{number}}}" for number in right)
        references = "".join(taken[number] for number in right)
        shown = squeezed(words(set_page(tmp_path, {"x": cites}, references=references)))
        for number in some:
            wanted = squeezed("".join(read for _, read in entries[number][0]))
            if number in right:
                exact = f"begun{number}x{wanted}ended{number}x"
                found = exact in printed and exact in shown
            else:  # an accent at the end stands on the first letter of "ended"
                found = re.search(rf"begun{number}x.*?nded{number}x", printed)
            if not found:
                lost.append(taken[number])
    assert not lost, "\n".join(lost)
