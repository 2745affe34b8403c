"""The same small report in each document class: clean, complete, and the same bytes every time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import count, islice
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pypdf
import pytest

from workings import classes, figures, languages
from workings.commands import tex
from workings.messages import InputError
from workings.page import document, typeset
from workings.page.title import title_block

from .running import ROOT, plain

BIB = "report/references.bib"
ROWS = 120
REPORT = {
    "title": "Bills of 50 % of the penguins: make --cores 4 << in ,,x 'y' \"z\"",
    "subtitle": "A small report",
    "authors": [
        {"name": "Ada Łovelace", "affiliation": "Institute of Bills, London",
         "email": "ada_l@example.org", "orcid": "0000-0002-1825-0097"},
        {"name": "Zoë Hopper", "affiliation": "Institute of Bills, London"},
        {"name": "Carl Gauß", "affiliation": "Göttingen"},
        {"name": "Lưu Nguyễn"},
        {"name": "Ștefan Țuțea"},
    ],
    "keywords": ["penguins", "bills & beaks"],
    "language": "en-GB",
    "date": "2026-11-25",
    "acknowledgements": "We thank the penguins.",
}  # fmt: skip
ABSTRACT = r"The bill is \measured{lengths.mean}{frontmatter.1}{43.9}\,mm long on average."
PROSE = (
    r"Of \measured{{lengths.birds}}{{prose.{}}}{{10\,344.5\,\%}} birds, \emph{{not}} a sample, we measured the bills, as "
    r"others did before \parencite{{Knuth1984}}; an even longer sentence follows the short one so that lines break. "
)
TALL = r"A caption of several lines, so that it takes room. "


def sections() -> dict[str, str]:
    """The text of each section."""
    sentences = map(PROSE.format, count())
    prose = ["".join(islice(sentences, 8)) for _ in range(4)]
    rows = "\n".join(
        rf"row{n} & \measured{{long.{n}}}{{second.{n}}}{{{n}.5}} & {n * n} \\" for n in range(ROWS)
    )
    wide = " & ".join(f"a wide column {n}" for n in range(4))
    ledger = "\n".join(
        rf"\ledgerline{{long.{n}}}{{\ledgervalue{{long.{n}}}{{second.{n}}}{{{n}.5}}}}"
        rf"{{:12}}{{\ledgeruse{{second.{n}}}{{\ref*{{sec:second}}}}}}"
        for n in range(ROWS)
    )
    uses = {"lengths.mean": "frontmatter.1", "lengths.birds": "first.1"}
    own = "\n".join(
        rf"\ledgerline{{{key}}}{{\ledgervalue{{{key}}}{{{use}}}{{0}}}}"
        rf"{{\ledgerlink{{https://example.org}}{{:7}}}}{{\ledgeruse{{{use}}}{{1}}}}"
        for key, use in (uses | {name: name for name in ("figure.one", "figure.both")}).items()
    )
    many = ", ".join(rf"\ledgeruse{{second.{n}}}{{section {n}}}" for n in range(40))
    own += rf"\ledgerline{{many}}{{\ledgervalue{{many}}{{second.0}}{{0}}}}{{:1}}{{{many}}}"
    return {
        "first": rf"""
\section{{How long are the bills?}}\label{{sec:first}}
{prose[0]}
Of \measured{{lengths.birds}}{{first.1}}{{344}} birds see \cref{{fig:one}} and \cref{{fig:both,tab:short,sec:second}}; see \cite{{Knuth1984}}.
\claim{{longer}}{{Gentoo bills are longer than Adelie bills.}}{{holds}}{{47.5 > 38.8}}
{prose[1]}
\refutedclaim{{shorter}}{{They are shorter.}}{{does not hold}}{{47.5 < 38.8}}
\textfigure{{one}}{{A rising line: “long” \& 50 \% blue}}{{The bills. {TALL}}}
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
{prose[2]}
\begin{{longmeasuredtable}}{{long}}{{All of them. {TALL}}}{{lrr}}
bird & length & square \\ \midrule
\endhead
{rows}
\end{{longmeasuredtable}}
\begin{{longmeasuredtable}}{{wide}}{{Wide, short and without a head.}}{{llll}}
\endhead
{wide} \\
\end{{longmeasuredtable}}
{prose[3]} \Cref{{tab:long,tab:wide}}.
""",
        "ledger": rf"""
