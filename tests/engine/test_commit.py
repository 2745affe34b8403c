"""What a build was made from: the commit, and what differs from it in substance."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from pathlib import Path

import pytest

from workings.build import commit, fingerprint
from workings.commands import diff, reproduce
from workings.messages import InputError
from workings.page.ledger import Sources

from .changing import commit as commit_all
from .changing import git

CODE = 'A = 1\n\n\ndef main():\n    """Say it."""\n    return {"key": A}\n'
SCRIPT = "analysis/job.py"


@pytest.fixture
def repository(in_folder) -> Path:
    folder = in_folder / "project"
    (folder / "analysis").mkdir(parents=True)
    (folder / SCRIPT).write_text(CODE)
    (folder / "Snakefile").write_text("rule all:\n")
    (folder / "notes.txt").write_text("x\n")
    commit_all(folder, "first")
    return folder


def read(folder: Path) -> dict:
    """As in a build of its own."""
    fingerprint._parsed.cache_clear()
    return commit.read(folder)


def test_a_clean_folder_has_its_commit_with_its_day_and_nothing_changed(repository):
    sha, date = git(repository, "log", "-1", "--format=%H %cs").split()
    assert read(repository) == {"sha": sha, "date": date, "changed": [], "why": ""}


def test_what_does_not_count_changes_nothing(repository):
    (repository / "notes.txt").write_text("y\n")
    (repository / "more.txt").write_text("y\n")
    (repository / SCRIPT).write_text("# a comment\n\n" + CODE.replace("Say it", "Go"))
    os.utime(repository / "Snakefile")
    assert read(repository)["changed"] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (SCRIPT, CODE.replace("A = 1", "A = 2")),
        (SCRIPT, "A = (\n"),
        ("analysis/new.py", "B = 1\n"),
        ("workings/new.py", "B = 1\n"),
        ("Snakefile", "# a comment\nrule all:\n"),
    ],
)
def test_what_counts_is_named_with_its_content(repository, path, text):
    (repository / path).parent.mkdir(exist_ok=True)
    (repository / path).write_text(text)
    (entry,) = read(repository)["changed"]
    assert entry.startswith(f"{path} ")
    (repository / path).write_text(text + "# more\n")
    assert read(repository)["changed"] != [entry]


def test_a_deleted_and_a_staged_file_are_named(repository):
    (repository / SCRIPT).unlink()
    (repository / "analysis/ünï.py").write_text("B = 1\n")
    git(repository, "add", ".")
    first, second = read(repository)["changed"]
    assert first == f"{SCRIPT} deleted" and second.startswith("analysis/ünï.py ")


SAYS = "in a folder of which git says: fatal: "
NO_COMMIT = {
    "outside": (lambda folder: shutil.rmtree(folder / ".git"), "outside a git repository"),
    "someone else's": (
        lambda folder: (shutil.rmtree(folder / ".git"), commit_all(folder.parent, "all")),
        "outside a git repository of its own",
    ),
    "no commit yet": (
        lambda folder: (shutil.rmtree(folder / ".git"), git(folder, "init", "-q", "-b", "main")),
        SAYS + "your current branch 'main' does not have any commits yet",
    ),
    "a broken HEAD": (
        lambda folder: (folder / ".git/HEAD").write_text("x"),
        SAYS + "not a git repository (or any of the parent directories): .git",
    ),
    "a broken index": (
        lambda folder: (folder / ".git/index").write_text("x"),
        SAYS + ".git/index: index file smaller than expected",
    ),
    "lost objects": (lambda folder: shutil.rmtree(folder / ".git/objects/"), SAYS + "not a git"),
}


@pytest.mark.parametrize("how", NO_COMMIT)
def test_where_there_is_no_commit_to_name_the_reason_is_told(repository, how, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")  # the words are the same in every language
    make, why = NO_COMMIT[how]
    make(repository)
    found = read(repository)
    assert found.pop("why").startswith(why) and not any(found.values())
    monkeypatch.chdir(repository)
    given = argparse.Namespace(base="HEAD", options=[], against=None, config=[])
    for command in (diff, reproduce):
        with pytest.raises(InputError, match=re.escape(f"this report is {why}")):
            command.run(given)
    monkeypatch.setenv("PATH", str(repository))
    assert read(repository)["why"] == "without git"


def test_a_name_that_is_no_text_is_told_as_far_as_it_is(repository):
    Path(os.fsdecode(bytes(repository) + b"/analysis/\xe4.csv")).write_text("1")
    (entry,) = read(repository)["changed"]
    assert entry.startswith("analysis/\ufffd.csv ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_another_owner_is_refused_in_gits_words(repository, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)  # no safe.directory
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    why = "in a folder of which git says: fatal: detected dubious ownership in repository"
    assert read(repository)["why"] == why


def test_a_text_is_that_of_the_commit_while_the_code_is_the_same(repository, monkeypatch):
    monkeypatch.chdir(repository)

    def text() -> str:
        return Sources(read(Path()), None).text(SCRIPT)

    Path(SCRIPT).write_text("# a comment\n\n" + CODE)
    assert text() == CODE
    Path(SCRIPT).write_text("# a comment\n\n" + CODE + "B = 2\n")
    assert text() == "# a comment\n\n" + CODE + "B = 2\n"  # another: as in the folder


def test_a_file_that_the_commit_lacks_has_no_text_there(repository):
    sha = read(repository)["sha"]
    assert commit.text(sha, SCRIPT, repository) == CODE
    assert commit.text(sha, "analysis/none.py", repository) is None
    assert commit.text("", SCRIPT, repository) is None
