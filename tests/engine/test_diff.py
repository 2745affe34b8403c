"""What changed between two builds is found, counted against the seeds, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workings.page import changes, diff, marked

BEFORE = {"job": {"x": 1.0, "n": 3, "word": "a", "list": [1, 2], "holds": True, "gone": 0}}
AFTER = {"job": {"x": 1.05, "n": 3, "word": "b", "list": [1, 3], "holds": True, "fresh": 0}}
SECTION = (
    "The loss is \\measured{job.x}{s.1}{\\ensuremath{1.05}}\nof 50 \\% there. Another is "
    "\\measured{job.n}{s.2}{3}. See \\cref{fig:job}."
)


def claim(name: str, holds: bool) -> dict:
    return {
        "name": name,
        "holds": holds,
        "predicate": "p",
        "sentence": f"S {holds}.",
        "place": "t:1",
    }


def test_what_moved_is_new_or_gone_is_found():
    found = changes.compare(BEFORE, AFTER)
    assert [row["key"] for row in found["moved"]] == ["job.x", "job.word", "job.list.1"]
    assert found["moved"][0]["change"] == pytest.approx(0.05)
    assert (found["new"], found["gone"], found["within_seeds"]) == (["job.fresh"], ["job.gone"], [])
    same = changes.compare(BEFORE, BEFORE)
    assert same == {"moved": [], "within_seeds": [], "new": [], "gone": []}


def test_the_range_over_the_seeds_is_the_tolerance_and_a_bit_more_is_too_much():
    tolerance = changes.tolerances(
        [{"job": {"x": 2.0}}, {"job": {"x": 2.04}}, {"job": {"x": 2.06}}]
    )
    assert tolerance == {"job.x": pytest.approx(0.06)}
    found = changes.compare(BEFORE, AFTER, tolerance)
    assert [row["key"] for row in found["within_seeds"]] == ["job.x"]
    beyond = changes.compare(BEFORE, {"job": {"x": 1.07}}, tolerance)
    assert [row["key"] for row in beyond["moved"]] == ["job.x"]
    assert changes.tolerances([{"job": {"x": 1.0}}, {"job": {}}]) == {}  # not in every run


def test_a_number_that_became_a_text_or_a_truth_has_moved():
    assert len(changes.compare({"a": {"b": 1}}, {"a": {"b": True}})["moved"]) == 1
    assert len(changes.compare({"a": {"b": 1}}, {"a": {"b": "1"}})["moved"]) == 1
    assert changes.compare({"a": {"b": 1}}, {"a": {"b": 1.0}})["moved"] == []


def test_flipped_claims_and_citing_sentences_are_found():
    old, new = (
        [claim("a", True), claim("b", True)],
        [claim("a", False), claim("b", True), claim("c", False)],
    )
    (flipped,) = changes.flipped(old, new)
    assert (flipped["name"], flipped["before"], flipped["after"]) == ("a", True, False)
    assert changes.sentences(SECTION, {"job.x"}) == [
        {"keys": ["job.x"], "sentence": "The loss is 1.05 of 50 % there."}
    ]
    assert changes.sentences(SECTION, {"job.other"}) == []


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def builds(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Two build folders: `base` and `build`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(marked, "write", lambda *folders: "no marked report")
    for name, values, holds in (("base", BEFORE, True), ("build", AFTER, False)):
        for part in ("measurements", "claims", "sections", "figures"):
            (tmp_path / name / part).mkdir(parents=True)
        (tmp_path / name / "measurements/job.json").write_text(json.dumps(values["job"]))
        (tmp_path / name / "claims/s.json").write_text(json.dumps([claim("a", holds)]))
        (tmp_path / name / "sections/s.tex").write_text(SECTION)
        (tmp_path / name / "figures/job.pdf").write_bytes(b"%PDF-" + name.encode())
        (tmp_path / name / "figures/same.pdf").write_bytes(b"%PDF-")
    return tmp_path / "base", tmp_path / "build"


def test_the_command_tells_all_and_its_exit_code_says_so(builds, capsys):
    assert diff.main(["base"]) == 1
    said = capsys.readouterr().out
    found = json.loads(Path("build/diff/changes.json").read_text())
    assert "moved: 3" in said and "job.x: 1.0 -> 1.05" in said
    assert "No other seeds were run, so every difference counts" in said
    assert "a (t:1): held before, did not hold now: S False." in said
    assert found["figures"] == ["job"] and found["seeds"] == []
    assert "s: The loss is 1.05" in said
    assert "<th>job</th>" in Path("build/diff/figures.html").read_text()
    assert said.startswith(Path("build/diff/changes.txt").read_text())


def test_equal_builds_have_exit_code_zero(builds):
    base, build = builds
    shutil.rmtree(base)
    shutil.copytree(build, base)
    assert diff.main(["base"]) == 0


def test_the_seeds_that_were_run_are_counted(builds, capsys):
    runs = [{"seed": s, "measurements": {"job": {"x": x}}} for s, x in ((7, 1.0), (8, 1.2))]
    (builds[1] / diff.SEEDS).write_text(json.dumps({"runs": runs}))
    assert diff.main(["base"]) == 1
    said = capsys.readouterr().out
    assert "over 2 other seeds (7, 8)" in said
    assert "within the range over the seeds: 1" in said and "moved: 2" in said


def test_a_saved_measurements_folder_is_enough(builds, capsys):
    shutil.copytree(builds[0] / "measurements", "saved")
    assert diff.main(["saved"]) == 1
    said = capsys.readouterr().out
    assert "claims: none are kept in the base" in said and "figures that changed: 0" in said
    assert "no marked report" in said


@pytest.mark.parametrize("base", ["", "nowhere", "empty"])
def test_a_base_that_is_none_is_refused(builds, capsys, base):
    Path("empty").mkdir()
    assert diff.main([base]) == 2
    assert capsys.readouterr().err.startswith("workings: ")


def test_a_broken_file_of_the_base_is_named(builds, capsys):
    (builds[0] / "measurements/job.json").write_text('{"x": ')
    assert diff.main(["base"]) == 2
    assert "base/measurements/job.json: not a whole JSON file" in capsys.readouterr().err
