r"""The report with the words marked that came and went since another build, by latexdiff.

latexdiff knows LaTeX's own commands; what workings.sty adds is written out in those first, so
that a changed caption or claim is marked word by word. Numbers lose their links, since the ledger is
left out, and alternative texts go, since nobody sees them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from workings.page import letters, log
from workings.page.typeset import PACKAGES, inputs

_FIGURE = r"""\begin{figure}[htbp]
\includegraphics{<0>}
\caption{<2>}\label{fig:<0>}
\end{figure}"""
_CLAIM = r"""\par\label{claim:<0>}<1>

{\footnotesize <2>: <3>}\par"""
_TABLE = r"""\begin{table}[htbp]\caption{<1>}\label{tab:<0>}\footnotesize
\begin{tabular}{<2>}\toprule"""

# What stands in a section, its number of arguments, and the same in LaTeX's own commands.
PLAIN = [
    (r"\measured", 3, "<2>"),
    (r"\textfigure", 3, _FIGURE),
    (r"\widefigure", 3, _FIGURE),
    (r"\claim", 4, _CLAIM),
    (r"\refutedclaim", 4, _CLAIM),
    (r"\begin{measuredtable}", 3, _TABLE),
    (r"\end{measuredtable}", 0, "\\bottomrule\\end{tabular}\n\\end{table}"),
]

# What may stand between braces, with braces in it up to eight deep.
_ARGUMENT = r"(?:[^{}\\]|\\.)*"
for _ in range(8):
    _ARGUMENT = rf"(?:[^{{}}\\]|\\.|\{{{_ARGUMENT}\}})*"


def write(base: Path, build: Path, out: Path, engine: str = letters.PDFLATEX) -> str:
    """Write the marked report, as PDF, from two build folders; what came of it, in a line."""
    out.unlink(missing_ok=True)
    if shutil.which("latexdiff") is None:
        return "no marked report: latexdiff is not installed; `make tex` installs it"
    if not (base / "sections").exists():
        return "no marked report: the base keeps no sections"
    with tempfile.TemporaryDirectory() as folder:
        texts = {}
        for side, source in (("old", base), ("new", build)):
            texts[side] = Path(folder, f"{side}.tex")
            texts[side].write_text(whole(Path("report/report.tex"), source), encoding="utf-8")
        run = subprocess.run(
            ["latexdiff", "--math-markup=whole", "--encoding=utf8", "--driver=pdftex",
             str(texts["old"]), str(texts["new"])],
            capture_output=True, text=True,
        )  # fmt: skip
        if run.returncode != 0:
            return f"no marked report: latexdiff stopped: {run.stderr.strip()[-300:]}"
        work = Path(folder, "work")
        Path(folder, "report.tex").write_text(run.stdout, encoding="utf-8")
        environment = os.environ | {"TEXINPUTS": inputs(Path("report/report.tex"))}
        made = subprocess.run(
            ["latexmk", "-pdf", "-norc", "-silent", "-f", "-file-line-error",
             "-interaction=nonstopmode", f"-outdir={work}",
             f"-pdflatex={engine} -no-shell-escape %O %S", f"{folder}/report.tex"],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        if not (work / "report.pdf").exists():
            file = work / "report.log"
            text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
            return f"no marked report: {log.why(text, made.stdout + made.stderr, PACKAGES)}"
        shutil.copyfile(work / "report.pdf", out)
    return f"words that came and went: {out}"


def whole(shell: Path, build: Path) -> str:
    """The report as one text, with the sections of a build folder, without ledger and attachments."""

    def section(match: re.Match) -> str:
        path = build / "sections" / f"{match[1]}.tex"
        if match[1] == "ledger" or not path.exists():
            return ""
        return plain(path.read_text(encoding="utf-8"))

    return re.sub(r"\\input\{build/sections/(\w+)\}", section, shell.read_text(encoding="utf-8"))


def plain(text: str) -> str:
    """A section in LaTeX's own commands."""
    for command, count, pattern in PLAIN:

        def written_out(found: re.Match, pattern=pattern) -> str:
            return re.sub(r"<(\d)>", lambda number: found[int(number[1]) + 1], pattern)

        arguments = rf"\{{({_ARGUMENT})\}}" * count
        text = re.sub(
            rf"{re.escape(command)}(?![A-Za-z]){arguments}", written_out, text, flags=re.DOTALL
        )
    return text
