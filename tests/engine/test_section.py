"""A section is filled from what its template names, and says what it printed and claimed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import measurements
from workings.messages import InputError
from workings.page import section
from workings.page.tex import escape

pytestmark = pytest.mark.usefixtures("in_folder")
TITLE = "100 % of $5 & #1: a_b {c} ~d ^e \\f"
TEMPLATE = r"""
\BLOCK{ frontmatter }
Loss \VAR{job.loss | digits(3)}, again \VAR{job.loss | digits(3)}.
\BLOCK{ endfrontmatter }
Of \VAR{config.report.title}: \VAR{derivation.job.parts[0].heading | tex}
\BLOCK{ claim 'small' if job.loss < 20 }It is small.\BLOCK{ endclaim }
"""


def run(template: str, values: dict, **report: str) -> tuple[str, list[dict], list[dict]]:
    """The section, its quotes and its claims."""
    for folder in ("templates/sections", "derivations", "report"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("templates/sections/job.tex.j2").write_text(template)
    Path("report/report.tex").write_text(r"\documentclass{article}")
    measurements.write("job.json", values)
    part = {"name": "p", "heading": r"The \(h\)", "note": "", "lines": []}
    Path("derivations/job.json").write_text(json.dumps({"names": [], "parts": [part]}))
    section.main(
        {"report": {"title": TITLE, "claims": "fail"} | report, "commit": {"date": "2026-03-01"}},
        SimpleNamespace(
            template=["templates/sections/job.tex.j2"],
            measurements=["job.json"],
            derivations=["derivations/job.json"],
        ),
        SimpleNamespace(section="out.tex", quotes="quotes.json", claims="claims.json"),
    )
    return Path("out.tex").read_text(), *(
        json.loads(Path(f"{name}.json").read_text()) for name in ("quotes", "claims")
    )


def test_a_section_is_filled_from_measurements_choices_and_a_derivation():
    text, quotes, claims = run(TEMPLATE, {"loss": 9.4348}, date="commit", subtitle="Ł_1")
    measured = [rf"\measured{{job.loss}}{{job.{n}}}{{9.435}}" for n in (1, 2)]
    assert f"Loss {measured[0]}, again {measured[1]}." in text
    assert rf"\title{{{escape(TITLE)}" in text and r"Ł\_1" in text and r"\month=3" in text
    assert rf"\measured{{config.report.title}}{{job.3}}{{{escape(TITLE)}}}: The \(h\)" in text
    place = "templates/sections/job.tex.j2:3"
    assert quotes[1] == {"key": "job.loss", "value": 9.4348, "text": "9.435", "place": place}
    assert [quote["key"] for quote in quotes[1:4]] == [
        "job.loss",
        "config.report.title",
        "job.loss",
    ]
    assert (claims[0]["name"], claims[0]["values"]) == ("small", {"job.loss": 9.4348})


def test_one_changed_value_changes_exactly_its_occurrences():
    before, *_ = run(TEMPLATE, {"loss": 9.4348})
    after, *_ = run(TEMPLATE, {"loss": 2.5})
    assert before.replace("9.435", "2.500").replace("9.4348", "2.5") == after != before


def test_what_cannot_be_filled_is_named_with_its_line_and_leaves_no_section():
    with pytest.raises(InputError, match=r"^templates/sections/job\.tex\.j2:3: no 'job\.loss'"):
        run(TEMPLATE, {"los": 9.4348})
    with pytest.raises(InputError, match=r"job\.tex\.j2:6: the claim 'small' does not hold"):
        run(TEMPLATE, {"loss": 30.0})
    assert not Path("out.tex").exists()
    _, _, claims = run(TEMPLATE, {"loss": 30.0}, claims="report")
    assert not claims[0]["holds"]
