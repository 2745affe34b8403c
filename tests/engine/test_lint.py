"""The lint stops at each kind of slip, with file and line, and passes what is structure."""

from __future__ import annotations

from pathlib import Path

import pytest

from workings.commands import lint as command
from workings.page import lint
from workings.workflow import templates

BIB = "@book{knuth1992,\n title = {x}}\n@article{lecun1998,}\n"
SHOWN = r"\VAR{figure('job', 'The loss.', 'alt')} See \cref{fig:job}." + "\n"


def findings(folder: Path, text: str, **others: str) -> list[str]:
    (folder / "references.bib").write_text(BIB)
    files = []
    for name, content in {"a": text, **others}.items():
        files.append(folder / f"{name}.tex.j2")
        files[-1].write_text(content, encoding="utf-8")
    found = lint.of_templates(files, folder / "references.bib")
    return [str(finding).replace(f"{folder}/", "") for finding in found]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("one\nabout 97 of them", 2, "the digits 97 are typed"),
        ("one\n\n0.97 of them", 3, "the digits 0.97 are typed"),
        (r"\(x = 0.5\)", 1, "the digits 0.5 are typed"),
        (r"\[ x" + "\n = 12 y\\]", 2, "the digits 12 are typed"),
        (r"\VAR{table('t', 'Of 17 images.', 'l', [], [])} \cref{tab:t}", 1, "the digits 17"),
        (r"\BLOCK{ set caption }Of 17.\BLOCK{ endset }", 1, "the digits 17"),
        (r"x" + "\n" + r"\cite{nobody2020}", 2, "'nobody2020' is not in report/references.bib"),
        (r"\parencite[ch.~5]{knuth1992, gone}", 1, "'gone' is not in"),
        ("\n" + r"\VAR{figure('job', 'The loss.', 'alt')}", 2, "'job' is never referred to"),
        (r"\VAR{figure('job', 'c', 'a')} \cref{fig:job_two}", 1, "'job' is never referred to"),
        (r"\VAR{table('job', 'c', 'l', [], [])}", 1, "the table 'job' is never referred to"),
        ("\n" + r"\VAR{claim('c', '1 < 2', 'Two is more.')}", 2, "'c' rests on no measurement"),
        (r"\VAR{claim('c', 'job.x <', 'Low.')}", 1, "the claim 'c': column"),
        (r"\BLOCK{ if holds('lambda: 1') }x\BLOCK{ endif }", 1, "holds(…): column"),
    ],
)
def test_each_kind_of_slip_is_found_with_its_line(tmp_path, text, line, message):
    found = findings(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(f"a.tex.j2:{line}: ") and message in found[0]


@pytest.mark.parametrize(
    "text",
    [
        r"\section{A}\label{sec:a2} \cref{fig:x1,tab:y2}" + "\nOf problem 4.",
        r"\(1 - h_t^2\), \(h_{t-1}\), \(\tfrac{r-1}{2}\), \(\partial^{+}\), \(x_{12}\)",
        r"\cite[ch.~5]{knuth1992} \parencite{lecun1998,knuth1992}",
        r"\setlength{\LTleft}{0pt} 0.5\baselineskip p{72mm}",
        r"\VAR{num('job.x', digits=3)}\BLOCK{ if value('job.x') > 12 }high\BLOCK{ endif }",
        r"\VAR{claim('c', 'job.x > 12 and job.y < 3', 'High.')} <# 17 of them #>",
        SHOWN,
    ],
)
def test_structure_and_helpers_pass(tmp_path, text):
    assert findings(tmp_path, text) == []


def test_a_claims_name_in_two_sections_is_found(tmp_path):
    claim = r"\VAR{claim('c', 'job.x', 'High.')}"
    found = findings(tmp_path, claim + claim, b="\n" + claim)  # two branches of one file may
    assert len(found) == 1 and "b.tex.j2:2: the claim 'c' has its name from" in found[0]


def quote(key: str, value, text: str, place: str = "t.j2:3") -> dict:
    return {"key": key, "value": value, "text": text, "place": place}


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("0.943", "0.94", False),
        ("0.9945", "0.99", False),
        ("0.95", "0.9", False),  # a reader may round a half either way
        ("0.94", "1.0", True),
        ("0.943", "0.95", True),
        (r"94.3\,\%", r"94\,\%", False),
        (r"94.6\,\%", r"94\,\%", True),
        (r"94.6\,\%", "0.94", False),  # other units are not compared
        (r"\ensuremath{-0.07}", r"\ensuremath{-0.2}", True),
        (r"\ensuremath{4.37 \times 10^{-2}}", r"\ensuremath{4.3 \times 10^{-2}}", True),
        (r"12\,345", r"12\,345", False),
        ("9" * 40 + ".71", "9" * 40 + ".7", False),
        ("9" * 40 + ".71", "9" * 40 + ".8", True),
        ("true", "holds", False),
    ],
)
def test_roundings_that_contradict_each_other_are_found(first, second, wrong):
    quotes = {"a": [quote("j.x", 0, first, "a:1")], "b": [quote("j.x", 0, second, "b:2")]}
    found = [str(f) for f in lint.of_values(quotes, {}, [])]
    assert bool(found) is wrong
    if wrong:
        assert "'j.x' is printed as" in found[0] and {"a:1", "b:2"} & {found[0].split(": ")[0]}


def test_a_measurement_quoted_nowhere_is_found(tmp_path):
    template = tmp_path / "a.tex.j2"
    template.write_text("value('job.decides') and num('job.best_digits')")
    measured = {"job": {"printed": 1, "decides": True, "best": 3, "best_digits": 2}}
    quotes = {"a": [quote("job.printed.0", 1, "1")]}
    found = [str(f) for f in lint.of_values(quotes, measured, [template])]
    assert len(found) == 1 and "the measurement 'job.best' is quoted nowhere" in found[0]


def test_the_projects_own_templates_are_clean(in_root):
    assert [str(f) for f in lint.of_templates(templates())] == []


def test_the_command_says_what_it_could_not_look_at(in_root, tmp_path):
    found, notes = command.findings(tmp_path)
    assert found == [] and "without a finished build" in notes[0]
