"""What changed between two builds is found, counted against the seeds, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workings import cli
from workings.commands import diff
from workings.messages import InputError
from workings.page import changes, marked
from workings.page.tex import anchor, escape

from .changing import commit, git, replace
from .running import environment

BEFORE = {"job": {"x": 1.0, "n": 3, "word": "a", "list": [1, 2], "holds": True, "gone": 0}}
AFTER = {"job": {"x": 1.05, "n": 3, "word": "b", "list": [1, 3], "holds": True, "fresh": 0}}
SECTION = (
    "\\section{A heading}\\label{sec:s}\nThe loss is \\measured{job.x}{s.1}{\\ensuremath{1.05}}\nof 50 \\% there. Another is "
    "\\measured{job.n}{s.2}{3}. See \\cref{fig:job}."
)


def claim(name: str, holds: bool) -> dict:
    told = {"condition": "job.x > 1", "sentence": f"S {holds}.", "place": "t:1"}
    return {"name": name, "holds": holds, **told}


def test_what_moved_is_new_or_gone_is_found():
    found = changes.compare(BEFORE, AFTER)
    assert [row["key"] for row in found["moved"]] == ["job.x", "job.word", "job.list.1"]
    assert found["moved"][0]["change"] == pytest.approx(0.05)
    assert (found["new"], found["gone"], found["within_seeds"]) == (["job.fresh"], ["job.gone"], [])
    same = changes.compare(BEFORE, BEFORE)
    assert same == {"moved": [], "within_seeds": [], "new": [], "gone": []}


def test_the_range_over_the_seeds_is_the_tolerance_and_a_bit_more_is_too_much():
    runs = [{"job": {"x": x}} for x in (2.0, 2.04, 2.06)]
    tolerance = changes.tolerances(runs)
    assert tolerance == {"job.x": pytest.approx(0.06)}
    found = changes.compare(BEFORE, AFTER, tolerance)
    assert [row["key"] for row in found["within_seeds"]] == ["job.x"]
    beyond = changes.compare(BEFORE, {"job": {"x": 1.07}}, tolerance)
    assert [row["key"] for row in beyond["moved"]] == ["job.x"]
    assert changes.tolerances([*runs, {"job": {}}]) == {}  # not in every run


@pytest.mark.parametrize(("now", "moved"), [(True, 1), ("1", 1), (1.0, 0)])
def test_a_number_that_became_a_text_or_a_truth_has_moved(now, moved):
    assert len(changes.compare({"a": {"b": 1}}, {"a": {"b": now}})["moved"]) == moved


def test_flipped_claims_and_citing_sentences_are_found():
    new = [claim("a", False), claim("b", True), claim("c", False)]
    (flipped,) = changes.flipped([claim("a", True), claim("b", True)], new)
    assert (flipped["name"], flipped["before"], flipped["after"]) == ("a", True, False)
    assert changes.sentences(SECTION, {"job.x"}) == [
        {"keys": ["job.x"], "sentence": "The loss is 1.05 of 50 % there."}
    ]
    assert changes.sentences(SECTION, {"job.other"}) == []
    hostile = escape("O'Neill *p [1cm] -- ~^\"`")
    assert (
        changes.readable(rf"See \measured{{a.b}}{{s.1}}{{{hostile}}}.")
        == "See O'Neill *p [1cm] -- ~^\"`."
    )
    key = anchor("job.Größe")
    claimed = rf"\claim{{name}}{{Größe is \measured{{{key}}}{{s.3}}{{3}}\,\%.}}{{holds}}{{3 > 2}}"
    assert changes.sentences(claimed, {"job.Größe"}) == [
        {"keys": ["job.Größe"], "sentence": "Größe is 3 %. holds 3 > 2"}
    ]


# -- two build folders -----------------------------------------------------------------------------


@pytest.fixture
def builds(in_folder, monkeypatch) -> tuple[Path, Path]:
    """base/ and build/, which is up to date."""
    monkeypatch.setattr(marked, "write", lambda *builds: "no marked report")
    monkeypatch.setattr(diff, "build", lambda *arguments: None)
    Path("Snakefile").touch()
    for name, values, holds in (("base", BEFORE, True), ("build", AFTER, False)):
        for part in ("measurements", "claims", "sections", "figures"):
            Path(name, part).mkdir(parents=True)
        Path(name, "measurements/job.json").write_text(json.dumps(values["job"]))
        Path(name, "claims/s.json").write_text(json.dumps([claim("a", holds)]))
        Path(name, "sections/s.tex").write_text(SECTION)
        Path(name, "figures/job.pdf").write_bytes(b"%PDF-" + name.encode())
        Path(name, "figures/same.pdf").write_bytes(b"%PDF-")
    return Path("base"), Path("build")


def test_the_command_tells_all_and_its_exit_code_says_so(builds, capsys):
    assert cli.main(["diff", "base"]) == 1
    said = capsys.readouterr().out
    found = json.loads(Path("build/diff/changes.json").read_text())
    assert "moved: 3" in said and "job.x: 1.0 -> 1.05" in said
    assert "No other seeds were run, so every difference counts" in said
    assert "a (t:1): held before, did not hold now: S False." in said
    assert found["figures"] == ["job"] and found["seeds"] == []
    assert "s: The loss is 1.05" in said
    assert "<th>job</th>" in Path("build/diff/figures.html").read_text()
    assert said.startswith(Path("build/diff/changes.txt").read_text())
    shutil.rmtree("base")
    shutil.copytree("build", "base")
    assert cli.main(["diff", "base"]) == 0


def test_the_seeds_that_were_run_are_counted(builds, capsys):
    runs = [{"seed": s, "measurements": {"job": {"x": x}}} for s, x in ((7, 1.0), (8, 1.2))]
    (builds[1] / diff.SEEDS).write_text(json.dumps({"runs": runs}))
    assert cli.main(["diff", "base"]) == 1
    said = capsys.readouterr().out
    assert "over 2 other seeds (7, 8)" in said
    assert "within the range over the seeds: 1" in said and "moved: 2" in said


def test_a_saved_measurements_folder_is_enough(builds, capsys):
    shutil.copytree("base/measurements", "saved")
    assert cli.main(["diff", "saved"]) == 1
    said = capsys.readouterr().out
    assert "claims: none are kept in the base" in said and "figures that changed: 0" in said


# -- commits and folders that are none, or stale ---------------------------------------------------


def refusal(base: str) -> str:
    with pytest.raises(InputError) as caught, diff.built(base, []) as folder:
        diff.compare(folder, Path("build"))
    return str(caught.value)


def test_a_base_that_is_none_is_refused(builds, monkeypatch):
    Path("empty").mkdir()
    Path("base/measurements/job.json").write_text('{"x": ')
    assert refusal("base").startswith("base/measurements/job.json: not a whole JSON file")
    assert refusal("empty").startswith("empty: holds no measurements")
    outside = "no folder, and no commit either: this report is outside a git repository"
    assert refusal("HEAD") == f"HEAD: {outside}"
    commit(Path(), "first")
    assert refusal("nowhere") == "nowhere: neither a folder nor a commit of this repository"
    git(Path(), "commit", "-q", "--allow-empty", "-m", "second")
    git(Path(), "clone", "-q", "--depth=1", f"file://{Path.cwd()}", "clone")
    monkeypatch.chdir("clone")
    shallow = "not in this clone, which is shallow; 'git fetch --unshallow' brings all commits"
    assert refusal("HEAD~1") == f"HEAD~1: {shallow}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_commit_of_another_owners_repository_is_refused_in_gits_words(in_folder, monkeypatch):
    Path("a").touch()
    commit(Path(), "first")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)  # no safe.directory
    for path in (in_folder, in_folder / ".git"):
        os.chown(path, 12345, 12345)
    assert (
        "this report is in a folder of which git says: fatal: detected dubious ownership"
        in refusal("HEAD")
    )


def test_a_stale_build_is_built_before_it_is_compared_with_a_commit(built, monkeypatch, capfd):
    monkeypatch.chdir(built)
    monkeypatch.setattr(marked, "write", lambda *builds: "no marked report")
    monkeypatch.setenv("PYTHONPATH", environment(built)["PYTHONPATH"])
    replace("config/default.yaml", "offset: 0", "offset: 2")(built)
    assert cli.main(["diff", "HEAD", "build/ledger.json"]) == 1
    said = capfd.readouterr().out
    assert "moved: 1\n  doubled.slope: " in said and "(change 2, allowed 0)" in said
    assert "  doubled: Twice the slope is " in said
    assert subprocess.check_output(["git", "worktree", "list"]).count(b"\n") == 1
    replace("analysis/doubled.py", "slope=2 * slope", "slope=2 * slop")(built)
    assert cli.main(["diff", "HEAD", "build/ledger.json"]) == 2
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "workings: this report does not build:"
    assert said[-1] == "NameError: name 'slop' is not defined"
