"""A small project on the real runner, store, sections and report: two jobs, two sections, a page.

    words.txt → counted → doubled
    counted → section first (with a partial), doubled → section second → report.pdf

`counted` imports near, which imports far; `doubled` imports other and the package fakepackage.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .running import ROOT

FILES = {
    ".gitignore": "build/\n.snakemake/\n.cache/\n.venv/\nreport/report.pdf\n__pycache__/\n",
    "Snakefile": '''
from snakemake.exceptions import WorkflowError
from workings import workflow as workings

workings.JOBS = ["counted", "doubled"]
workings.DERIVED = workings.EMBEDDED = []
workings.SECTIONS = ["first", "second"]
try:
    config, job, quoted = workings.prepare(workflow.config_settings)
except workings.InputError as error:
    raise WorkflowError(f"\\n{error}")
RUN = f"{workings.PYTHON} -m workings.job {{rule}} {{params:q}}"

rule report:
    input:
        shell="report/report.tex",
        style="report/workings.sty",
        references="report/references.bib",
        sections=["build/sections/first.tex", "build/sections/second.tex"],
        attached=[],
    output:
        report=update("report/report.pdf"),
    params:
        *job("report", programs=["pdflatex"]),
    shell:
        RUN

rule counted:
    input:
        words="words.txt",
    output:
        measurements="build/measurements/counted.json",
        list="build/arrays/counted.txt",
    params:
        *job("counted"),
    shell:
        RUN

rule doubled:
    input:
        counted="build/measurements/counted.json",
    output:
        measurements="build/measurements/doubled.json",
    params:
        *job("doubled"),
    shell:
        RUN

rule section:
    input:
        template=lambda wildcards: quoted[wildcards.section].templates,
        measurements=lambda wildcards: quoted[wildcards.section].measurements,
        derivations=[],
    output:
        section="build/sections/{section}.tex",
        quotes="build/quotes/{section}.json",
        claims="build/claims/{section}.json",
    params:
        *job("section", "report.claims"),
    shell:
        RUN

onsuccess:
    workings.say_done()
onerror:
    workings.say_failed()
''',
    "analysis/counted.py": '''
"""Count the words."""
from pathlib import Path
from analysis.maths import near
from workings import measurements

def main(config, inputs, outputs):
    words = Path(inputs.words).read_text().split()
    # A comment.
    measurements.write(outputs.measurements, {"words": near.scaled(len(words), config["counted"]["factor"])})
    Path(outputs.list).write_text("\\n".join(words))
''',
    "analysis/doubled.py": '''
"""Double the count."""
import fakepackage
from analysis.maths import other
from workings import measurements

def main(config, inputs, outputs):
    words = measurements.read(inputs.counted)["words"]
    measurements.write(outputs.measurements, {"words": other.twice(words) + config["doubled"]["offset"]})
''',
    "analysis/maths/near.py": "from analysis.maths import far\n\ndef scaled(n, factor):\n    return far.product(n, factor)\n",
    "analysis/maths/far.py": "def product(n, factor):\n    return n * factor\n",
    "analysis/maths/other.py": "def twice(n):\n    return 2 * n\n",
    "config/default.yaml": '''
report: {claims: fail}
seeds: {report: false}
store: {folder: .cache/workings, megabytes: 100}
counted: {factor: 1}
doubled: {offset: 0}
spare: {unused: 1}
''',
    "config/schema.yaml": '''
type: object
additionalProperties: false
required: [counted, doubled]
properties:
  report: {type: object}
  seeds: {type: object}
  store: {type: object}
  spare: {type: object}
  counted: {type: object, additionalProperties: false, properties: {factor: {type: integer, minimum: 1}}}
  doubled: {type: object, additionalProperties: false, properties: {offset: {type: integer}}}
''',
    "templates/sections/first.tex.j2": '''
\\section{First}\\label{sec:first}
There are counted(\\VAR{plain('counted.words')}) words.
\\BLOCK{ include 'partial.tex.j2' }
''',
    "templates/sections/ledger.tex.j2": "",
    "templates/partial.tex.j2": "This is said in a partial.\n",
    "templates/sections/second.tex.j2": '''
\\section{Second}\\label{sec:second}
Twice that is doubled(\\VAR{plain('doubled.words')}). See \\cite{somebody}.
''',
    "report/report.tex": r'''
\documentclass{scrartcl}
\usepackage{workings}
\addbibresource{report/references.bib}
\begin{document}
\input{build/sections/first}
\input{build/sections/second}
\printbibliography
\end{document}
''',
    "report/references.bib": "@book{somebody, author={Some Body}, title={On Words}, year={1999}}\n",
    "words.txt": "one two three four five\n",
    "site/fakepackage.py": "",
    "site/fakepackage-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: fakepackage\nVersion: 1.0\n",
}  # fmt: skip

STYLE = r"""
\NeedsTeXFormat{LaTeX2e}
\ProvidesPackage{workings}[2026/01/01 a plain page for the tests]
\pdftrailerid{}
\pdfsuppressptexinfo=-1
\pdfinfoomitdate=1
\RequirePackage[backend=biber]{biblatex}
\RequirePackage{hyperref}
"""


def project(folder: Path) -> Path:
    """Write the small project into the folder."""
    for name in (
        "__init__.py",
        "job.py",
        "section.py",
        "report.py",
        "pipeline",
        "reporting",
        "maths",
    ):
        source = ROOT / "analysis" / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        (folder / "analysis").mkdir(parents=True, exist_ok=True)
        copy(source, folder / "analysis" / name)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for name, text in (FILES | {"report/workings.sty": STYLE}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip("\n"))
    return folder
