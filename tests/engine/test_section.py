"""A section is filled from what its template quotes, and says what it quoted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import measurements
from workings.measurements import Measurements
from workings.messages import InputError
from workings.page import latex, section

TITLE = "100 % of $5 & #1: a_b {c} ~d ^e \\f"
TEMPLATE = r"""
\title{\VAR{value('config.report.title')}}
Loss \VAR{num('job.loss', digits=3)}, again \VAR{plain('job.loss', digits=1)};
\BLOCK{ for part in parts('job') }\VAR{heading('job', part)}\BLOCK{ endfor }
"""


def run(folder: Path, template: str, values: dict) -> tuple[str, list[dict]]:
    (folder / "templates/sections").mkdir(parents=True, exist_ok=True)
    (folder / "templates/sections/job.tex.j2").write_text(template)
    measurements.write(folder / "job.json", values)
    part = {"name": "p", "heading": r"The \(h\)", "note": "", "lines": []}
    (folder / "derivations").mkdir(exist_ok=True)
    (folder / "derivations/job.json").write_text(json.dumps({"names": [], "parts": [part]}))
    section.main(
        {"report": {"title": TITLE, "claims": "fail"}},
        SimpleNamespace(
            template=["templates/sections/job.tex.j2"],
            measurements=["job.json"],
            derivations=["derivations/job.json"],
        ),
        SimpleNamespace(section="out.tex", quotes="quotes.json", claims="claims.json"),
    )
    return Path("out.tex").read_text(), json.loads(Path("quotes.json").read_text())


def test_a_section_is_filled_from_measurements_config_and_derivation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, quotes = run(tmp_path, TEMPLATE, {"loss": 9.4348})
    assert r"Loss \measured{job.loss}{job.1}{9.435}, again 9.4;" in text
    assert r"The \(h\)" in text
    assert (
        r"\title{100 \% of \$5 \& \#1: a\_b \{c\} \textasciitilde{}d \textasciicircum{}e"
        r" \textbackslash{}f}"
    ) in text
    place = "templates/sections/job.tex.j2:3"
    assert quotes == [{"key": "job.loss", "value": 9.4348, "text": "9.435", "place": place}]


def test_one_changed_value_changes_exactly_its_occurrences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, _ = run(tmp_path, TEMPLATE, {"loss": 9.4348})
    after, _ = run(tmp_path, TEMPLATE, {"loss": 2.5})
    assert before.replace("9.435", "2.500").replace("9.4;", "2.5;") == after


def test_a_measurement_that_the_job_no_longer_makes_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"templates/sections/job\.tex\.j2:3: .*'job\.loss'"):
        run(tmp_path, TEMPLATE, {"los": 9.4348})
    assert not Path("out.tex").exists()


def test_the_title_page_prints_a_hostile_title_literally(root, tmp_path):
    page = (root / "templates/sections/frontmatter.tex.j2").read_text(encoding="utf-8")
    head, maketitle, _ = page.partition("\\maketitle")
    assert maketitle
    (tmp_path / "head.tex.j2").write_text(head, encoding="utf-8")
    chosen = {"title": TITLE, "subtitle": "Ł_1", "author": "Å & Ö"}
    made = latex.Section("frontmatter", Measurements({"config": {"report": chosen}}))
    text, _ = latex.fill("head.tex.j2", made, tmp_path)
    assert rf"\title{{{latex.escape(TITLE)}}}" in text
    assert r"\subtitle{Ł\_1}" in text
    assert r"\author{Å \& Ö}" in text
    assert rf"pdftitle={{{latex.escape(TITLE)}}}" in text
