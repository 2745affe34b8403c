"""The same small report in each document class: clean, complete, and the same bytes every time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pypdf
import pytest

from workings import classes, figures
from workings.messages import InputError
from workings.page import document, typeset
from workings.page.title import title_block

BIB = "report/references.bib"
ROWS = 120
REPORT = {
    "title": "Bills of 50 % of the penguins",
    "subtitle": "A small report",
    "authors": [
        {
            "name": "Ada Łovelace",
            "affiliation": "Institute of Bills, London",
            "email": "ada_l@example.org",
            "orcid": "0000-0002-1825-0097",
        },
        {"name": "Zoë Hopper", "affiliation": "Institute of Bills, London"},
        {"name": "Carl Gauß", "affiliation": "Göttingen"},
    ],
    "keywords": ["penguins", "bills & beaks"],
    "language": "en-GB",
    "date": "2026-11-25",
    "acknowledgements": "We thank the penguins.",
}
ABSTRACT = r"The bill is \measured{lengths.mean}{frontmatter.1}{43.9}\,mm long on average."
PROSE = 8 * (
    r"Of \measured{lengths.birds}{first.1}{344} birds we measured the bills, as others did before "
    r"\parencite{Knuth1984}; an even longer sentence follows the short one so that lines break. "
)
TALL = r"A caption of several lines, so that it takes room. "


def sections() -> dict[str, str]:
    """The text of each section."""
    rows = "\n".join(
        rf"row{n} & \measured{{long.{n}}}{{second.{n}}}{{{n}.5}} & {n * n} \\" for n in range(ROWS)
    )
    wide = " & ".join(f"a wide column {n}" for n in range(6))
    ledger = "\n".join(
        rf"\ledgerrow{{long.{n}}}\texttt{{long.{n}}} & \texttt{{{n}.5}} & \texttt{{12}} & "
        rf"\ledgeruse{{second.{n}}}{{\ref*{{sec:second}}}} \\"
        for n in range(ROWS)
    )
    own = "\n".join(
        rf"\ledgerrow{{{key}}}\texttt{{{key}}} & \texttt{{0}} & "
        rf"\ledgerlink{{https://example.org}}{{\texttt{{7}}}} & \ledgeruse{{{use}}}{{1}} \\"
        for key, use in {
            "lengths.mean": "frontmatter.1",
            "lengths.birds": "first.1",
            "figure.one": "figure.one",
            "figure.both": "figure.both",
        }.items()
    )
    return {
        "first": rf"""
\section{{How long are the bills?}}\label{{sec:first}}
{PROSE.replace("first.1", "first.2", 0)}
\Cref{{fig:one}} and \cref{{fig:both,tab:short,sec:second}}; see \cite{{Knuth1984}}.
\claim{{longer}}{{Gentoo bills are longer than Adelie bills.}}{{holds}}{{47.5 > 38.8}}
{PROSE.replace("first.1", "first.3")}
\refutedclaim{{shorter}}{{They are shorter.}}{{does not hold}}{{47.5 < 38.8}}
\textfigure{{one}}{{A rising line: “long” & 50 \% blue}}{{The bills. {TALL}}}
\widefigure{{both}}{{A rising line over the whole page}}{{The bills again. {TALL}}}
\begin{{measuredtable}}{{short}}{{Three numbers.}}{{lrr}}
sex & mean & count \\ \midrule
she & 42.1 & 165 \\
\end{{measuredtable}}
\begin{{align*}}
a_t &= W h_{{t-1}} \linename{{cell.a}}{{a}} \\
h_t &= \tanh a_t \linename{{cell.h}}{{h}}
\end{{align*}}
It follows from line \derivationline{{cell.a}}{{a}}.
""",
        "second": rf"""
\section{{Every bird}}\label{{sec:second}}
{PROSE.replace("first.1", "second.x")}
\begin{{longmeasuredtable}}{{long}}{{All of them. {TALL}}}{{lrr}}
bird & length & square \\ \midrule
{rows}
\end{{longmeasuredtable}}
\begin{{longmeasuredtable}}{{wide}}{{Wide and short.}}{{llllll}}
{wide} \\ \midrule
{wide} \\
\end{{longmeasuredtable}}
{PROSE.replace("first.1", "second.y")} \Cref{{tab:long,tab:wide}}.
""",
        "ledger": rf"""
