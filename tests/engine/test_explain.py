"""A printed value is explained: where it was recorded or chosen, from what, and where it is printed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from workings import cli

from .changing import git


@pytest.fixture
def explained(finished, monkeypatch, capsys):
    """The lines that `workings explain KEY` prints of the finished report."""
    monkeypatch.chdir(finished)

    def lines(key: str) -> list[str]:
        assert cli.main(["explain", key]) == 0
        return capsys.readouterr().out.splitlines()

    return lines


def numbered(file: str, text: str) -> str:
    """file:line of the one line that holds the text."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"{file}:{number}"


def test_a_measurement_is_explained_from_its_line_to_its_sentences(explained, finished):
    first, *lines = explained("doubled.slope")
    assert float(first.removeprefix("doubled.slope = ")) == pytest.approx(98.4, abs=2)
    digest = hashlib.sha256((finished / "build/measurements/mass.json").read_bytes()).hexdigest()
    place = numbered("templates/sections/doubled.tex.j2", "Twice the slope is")
    *known, sentence = lines
    assert known == [
        f"recorded at {numbered('analysis/doubled.py', 'record(slope=')}",
        "job doubled, analysis/doubled.py",
        "configuration",
        f"  doubled.offset = 0 ({numbered('config/default.yaml', 'offset')})",
        "inputs",
        f"  build/measurements/mass.json {digest[:12]}",
        f"commit {git(finished, 'rev-parse', 'HEAD')[:12]}",
        "printed in",
    ]
    assert re.fullmatch(rf"  {place}: Twice the slope is \d+\.\d\.", sentence)
    *_, first, second = explained("mass.slope")  # each use has its own sentence
    assert first.endswith(" g for each millimetre.") and ": The slope b is " in second


def test_a_choice_a_figure_and_a_block_are_explained(explained):
    chosen = f"chosen at {numbered('config/default.yaml', 'bin: 1.0')}"
    assert explained("config.bills.bin")[:2] == ["config.bills.bin = 1.0", chosen]
    saved = f"recorded at {numbered('analysis/bills.py', 'outputs.figure')}"
    assert explained("figure.bills")[1] == saved
    first, *below = explained("bills.longest")
    assert first == "below bills.longest the report prints:"
    assert "  bills.longest.mean" in below and "  bills.birds" not in below


def test_what_the_report_does_not_print_is_told(explained, capsys, monkeypatch, tmp_path):
    assert cli.main(["explain", "bills.maen"]) == 2
    said = "bills.maen: the report prints no such value; did you mean 'bills.mean'?"
    assert capsys.readouterr().err.startswith(f"workings: {said}")
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").touch()
    assert cli.main(["explain", "bills.mean"]) == 2
    assert "build/ledger.json is not there; build the report first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "command", "said"),
    [
        ("build/ledger.json", '{"jobs": [', "explain", "build/ledger.json: not a whole JSON file ("),
        ("build/ledger.json", "[]", "explain", "build/ledger.json: not a whole JSON file (expected a dict)"),
        ("build/ledger.json", "{}", "explain", "build/ledger.json: not the ledger of a build;"),
        ("build/measurements/mass.json", '{"slope": NaN}', "lint",
         "build/measurements/mass.json: not a whole JSON file (NaN is no number)"),
        ("build/quotes/mass.json", "{}", "lint", "build/quotes/mass.json: not a whole JSON file (expected a list)"),
    ],
)  # fmt: skip
def test_a_file_that_is_half_written_or_edited_is_named(
    built, monkeypatch, capsys, name, text, command, said
):
    monkeypatch.chdir(built)
    Path(name).write_text(text)
    assert cli.main([command, *(["bills.birds"] if command == "explain" else [])]) == 2
    assert capsys.readouterr().err.startswith(f"workings: {said}")
