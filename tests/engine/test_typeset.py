"""The report is typeset cleanly, or refused with TeX's own place and words."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import pypdf
import pytest

from workings.classes import DocumentClass
from workings.messages import InputError
from workings.page import typeset
from workings.page.tex import escape

# -- what the log says -----------------------------------------------------------------------------


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
    ("Overfull \\hbox (1.01pt too wide) in paragraph at lines 3--4",
     "a line is 1.01 pt too wide: in paragraph at lines 3--4"),
    ("(./build/sections/lengths.tex) (./build/sections/mass.tex\n"
     "Overfull \\hbox (12.5pt too wide) in paragraph at lines 3--4",
     "a line is 12.5 pt too wide: in paragraph at lines 3--4 of build/sections/mass.tex"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "complaint"), STUMBLES)
def test_each_kind_of_stumble_is_told_once(line, complaint):
    assert typeset.complaints(f"This is pdfTeX\n{line}\n{line}\nOutput written.") == [complaint]


def test_what_no_reader_sees_is_no_stumble():
    assert typeset.complaints(
        "Overfull \\hbox (0.99pt too wide) in paragraph at lines 3--4\n"
        "Underfull \\hbox (badness 10000) in paragraph at lines 3--4\n"
        "LaTeX Font Info: Redeclaring math symbol\nPackage hyperref Info: Link coloring ON"
    ) == []  # fmt: skip


# -- TeX itself ------------------------------------------------------------------------------------


def shell(text: str, section: str = "") -> Path:
    """report/report.tex around `text` in the present folder, and one section's file."""
    for folder in ("report", "build/sections"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("build/sections/job.tex").write_text(section, encoding="utf-8")
    file = Path("report/report.tex")
    file.write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage[utf8]{inputenc}\n"
        "\\usepackage{lmodern}\\pdfsuppressptexinfo=-1\\pdfinfoomitdate=1\\pdftrailerid{}\n"
        f"\\begin{{document}}\n{text}\n\\input{{build/sections/job}}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    return file


def run(text: str, section: str = "") -> None:
    file = shell(text, section)
    typeset.main({}, SimpleNamespace(shell=file), SimpleNamespace(report="report.pdf"))


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
def test_an_error_of_tex_names_the_template_and_the_last_report_stays():
    Path("report.pdf").write_text("the last good one")
    with pytest.raises(InputError) as caught:
        run("Hello.", "One.\n\\undefinedcommand\n")
    said = str(caught.value)
    assert said.startswith("build/sections/job.tex:2 (filled from templates/sections/job.tex.j2): ")
    assert said.endswith(r"Undefined control sequence. \undefinedcommand")
    assert Path("report.pdf").read_text() == "the last good one"


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
    monkeypatch.setitem(typeset.classes.CLASSES, "nowhere", known_class)
    file.write_text(known.replace("{article}", "{nowhere}"))
    with pytest.raises(InputError, match=r"`nowhere\.cls' not found.*the package texlive-x"):
        typeset.typeset(file)
    said = typeset.why("a.tex:1: LaTeX Error: File `ulem.sty' not found.\n", "")
    assert said.endswith("On Debian install the package texlive-plain-generic")


@pytest.mark.usefixtures("in_folder")
def test_a_report_with_a_reference_to_nothing_is_refused():
    with pytest.raises(InputError, match="the report is not clean:\n  reference to nothing: gone"):
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

    monkeypatch.setattr(typeset.tempfile, "TemporaryFile", full)
    with pytest.raises(InputError, match=r"^no room left on the disk .* \(TeX stopped: "):
        typeset.typeset(shell("Hello."))