\ledgerpages
\section{{Ledger}}\label{{sec:ledger}}
\begin{{ledgertable}}
\ledgerjob{{lengths}}{{script analysis/lengths.py, results 0123}}
{own}
{ledger}
\end{{ledgertable}}
\attachresult{{build/lengths.json}}{{lengths.json}}
""",
    }


def write(name: str) -> None:
    """The small report in the class, in the present folder."""
    for folder in ("report", "build/sections", "build/figures"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(BIB).write_text(
        "@article{Knuth1984, author={Donald E. Knuth}, title={Literate Programming},\n"
        "journal={The Computer Journal}, volume={27}, number={2}, pages={97--111}, year={1984}}\n"
    )
    Path("build/lengths.json").write_text(json.dumps({"mean": 43.9}))
    texts = {"frontmatter": title_block(name, REPORT, ABSTRACT)} | sections()
    for section, text in texts.items():
        Path(f"build/sections/{section}.tex").write_text(text)
    front, first, second, ledger = (f"\\input{{build/sections/{section}}}" for section in texts)
    Path("report/report.tex").write_text(
        f"{classes.opening(name, BIB)}\n\\begin{{document}}\n{front}\n{first}\n{second}\n"
        f"\\printacknowledgements\n{classes.references(name, BIB)}\n\\appendix\n{ledger}\n"
        "\\end{document}\n"
    )


def draw(layout: str) -> None:
    for figure, width in (("one", "text"), ("both", "wide")):
        drawn, axes = figures.new(width, 40.0)
        axes.plot([0, 1], [0, 1])
        axes.set_xlabel("length in mm")
        figures.save(drawn, f"build/figures/{figure}.pdf")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def plain(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.fixture
def in_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["scrartcl", "article", "IEEEtran", "elsarticle", "acmart", "revtex4-2"])
def test_a_report_in_each_class_is_clean_and_complete(in_folder, monkeypatch, name):
    write(name)
    layout = document.read(Path("report/report.tex")).layout
    monkeypatch.setattr(figures, "WIDTHS", classes.look_up(layout).widths)
    draw(layout)
    typeset.main({}, SimpleNamespace(shell="report/report.tex"), SimpleNamespace(report="r.pdf"))

    log = Path("build/latex/report.log").read_text(errors="replace")
    assert not re.findall(r"^! |undefined|Float too large|Rerun to get|multiply.defined|same identifier", log, re.MULTILINE)
    run("qpdf", "--check", "r.pdf")
    for font in run("pdffonts", "r.pdf").splitlines()[2:]:
        assert re.search(r"yes +\w+ +yes +\d+ +\d+$", font), font  # embedded, with Unicode map

    text = run("pdftotext", "-layout", "r.pdf", "-")
    assert {int(row) for row in re.findall(r"\brow(\d+)\b", text)} == set(range(ROWS))
    assert len(re.findall(r"bird +length +square", text)) >= 2  # the head is repeated
    for words in ("Bills of 50 % of the penguins", "43.9 mm", "Knuth", "We thank the penguins",
                  "Carl Gauß", "bills & beaks", "holds", "Göttingen"):  # fmt: skip
        assert plain(words) in plain(text)
    assert "1970" not in text

    reader = pypdf.PdfReader("r.pdf")
    assert reader.metadata.title == REPORT["title"]
    assert reader.metadata.author == "Ada Łovelace, Zoë Hopper, Carl Gauß"
    assert reader.metadata.subject == "A small report"
    assert reader.metadata.keywords == "penguins, bills & beaks"
    assert reader.trailer["/Root"]["/Lang"] == "en-GB"
    assert list(reader.attachments) == ["lengths.json"]
    assert reader.xmp_metadata.dc_title == {"x-default": REPORT["title"]}
    assert reader.xmp_metadata.dc_creator == [author["name"] for author in REPORT["authors"]]
    assert reader.xmp_metadata.dc_subject == REPORT["keywords"]


@pytest.mark.usefixtures("in_folder")
def test_a_report_in_another_class_has_the_same_bytes_twice():
    pdfs = []
    for again in ("once", "twice"):
        Path(again).mkdir()
        os.chdir(again)
        write("revtex4-2")
        draw("")
        typeset.main({}, SimpleNamespace(shell="report/report.tex"), SimpleNamespace(report="r.pdf"))
        pdfs.append(Path("r.pdf").read_bytes())
        os.chdir("..")
    assert pdfs[0] == pdfs[1]