\section{{Ledger}}\label{{sec:ledger}}
\begin{{ledger}}
\ledgerjob{{lengths}}{{script analysis/lengths.py, results 0123}}
\ledgerchoices{{config/default.yaml}}{{bin 2}}
{own}
{ledger}
\end{{ledger}}
\attachresult{{build/lengths.json}}{{lengths.json}}
""",
    }


def write(name: str) -> None:
    """The small report in the class, in the present folder."""
    for folder in ("report", "build/sections", "build/figures"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(BIB).write_text(
        "@article{Knuth1984, author={Donald E. Knuth and Łukasz Ørsted}, title={Literate Programming},\n"
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


def draw() -> None:
    for figure, width in (("one", "text"), ("both", "wide")):
        drawn, axes = figures.new(width, 40.0)
        axes.plot([0, 1], [0, 1])
        axes.set_xlabel("length in mm")
        figures.save(drawn, f"build/figures/{figure}.pdf")


def make() -> None:
    """The report, as r.pdf."""
    config = {"report": {"engine": "pdflatex", "language": "en"}}
    typeset.main(
        config, SimpleNamespace(shell="report/report.tex"), SimpleNamespace(report="r.pdf")
    )


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "name", ["scrartcl", "article", "IEEEtran", "elsarticle", "acmart", "revtex4-2"]
)
def test_a_report_in_each_class_is_clean_and_complete(in_folder, monkeypatch, name):
    write(name)
    layout = document.read(Path("report/report.tex")).layout
    monkeypatch.setattr(figures, "WIDTHS", classes.look_up(layout).widths)
    draw()
    make()
    log = Path("build/latex/report.log").read_text(errors="replace")
    assert not re.findall(r"\n! |undefined|Rerun to get|multiply.defined|same identifier", log)
    run("qpdf", "--check", "r.pdf")
    for font in run("pdffonts", "r.pdf").splitlines()[2:]:
        assert re.search(r"yes +\w+ +yes +\d+ +\d+$", font), font  # embedded, with Unicode map

    text = run("pdftotext", "-layout", "r.pdf", "-")
    assert {int(row) for row in re.findall(r"\brow(\d+)\b", text)} == set(range(ROWS))
    assert len(re.findall(r"bird +length +square", text)) >= 2  # the head is repeated
    for words in (REPORT["title"], "Lưu Nguyễn", "Ștefan Țuțea", "43.9 mm", "Knuth", "Ørsted", "We thank the penguins",
                  "Carl Gauß", "bills & beaks", "holds", "Göttingen"):  # fmt: skip
        assert plain(words) in plain(text)
    assert "1970" not in text

    reader = pypdf.PdfReader("r.pdf")
    assert {"ledger:lengths.mean", "ledger:long.7", "use:second.7", "ledger:figure.one"} <= links(
        reader
    )
    assert reader.metadata.title == REPORT["title"]
    names = [author["name"] for author in REPORT["authors"]]
    assert reader.metadata.author == ", ".join(names)
    assert reader.metadata.subject == "A small report"
    assert reader.metadata.keywords == "penguins, bills & beaks"
    assert reader.trailer["/Root"]["/Lang"] == "en-GB"
    assert list(reader.attachments) == ["lengths.json"]
    assert reader.xmp_metadata.dc_title == {"x-default": REPORT["title"]}
    assert reader.xmp_metadata.dc_creator == names
    assert reader.xmp_metadata.dc_subject == REPORT["keywords"]


def links(reader: pypdf.PdfReader) -> set[str]:
    """Where the links inside the PDF lead."""
    notes = [each.get_object() for page in reader.pages for each in page.get("/Annots", [])]
    return {str(note["/A"].get("/D")) for note in notes if "/A" in note}


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize("name", ["scrartcl", "IEEEtran"])
def test_without_a_ledger_numbers_are_no_links_and_every_line_breaks_as_with_it(monkeypatch, name):
    write(name)
    layout = document.read(Path("report/report.tex")).layout
    monkeypatch.setattr(figures, "WIDTHS", classes.look_up(layout).widths)
    draw()
    texts = []
    for _ in range(2):
        make()
        texts.append(Counter(run("pdftotext", "r.pdf", "-").splitlines()))
        section = Path("build/sections/ledger.tex")
        section.write_text(
            re.sub(r"\\begin\{ledger\}.*\\end\{ledger\}", "", section.read_text(), flags=re.S)
        )
    assert texts[1] - texts[0] == Counter() and len(texts[1]) > 100
    assert not [link for link in links(pypdf.PdfReader("r.pdf")) if link.startswith("ledger:")]


@pytest.mark.usefixtures("in_folder")
def test_the_bytes_are_the_same_twice_and_a_table_too_wide_is_refused(monkeypatch):
    monkeypatch.delitem(REPORT, "date")
    pdfs = []
    for _ in range(2):
        shutil.rmtree("build", ignore_errors=True)
        write("revtex4-2")
        draw()
        pdfs.append(typeset.typeset(Path("report/report.tex")).read_bytes())
    assert pdfs[0] == pdfs[1]
    assert "Dated" not in run("pdftotext", "build/latex/report.pdf", "-")

    section = Path("build/sections/second.tex")
    section.write_text(section.read_text().replace("a wide", "a much too wide and a long"))
    with pytest.raises(InputError, match=r"a line is \d.* pt too wide"):
        make()


# -- the title block -------------------------------------------------------------------------------


def test_an_unlisted_class_is_given_latexs_own_title_or_the_reports(in_folder):
    plain_title = title_block("memoir", {"title": "A_B", "authors": ["Ada"]}, "Short.")
    assert r"\title{A\_B}" in plain_title and r"\author{Ada}" in plain_title
    assert r"\renewcommand{\today}{}" in plain_title  # without a date none is printed
    own = Path("templates/classes")
    own.mkdir(parents=True)
    (own / "memoir.tex.j2").write_text(r"\VAR{title} by \VAR{names}")
    assert title_block("memoir", {"title": "A_B", "authors": ["Ada"]}, "") == r"A\_B by Ada"


def test_authors_of_one_place_need_no_mark():
    authors = [{"name": name, "affiliation": "Göttingen"} for name in ("Carl", "Emmy")]
    block = title_block("IEEEtran", {"title": "T", "authors": authors}, "")
    assert "textsuperscript" not in block and block.count(r"A{Göttingen}") == 1


def test_the_date_is_the_commits_or_a_fixed_one():
    block = title_block("article", {"title": "T", "date": "commit"}, "", "2026-03-01")
    assert r"\year=2026 \month=3 \day=1" in block
    with pytest.raises(InputError, match="'soon' is no date; 2026-11-25, commit or null") as caught:
        title_block("article", {"title": "T", "date": "soon"}, "")
    assert caught.value.key == "report.date"


def test_the_metadata_survive_every_letter():
    title = r"50 % #1 & {x} \y ~z ^w <b> Łódź"
    block = title_block("article", {"title": title}, "")
    packet = block.partition(r"\attachmetadata{en-GB}{")[2]
    assert packet.isascii() and not set("%\\~^") & set(packet)
    tree = ElementTree.fromstring(packet[packet.index("?>") + 2 : packet.index("<?xpacket end")])
    assert title in [element.text for element in tree.iter()]


# -- what report.tex says --------------------------------------------------------------------------


def written(text: str) -> Path:
    file = Path("report.tex")
    file.write_text(text)
    return file


@pytest.mark.usefixtures("in_folder")
def test_class_sections_and_references_are_read_and_comments_are_not():
    file = written(
        "% \\documentclass{book}\n\\documentclass[5p, times]{elsarticle} % \\input{build/sections/no}\n"
        "\\usepackage{x,workings}\n\\begin{document}\n\\input{build/sections/one} 50\\% \\input{build/sections/two.tex}\n"
        "%\\input{build/sections/gone}\n\n\\include{build/sections/three}\n\\bibliography{a/b,c}\n"
        "\\end{document}\n\\input{build/sections/after}\n"
    )
    read = document.read(file)
    assert (read.name, read.options) == ("elsarticle", ["5p", "times"])
    assert read.layout == "elsarticle[5p]"
    assert read.sections == {"one": 5, "two": 5, "three": 8}
    assert (read.references, read.biber) == ([Path("a/b.bib"), Path("c.bib")], False)


@pytest.mark.usefixtures("in_folder")
def test_what_cannot_be_read_is_told():
    twice = "\\documentclass{article}\n\\input{build/sections/a}\n\\input{build/sections/a}"
    for text, said in (
        ("Hello", r"report\.tex: no \\documentclass line"),
        (twice, r"report\.tex:3: section 'a' is read twice, first in line 2"),
    ):
        with pytest.raises(InputError, match=said):
            document.read(written(text))
    with pytest.raises(InputError, match=r"none\.tex: not there"):
        document.read(Path("none.tex"))


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("preamble", "text"),
    [
        (r"\documentclass{article}\usepackage{workings,workings-house}", 112),
        (r"\documentclass{article}", 121),
        (r"\documentclass{scrartcl}", 121),
        (r"\documentclass[a4paper,twocolumn]{revtex4-2}", 86),
        (r"\documentclass{nobodys}", 112),
    ],
)
def test_figures_have_the_width_of_the_class(preamble, text):
    assert classes.look_up(document.read(written(preamble)).layout).widths["text"] == text


def test_a_job_that_is_told_the_class_draws_for_it():
    code = "from workings import figures; print(figures.WIDTHS['wide'])"
    run_with = {"env": os.environ | {"WORKINGS_CLASS": "elsarticle[5p]"}, "cwd": ROOT}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **run_with)
    assert float(said.stdout) == 183


# -- installing TeX --------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_folder")
def test_what_a_report_needs_follows_from_its_class(monkeypatch):
    report, german = document.read(written(r"\documentclass{IEEEtran}")), languages.look_up("de")
    needed = tex.needed(report, language=german)
    assert needed["IEEEtran.cls"] == "texlive-publishers" and "biber" not in needed
    assert needed["ngerman.ldf"] == "texlive-lang-german"
    assert tex.missing({"article.cls": "a", "nowhere.cls": "b", "no-such-program": "c"}) == {
        "nowhere.cls": "b", "no-such-program": "c"
    }  # fmt: skip
    monkeypatch.setenv("PATH", "nowhere")
    with pytest.raises(InputError, match=r"nowhere\.cls; this is neither Debian nor Ubuntu"):
        tex.install({"nowhere.cls": "b"})
