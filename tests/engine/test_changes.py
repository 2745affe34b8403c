"""The table of changes: what each kind of change computes, restores and leaves alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .changing import (
    DAMAGES,
    both,
    check_out_again,
    commit,
    damage,
    remove,
    replace,
    touch_everything,
    under_its_old_date,
)
from .running import build, page, told
from .small import project

COUNTED, DOUBLED, FIRST, SECOND = "counted", "doubled", "section first", "section second"
ALL = {COUNTED, DOUBLED, FIRST, SECOND, "report"}
NOTHING: set[str] = set()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = project(tmp_path_factory.mktemp("small"))
    done = build(folder)
    assert done and done.computed == ALL, done.said
    return folder


@pytest.fixture
def built(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def upgrade(folder: Path) -> None:
    old = folder / "site/fakepackage-1.0.dist-info"
    old.rename(folder / "site/fakepackage-1.1.dist-info")
    replace("site/fakepackage-1.1.dist-info/METADATA", "1.0", "1.1")(folder)


GENERATED = [
    *("build/measurements/counted.json", "build/arrays/counted.txt"),
    *("build/sections/first.tex", "build/quotes/second.json", "report/report.pdf"),
]
OFFSET = replace("config/default.yaml", "offset: 0", "offset: 1")

# what changed: the change, the jobs that compute, those that are restored, words of the page
TABLE = {
    "a script": (replace("analysis/counted.py", "len(words)", "len(words) + 1"), ALL, NOTHING, ["counted(6)", "doubled(12)"]),
    "a helper two imports away": (replace("analysis/maths/far.py", "n * factor", "n * factor * 3"), ALL, NOTHING, ["counted(15)", "doubled(30)"]),
    "a helper that only another job imports": (replace("analysis/maths/other.py", "2 * n", "3 * n"), {DOUBLED, SECOND, "report"}, NOTHING, ["counted(5)", "doubled(15)"]),
    "a comment": (replace("analysis/counted.py", "# A comment.", "# Another comment."), NOTHING, NOTHING, ["counted(5)"]),
    "a docstring": (replace("analysis/doubled.py", "Double the count.", "Twice the count."), NOTHING, NOTHING, ["doubled(10)"]),
    "reformatting": (replace("analysis/maths/near.py", "(n, factor):", "(\n    n,\n    factor,\n):"), NOTHING, NOTHING, ["counted(5)"]),
    "a config value that is used": (OFFSET, {DOUBLED, SECOND, "report"}, NOTHING, ["doubled(11)"]),
    "a config value that is not used": (replace("config/default.yaml", "unused: 1", "unused: 2"), NOTHING, NOTHING, ["doubled(10)"]),
    "a partial": (replace("templates/partial.tex.j2", "said", "whispered"), {FIRST, "report"}, NOTHING, ["whispered"]),
    "a style file": (replace("report/workings.sty", "{hyperref}", "{hyperref}\\AtBeginDocument{Begun.}"), {"report"}, NOTHING, ["Begun."]),
    "a bibliography entry": (replace("report/references.bib", "On Words", "On Numbers"), {"report"}, NOTHING, ["On Numbers"]),
    "data under its old date": (under_its_old_date("words.txt", replace("words.txt", " five", "")), ALL, NOTHING, ["counted(4)", "doubled(8)"]),
    "all dates": (touch_everything, NOTHING, NOTHING, ["counted(5)"]),
    "a fresh checkout": (both(lambda folder: commit(folder, "all"), check_out_again), NOTHING, NOTHING, ["counted(5)"]),
    "a package upgrade": (upgrade, {DOUBLED}, {SECOND, "report"}, ["doubled(10)"]),
    "a refactored helper": (replace("analysis/maths/far.py", "n * factor", "factor * n"), {COUNTED}, {DOUBLED, FIRST, SECOND, "report"}, ["counted(5)"]),
    "deleted .snakemake": (remove(".snakemake"), NOTHING, ALL, ["counted(5)"]),
    "deleted .snakemake, and a value": (both(remove(".snakemake"), OFFSET), {DOUBLED, SECOND, "report"}, {COUNTED, FIRST}, ["doubled(11)"]),
    "deleted build": (remove("build"), NOTHING, NOTHING, ["counted(5)"]),
    "deleted build, and a value": (both(remove("build"), OFFSET), {DOUBLED, SECOND, "report"}, NOTHING, ["doubled(11)"]),
    "deleted build and .snakemake": (remove("build", ".snakemake"), NOTHING, ALL, ["counted(5)"]),
    "deleted store": (remove(".cache"), NOTHING, NOTHING, ["counted(5)"]),
}  # fmt: skip


@pytest.mark.parametrize("change", TABLE)
def test_a_change_runs_just_what_it_must(built, change):
    make, computed, restored, words = TABLE[change]
    make(built)
    done = build(built)
    assert done, done.said
    assert (done.computed, done.restored) == (computed, restored), done.said
    assert (told(done, "computed"), told(done, "restored")) == (computed, restored)
    text = page(built)
    for word in words:
        assert word in text
    assert "Nothing to be done" in build(built).said


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("name", GENERATED)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_result_comes_back(built, name, how, stored):
    if not stored and how == "deleted" and name != "report/report.pdf":
        pytest.skip("an intermediate that nothing needs is made again when something does")
    path = built / name
    right = path.read_bytes()
    damage(name, how)(built)
    if not stored:
        shutil.rmtree(built / ".cache")
    if how != "deleted":
        assert f"{name}: edited by hand, or cut off" in build(built, "-n").said
    done = build(built, name)
    assert done, done.said
    assert path.read_bytes() == right
    assert done.computed <= ({COUNTED, FIRST, SECOND, "report"} if not stored else NOTHING)


def test_a_reverted_change_is_restored(built):
    before = (built / "report/report.pdf").read_bytes()
    OFFSET(built)
    assert build(built).computed == {DOUBLED, SECOND, "report"}
    replace("config/default.yaml", "offset: 1", "offset: 0")(built)
    done = build(built)
    assert (done.computed, done.restored) == (NOTHING, {DOUBLED, SECOND, "report"})
    assert (built / "report/report.pdf").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("a helper two imports away", "code analysis/maths/far.py"),
        ("a config value that is used", "config doubled.offset = 1"),
        ("a package upgrade", "package fakepackage 1.1"),
        ("a partial", "templates/partial.tex.j2"),
        ("data under its old date", "words.txt"),
    ],
)
def test_a_dry_run_names_the_reason(built, change, words):
    TABLE[change][0](built)
    assert words in build(built, "-n").said


def test_a_failed_page_is_not_forgotten(built):
    """Also when the sections that it should have been made from are deleted meanwhile."""
    OFFSET(built)
    broken = replace("report/report.tex", "\\printbibliography", "\\unknowncommand")
    broken(built)
    assert not build(built)
    assert "doubled(10)" in page(built)
    shutil.rmtree(built / "build")
    replace("report/report.tex", "\\unknowncommand", "\\printbibliography")(built)
    assert build(built)
    assert "doubled(11)" in page(built)


def test_a_damaged_entry_of_the_store_is_computed_again(built):
    OFFSET(built)
    assert build(built)
    for entry in (built / ".cache/workings").glob("??/*/measurements"):
        entry.write_text("{}")
    replace("config/default.yaml", "offset: 1", "offset: 0")(built)
    done = build(built)
    assert done and DOUBLED in done.computed, done.said
    assert "is damaged; the job runs again" in done.said
    assert "doubled(10)" in page(built)


def test_two_checkouts_share_a_store(built, tmp_path):
    other = project(tmp_path / "other")
    shared = replace("config/default.yaml", ".cache/workings", str(tmp_path / "shared"))
    for folder in (built, other):
        shared(folder)
    shutil.rmtree(built / "build")
    shutil.rmtree(built / ".snakemake")
    assert build(built).computed == ALL
    done = build(other)
    assert (done.computed, done.restored) == (NOTHING, ALL), done.said
    assert (other / "report/report.pdf").read_bytes() == (built / "report/report.pdf").read_bytes()
