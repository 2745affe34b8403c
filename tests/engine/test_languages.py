"""A report in another language has its decimal mark, its words and its names of figures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import languages
from workings.messages import InputError
from workings.page import template, typeset

MEASURED = {
    "job": {
        "x": 1234.5,
        "none": 0,
        "names": ["A", "B", "C"],
        "rows": [{"name": "A", "old": True}],
        "odd key: a": 1.5,
    }
}
TEXT = r"""\section{S}\label{sec:s}
\VAR{job.names | each}; \BLOCK{ for n in job.names }\VAR{n}\VAR{loop | comma}\BLOCK{ endfor };
\VAR{job.x | digits(1)}; \VAR{job.x | points(0)}; \VAR{job.none | of('une', 'deux')};
\VAR{job['odd key: a'] | digits(1)}; \cref{tab:t,sec:s}; \(\VAR{job.x | digits(1)}\)
\BLOCK{ claim 'c' if job.x > 5 and not job.names | length == 2 }
It is.
\BLOCK{ endclaim }
\BLOCK{ table 't' of job.rows }Rows.\BLOCK{ endtable }
"""


def fill(folder: Path, language: str, text: str = TEXT) -> str:
    (folder / "s.tex.j2").write_text(text, encoding="utf-8")
    return template.fill("s.tex.j2", MEASURED, {}, folder=folder, language=language).text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en-GB", ["{B} and ", "{1234.5}", "percentage points", "{0}~deux", "{holds}", "more than 5 and it is", "{yes}"]),
        ("de", ["{B} und ", "{1234{,}5}", "Prozentpunkte", "{0}~deux", "{gilt}", "größer als 5 und es", "{ja}"]),
        ("es", ["{B} y ", "{1234{,}5}", "puntos porcentuales", "{0}~deux", "{se cumple}", "mayor que 5 y no", "{sí}"]),
        ("fr-CA", ["{B} et ", "{1234{,}5}", "points de pourcentage", "{0}~une", "{vérifié}", "supérieur à 5 et il", "{oui}"]),
        ("it", ["{B} e ", "{1234{,}5}", "punti percentuali", "{0}~deux", "{vale}", "maggiore di 5 e non", "{sì}"]),
    ],
)  # fmt: skip
def test_each_language_has_its_mark_and_words(tmp_path, language, words):
    text = fill(tmp_path, language)
    assert [word for word in words if word not in text] == []


def test_a_plural_has_no_rule_but_in_english(tmp_path):
    text = r"\VAR{job.none | of('bird')}"
    assert "birds" in fill(tmp_path, "en-US", text)
    with pytest.raises(InputError, match=r"s\.tex\.j2:1: 'bird' needs its plural"):
        fill(tmp_path, "de", text)


def test_an_unknown_language_is_named():
    with pytest.raises(InputError, match="does not know the language 'dee'; did you mean 'de'"):
        languages.look_up("dee")


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("language", "document_class", "words"),
    [("fr", "article", "Tableau 1 et Section 1"), ("de", "scrartcl", "Tabelle 1 und Abschnitt 1")],
)
def test_the_page_names_its_tables_in_the_language(language, document_class, words):
    """Also where babel makes a colon active, as in French."""
    if not subprocess.run(["kpsewhich", "french.ldf", "ngerman.ldf"], capture_output=True).stdout:
        pytest.skip("the languages of babel are not installed")
    Path("build/sections").mkdir(parents=True)
    Path("report").mkdir()
    Path("build/sections/s.tex").write_text(fill(Path(), language), encoding="utf-8")
    house = r"\usepackage{workings-house}" if document_class == "scrartcl" else ""
    Path("report/report.tex").write_text(
        rf"\documentclass{{{document_class}}}\usepackage{{workings}}{house}\begin{{document}}"
        rf"\input{{build/sections/s}}\end{{document}}"
    )
    config = {"report": {"engine": "pdflatex", "language": language}}
    files = SimpleNamespace(shell="report/report.tex"), SimpleNamespace(report="r.pdf")
    typeset.main(config, *files)
    said = subprocess.run(["pdftotext", "r.pdf", "-"], capture_output=True, text=True).stdout
    assert words in " ".join(said.split()) and "1234,5" in said
