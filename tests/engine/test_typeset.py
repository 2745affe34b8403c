"""The report is typeset cleanly, or refused with TeX's own place and words."""

from __future__ import annotations

import errno
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pypdf
import pytest

from workings.classes import DocumentClass
from workings.messages import InputError
from workings.page import log, typeset
from workings.page.tex import escape

# -- what the log says -----------------------------------------------------------------------------


SHELL = Path("report/report.tex")
STUMBLES = [
    ("LaTeX Warning: Reference `fig:gone' on page 3 undefined on input line 7.",
     "reference to nothing: fig:gone"),
    ("LaTeX Warning: Citation 'Nobody1900' on page 2 undefined on input line 9.",
     "citation missing from the bibliography: Nobody1900"),
    ("Package natbib Warning: Citation `Nobody1900' on page 2 undefined on input line 9.",
     "citation missing from the bibliography: Nobody1900"),
    ("LaTeX Warning: Float too large for page by 12.5pt on input line 9.",
     "a figure or table is 12.5 pt higher than its page"),
    ("Missing character: There is no ∂ in font qplr8t!", "letter missing from the typeface: ∂"),
    ("LaTeX Warning: Label `sec:lengths' multiply defined.", "label given twice: sec:lengths"),
    ("pdfTeX warning (dest): name{ledger:a.b} has been referenced but does not exist, replaced by",
     "link to nothing: ledger:a.b"),
    ("LaTeX Font Warning: Font shape `T1/lmtt/bx/sc' undefined",
     "the typeface has no T1/lmtt/bx/sc, so that another would be set; leave one of its shapes out"),
    ("No file build/sections/mass.tex.", "not there to be read: build/sections/mass.tex"),
    ("LaTeX Warning: Command \\textmu invalid in math mode on input line 3.",
     "\\textmu is for texts, not for formulas"),
    ("Overfull \\hbox (1.01pt too wide) in paragraph at lines 3--4", "a line is 1.01 pt too wide"),
    ("Overfull \\vbox (62.27pt too high) has occurred while \\output is active []",
     "a page is 62.27 pt too high"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "complaint"), STUMBLES)
def test_each_kind_of_stumble_is_told_once(line, complaint):
    said = f"This is pdfTeX\n{line}\n{line}\nOutput written."
    (told,) = log.complaints(said, SHELL)
    number = re.search(r"lines? (\d+)", line)
    assert told == (f"{SHELL}:{number[1]}: {complaint}" if number else complaint)


def test_what_no_reader_sees_is_no_stumble():
    assert log.complaints(
        "Overfull \\hbox (0.99pt too wide) in paragraph at lines 3--4\n"
        "Underfull \\hbox (badness 10000) in paragraph at lines 3--4\n"
        "LaTeX Font Info: Redeclaring math symbol\nPackage hyperref Info: Link coloring ON", SHELL
    ) == []  # fmt: skip


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("line", "there"),
    [(1, ":1 "), (2, ":5 "), (3, ":7 "), (4, ":10 "), (6, ":10 "), (7, ":18 "), (8, " ")],
)
def test_a_stumble_is_placed_in_the_template(line, there):
    template, section = Path("templates/sections/job.tex.j2"), Path("build/sections/job.tex")
    for file, text in ((template, TEMPLATE), (section, SECTION)):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    said = (
        "workings ends /workings.sty\nworkings begins build/sections/job.tex\n"
        f"Overfull \\hbox (12.5pt too wide) in paragraph at lines {line}--{line + 1}\n"
        "workings ends build/sections/job.tex\nLaTeX Warning: Reference `x' on page 1 undefined on input line 7."
    )
    assert log.complaints(said, SHELL) == [
        f"{template}{there}({section}:{line}): a line is 12.5 pt too wide",
        "report/report.tex:7: reference to nothing: x",
    ]


TEMPLATE = r"""\section{How long?}\label{sec:job}
<# no words #>
\BLOCK{ if job.x }

Of \VAR{job.birds} birds the bill is \VAR{job.mean | digits(1)} long.

\BLOCK{ figure 'bills' }
The bills.
\BLOCK{ endfigure }
\BLOCK{ table 'species' }
Bills.
\BLOCK{ rows }
\BLOCK{ for one in job.all }
\VAR{one.name} & \VAR{one.mean} \\
\BLOCK{ endfor }
\BLOCK{ endtable }
\BLOCK{ endif }
They are \undefined long, in both of the islands.
"""
SECTION = r"""\section{How long?}\label{sec:job}
Of \measured{job.birds}{job.1}{344} birds the bill is \measured{job.mean}{job.2}{43.9} long.
\textfigure{bills}{A line}{The bills.}
\begin{measuredtable}{species}{Bills.}{lr}
a & \measured{job.all.0.mean}{job.3}{1} \\
\end{measuredtable}
They are \undefined long, in both of the islands.
Out of the blue.
"""


# -- TeX itself ------------------------------------------------------------------------------------


