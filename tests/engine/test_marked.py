"""The report with changed words marked: what latexdiff is given, and what comes of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from workings.page import marked

SHELL = r"""\documentclass{article}
\usepackage{graphicx,booktabs}
\begin{document}
\input{build/sections/s}
\input{build/sections/ledger}
\end{document}
"""
SECTION = r"""The IMAGES \measured{job.x}{s.1}{0.94} are small.
\claim{job_small}{The IMAGES are \measured{job.n}{s.2}{3} \{small\}.}{holds}{\texttt{job.n}}
\begin{measuredtable}{job}{Of the IMAGES, in \%.}{lr}
a & \measured{job.x}{s.3}{0.94} \\
\end{measuredtable}
"""
FIGURE = r"\textfigure{job}{Seen by nobody: IMAGES}{The IMAGES, \emph{drawn}.}"


@pytest.fixture
def builds(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Two build folders that differ in words and a number, with a shell around them."""
    monkeypatch.chdir(tmp_path)
    Path("report").mkdir()
    Path("report/report.tex").write_text(SHELL)
    for name, word, number in (("base", "images", "0.94"), ("build", "pictures", "0.95")):
        sections = Path(name, "sections")
        sections.mkdir(parents=True)
        text = SECTION.replace("IMAGES", word).replace("0.94", number)
        (sections / "s.tex").write_text(text)
        (sections / "ledger.tex").write_text(r"\ledgerrow{all of it}")
    return Path("base"), Path("build")


def test_what_the_style_adds_is_written_out():
    assert marked.plain(SECTION + FIGURE) == (
        "The IMAGES 0.94 are small.\n"
        "\\par\\label{claim:job_small}The IMAGES are 3 \\{small\\}.\n\n"
        "{\\footnotesize holds: \\texttt{job.n}}\\par\n"
        "\\begin{table}[htbp]\\caption{Of the IMAGES, in \\%.}\\label{tab:job}\\footnotesize\n"
        "\\begin{tabular}{lr}\\toprule\n"
        "a & 0.94 \\\\\n"
        "\\bottomrule\\end{tabular}\n\\end{table}\n"
        "\\begin{figure}[htbp]\n\\includegraphics{job}\n"
        "\\caption{The IMAGES, \\emph{drawn}.}\\label{fig:job}\n\\end{figure}"
    )
    assert marked.plain(r"\measuredly{a}{b}{c}\measured{a}{b}{c}") == r"\measuredly{a}{b}{c}c"


def test_words_that_came_and_went_are_marked(builds, tmp_path):
    note = marked.write(*builds, Path("marked.pdf"))
    assert note == "words that came and went: marked.pdf", note
    text = subprocess.run(["pdftotext", "marked.pdf", "-"], capture_output=True, text=True).stdout
    # in the sentence, the claim and the caption of the table
    assert text.count("images") == text.count("pictures") == 3
    assert text.count("0.94") == text.count("0.95") == 2
    assert "ledgerrow" not in text and "all of it" not in text


def test_a_marked_report_that_does_not_typeset_says_what_tex_missed(builds):
    Path("report/report.tex").write_text(SHELL.replace("graphicx", "nowhere"))
    Path("marked.pdf").write_text("of an earlier comparison")
    note = marked.write(*builds, Path("marked.pdf"))
    assert re.search(r"report\.tex:\d+: TeX stopped: LaTeX Error: File `nowhere.sty' not", note)
    assert not Path("marked.pdf").exists()


def test_a_base_of_measurements_alone_has_no_words(builds):
    shutil.rmtree("base/sections")
    assert "keeps no sections" in marked.write(*builds, Path("marked.pdf"))
