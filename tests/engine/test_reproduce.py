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
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "one and other: 4 results differ, first build/measurements/lengths.json"
    assert rest == [
        "  build/measurements/lengths.json", "    lengths.p.1: 0.25 and 0.75, by 5.0e-01",
        "  build/figures/moves.pdf", "  build/sections/lengths.tex", "  report/report.pdf",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "one", "other", "said"),
    [
        ("data/d.npz", "1", "2", []),
        ("claims/bills.json", "1", "2", []),
        ("seeds/11.json", "1", None, []),  # missing there
        ("measurements/a.json", '{"a": [1, 2], "b": null}', '{"a": [1], "c": true}',
         ["a.b: in one of them alone", "a.a.1: in one of them alone", "a.c: in one of them alone"]),
        ("measurements/a.json", '{"a": null}', '{"a": "b"}', ["a.a: None and 'b'"]),
    ],
)  # fmt: skip
def test_every_kind_of_result_is_compared(tmp_path, capsys, name, one, other, said):
    folders = built(tmp_path / "a", 0.25), built(tmp_path / "b", 0.25)
    for folder, text in zip(folders, (one, other), strict=True):
        (folder / "build" / name).parent.mkdir(exist_ok=True)
        if text:
            (folder / "build" / name).write_text(text)
    assert not reproduce.tell(*folders, ("one", "other"))
    first, _, *rest = capsys.readouterr().out.splitlines()
    assert first == f"one and other: 1 results differ, first build/{name}"
    assert sorted(rest) == sorted(f"    {line}" for line in said)