def shell(text: str, section: str = "") -> Path:
    """report/report.tex around `text` in the present folder, and one section's file."""
    for folder in ("report", "build/sections"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("build/sections/job.tex").write_text(section, encoding="utf-8")
    file = Path("report/report.tex")
    file.write_text(
        "\\documentclass{article}\\usepackage{workings}\n"
        f"\\begin{{document}}\n{text}\n\\input{{build/sections/job}}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    return file


def run(text: str, section: str = "") -> None:
    file = shell(text, section)
    config = {"report": {"engine": "pdflatex", "language": "en"}}
    typeset.main(config, SimpleNamespace(shell=file), SimpleNamespace(report="report.pdf"))


@pytest.mark.usefixtures("in_folder")
def test_specials_print_literally_and_a_half_written_folder_is_mended():
    title = r"100 % of $5 & #1: a_b {c} ~d ^e \f – Łódź, Größe, “naïve”"
    run(escape(title) + r" \label{here}\ref{here}")
    text = pypdf.PdfReader("report.pdf").pages[0].extract_text()
    assert "".join(title.split()) in "".join(text.split())
    good = Path("report.pdf").read_bytes()

    # a run that was killed while it wrote
    auxiliary = Path("build/latex/report.aux")
    auxiliary.write_text(auxiliary.read_text()[:-20] + "\n\\newlabel{he")
    shell(escape(title) + r" \label{here}\ref{here} ")  # so that TeX runs again
    run(escape(title) + r" \label{here}\ref{here}")
    assert Path("report.pdf").read_bytes() == good


@pytest.mark.usefixtures("in_folder")
def test_an_error_of_tex_names_its_line_and_the_last_report_stays():
    Path("report.pdf").write_text("the last good one")
    with pytest.raises(InputError) as caught:
        run("Hello.", "One.\n\\undefinedcommand\n")
    said = str(caught.value)
    assert said.startswith("build/sections/job.tex:2: TeX stopped: ")
    assert said.endswith(r"Undefined control sequence. \undefinedcommand")
    assert Path("report.pdf").read_text() == "the last good one"


@pytest.mark.usefixtures("in_folder")
def test_sixty_figures_wait_for_a_page_and_no_file_elsewhere_is_read():
    figures = "\\begin{figure}[p]\\rule{1pt}{9cm}\\caption{ONE}\\end{figure}\n" * 60
    run(f"Words. {figures}")
    pages = pypdf.PdfReader("report.pdf").pages
    assert sum(page.extract_text().count("ONE") for page in pages) == 60
    for path in ("/etc/passwd", "../secret"):
        Path("../secret.tex").write_text("secret")
        with pytest.raises(
            InputError, match=r"build/sections/job\.tex:1: TeX stopped: .* not found"
        ):
            run("Words.", f"\\input{{{path}}}")


@pytest.mark.usefixtures("in_folder")
def test_a_missing_package_is_named_with_who_has_it(monkeypatch):
    file = shell("Hello.")
    known = file.read_text()
    file.write_text(known.replace("\\begin{d", "\\usepackage{nowhere}\n\\begin{d", 1))
    with pytest.raises(
        InputError, match=r"`nowhere\.sty' not found.*apt-file search /nowhere\.sty"
    ):
        typeset.typeset(file)
    known_class = DocumentClass(80, 80, package="texlive-x")
    monkeypatch.setitem(log.classes.CLASSES, "nowhere", known_class)
    file.write_text(known.replace("{article}", "{nowhere}"))
    with pytest.raises(InputError, match=r"`nowhere\.cls' not found.*the package texlive-x"):
        typeset.typeset(file)
    said = log.why("a.tex:1: LaTeX Error: File `ulem.sty' not found.\n", "", typeset.PACKAGES)
    assert said.endswith("On Debian install the package texlive-plain-generic")


@pytest.mark.usefixtures("in_folder")
def test_a_report_with_a_reference_to_nothing_is_refused():
    with pytest.raises(
        InputError, match=r"not clean:\n  report/report\.tex:3: reference to nothing: gone"
    ):
        run(r"See \ref{gone}.")
    assert not Path("report.pdf").exists()


def test_tex_that_is_not_installed_is_named(in_folder, monkeypatch):
    file = shell("Hello.")
    monkeypatch.setenv("PATH", str(in_folder))
    with pytest.raises(InputError, match=r"^latexmk, pdflatex, bibtex: not installed; 'make tex'"):
        typeset.typeset(file)


LOG = "build/latex/report.log"


def pretend(folder: Path, monkeypatch, script: str) -> None:
    """Programs of TeX's names that do what the script says."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("latexmk", "pdflatex", "bibtex"):
        program = programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


@pytest.mark.parametrize(
    "script",
    [
        "echo 'No space left on device' >&2; exit 12",
        f"echo '!pdfTeX error: pdflatex: fflush() failed (No space left on device)' > {LOG}; exit 1",
        f"echo '!pdfTeX error: pdflatex: fwrite() failed' > {LOG}; exit 1",
        f"echo 'Output writ' > {LOG}; exit 0",
    ],
)
def test_a_full_disk_under_tex_is_named(in_folder, monkeypatch, script):
    pretend(in_folder, monkeypatch, script)
    with pytest.raises(InputError, match=r"^no room left on the disk for TeX's files"):
        typeset.typeset(shell("Hello."))


def test_a_full_disk_that_left_no_word_in_the_log_is_named(in_folder, monkeypatch):
    pretend(in_folder, monkeypatch, f"echo 'Package bib' > {LOG}; exit 1")
    with pytest.raises(InputError, match=r"^TeX stopped: "):  # as long as there is room
        typeset.typeset(shell("Hello."))

    def full(**where):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match=r"^no room left on the disk .* \(TeX stopped: "):
        typeset.typeset(shell("Hello."))
