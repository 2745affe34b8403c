"""A section's job: files in, the filled section with its quotes and claims out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import measurements
from workings.page import section
from workings.page.tex import escape

TITLE = "100 % of $5 & #1: a_b {c} ~d ^e \\f"
TEMPLATE = r"""
Loss \VAR{job.loss | digits(3)}, of a bin of \VAR{config.job.bin};
\BLOCK{ for part in derivation.job.parts }\VAR{part.heading | tex}\BLOCK{ endfor }
"""
FRONT = r"\BLOCK{ frontmatter }Loss \VAR{job.loss | digits(1)}.\BLOCK{ endfrontmatter }"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Fill the section `job` from a template and values."""
    monkeypatch.chdir(tmp_path)
    for folder in ("templates/sections", "derivations", "report"):
        Path(folder).mkdir(parents=True)
    Path("report/report.tex").write_text(r"\documentclass{IEEEtran}" "\n\\begin{document}\n")
    part = {"name": "p", "heading": r"The \(h\)", "note": "", "lines": []}
    Path("derivations/job.json").write_text(json.dumps({"names": [], "parts": [part]}))

    def fill(template: str, values: dict, **report) -> tuple[str, list[dict]]:
        Path("templates/sections/job.tex.j2").write_text(template)
        measurements.write("job.json", values)
        section.main(
            {
                "report": {"claims": "fail", "language": "en", "engine": "pdflatex", **report},
                "job": {"bin": 2},
            },
            SimpleNamespace(
                template=["templates/sections/job.tex.j2"],
                measurements=["job.json"],
                derivations=["derivations/job.json"],
            ),
            SimpleNamespace(section="out.tex", quotes="quotes.json", claims="claims.json"),
        )
        return Path("out.tex").read_text(), json.loads(Path("quotes.json").read_text())

    return fill


def test_it_is_filled_from_measurements_choices_and_derivation(run):
    text, quotes = run(TEMPLATE, {"loss": 9.4348})
    assert r"Loss \measured{job.loss}{job.1}{9.435}, of a bin of" in text
    assert r"The \(h\)" in text
    place = "templates/sections/job.tex.j2:2"
    assert quotes == [
        {"key": "job.loss", "value": 9.4348, "text": "9.435", "number": "9.435", "place": place}
        | {"format": {"notation": "fixed", "digits": 3}},
        {"key": "config.job.bin", "value": 2, "text": "2", "number": "2", "place": place}
        | {"format": {}},
    ]


def test_the_title_block_is_that_of_the_class_with_hostile_texts_literally(run):
    text, _ = run(FRONT, {"loss": 9.43}, title=TITLE, authors=["Å & Ö"])
    assert rf"\title{{{escape(TITLE)}}}" in text
    assert r"\IEEEauthorblockN{Å \& Ö}" in text
    assert r"\begin{abstract}" in text and r"{9.4}" in text
