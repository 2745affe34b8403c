"""Two builds are compared byte by byte, and a difference is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workings.commands import reproduce


def built(folder: Path, probability: float, figure: str = "f") -> Path:
    for name, text in {
        "build/measurements/lengths.json": json.dumps({"p": [0.5, probability], "label": "a"}),
        "build/figures/moves.pdf": figure,
        "build/sections/lengths.tex": str(probability),
        "report/report.pdf": f"{probability}{figure}",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_the_same_bytes_are_the_same(tmp_path, capsys):
    one, other = built(tmp_path / "a", 0.25), built(tmp_path / "b", 0.25)
    assert reproduce.tell(one, other, ("one", "other"))
    assert capsys.readouterr().out == "one and other: the same bytes\n"


def test_a_difference_names_the_first_job_and_what_moved(tmp_path, capsys):
    one, other = built(tmp_path / "a", 0.25), built(tmp_path / "b", 0.75, "g")
    assert not reproduce.tell(one, other, ("one", "other"))
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "one and other: 4 results differ, first build/measurements/lengths.json"
    assert second == "  lengths.p.1: 0.25 and 0.75, by 5.0e-01"
    assert rest == [
        "  build/figures/moves.pdf", "  build/sections/lengths.tex", "  report/report.pdf",
    ]  # fmt: skip


def test_a_result_that_is_missing_is_a_difference(tmp_path, capsys):
    one, other = built(tmp_path / "a", 0.25), built(tmp_path / "b", 0.25)
    (other / "build/figures/moves.pdf").unlink()
    assert not reproduce.tell(one, other, ("one", "other"))
    assert "first build/figures/moves.pdf" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["data/d.npz", "model/m.safetensors", "claims/atlas.json", "seeds/11.json", "ledger.json"],
)
def test_every_kind_of_result_is_compared(tmp_path, capsys, name):
    one, other = built(tmp_path / "a", 0.25), built(tmp_path / "b", 0.25)
    for folder in (one, other):
        (folder / "build" / name).parent.mkdir(exist_ok=True)
        (folder / "build" / name).write_text(folder.name)
    assert not reproduce.tell(one, other, ("one", "other"))
    assert f"1 results differ, first build/{name}" in capsys.readouterr().out


def test_values_of_other_kinds_and_lengths():
    assert list(reproduce.moved({"a": [1, 2], "b": None}, {"a": [1], "c": True})) == [
        "a: [1, 2] and [1]",
        "c: None and True",
    ]
