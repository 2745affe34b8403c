"""What a build was made from: the commit, and what differs from it in substance."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from workings.build import commit, fingerprint
from workings.page.ledger import Sources

CODE = 'A = 1\n\n\ndef main():\n    """Say it."""\n    return {"key": A}\n'


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    folder = tmp_path / "project"
    (folder / "analysis").mkdir(parents=True)
    (folder / "workings/job.py").write_text(CODE)
    (folder / "Snakefile").write_text("rule all:\n")
    (folder / "notes.txt").write_text("x\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_a_clean_folder_has_its_commit_and_nothing_changed(repository):
    assert commit.read(repository) == {"sha": git(repository, "rev-parse", "HEAD"), "changed": []}


def test_what_does_not_count_changes_nothing(repository):
    (repository / "notes.txt").write_text("y\n")
    (repository / "more.txt").write_text("y\n")
    (repository / "workings/job.py").write_text("# a comment\n\n" + CODE.replace("Say it", "Go"))
    os.utime(repository / "Snakefile")
    assert commit.read(repository)["changed"] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("workings/job.py", CODE.replace("A = 1", "A = 2")),
        ("workings/job.py", "A = (\n"),
        ("analysis/new.py", "B = 1\n"),
        ("Snakefile", "# a comment\nrule all:\n"),
    ],
)
def test_what_counts_is_named_with_its_content(repository, path, text):
    (repository / path).write_text(text)
    (entry,) = commit.read(repository)["changed"]
    assert entry.startswith(f"{path} ")
    (repository / path).write_text(text + "# more\n")
    assert commit.read(repository)["changed"] != [entry]


def test_a_deleted_and_a_staged_file_are_named(repository):
    (repository / "workings/job.py").unlink()
    (repository / "analysis/ünï.py").write_text("B = 1\n")
    git(repository, "add", ".")
    first, second = commit.read(repository)["changed"]
    assert first == "workings/job.py deleted" and second.startswith("analysis/ünï.py ")


def test_outside_a_repository_and_without_git_there_is_no_commit(tmp_path, repository, monkeypatch):
    nothing = {"sha": "", "changed": []}
    assert commit.read(tmp_path) == nothing
    assert commit.read(repository / "analysis") == nothing  # a folder of someone else's repository
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit.read(repository) == nothing


def test_lines_are_those_of_the_commit_while_the_code_is_the_same(repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.setattr("workings.page.ledger.measuring_code", lambda job: [f"analysis/{job}.py"])
    script = Path("workings/job.py")

    def line() -> int:
        fingerprint._read.cache_clear()  # as in a build of its own
        return Sources(commit.read(), ["workings/job.py"]).recorded_at("job", "key")[1]

    assert line() == 6
    script.write_text("# a comment\n\n" + CODE)
    assert line() == 6  # as in the commit
    script.write_text("# a comment\n\n" + CODE + "B = 2\n")
    assert line() == 8  # the code is another: as in the folder


def test_files_that_the_commit_lacks_are_left_out(repository):
    sha = git(repository, "rev-parse", "HEAD")
    texts = commit.texts(sha, ["analysis/none.py", "workings/job.py"], repository)
    assert texts == {"workings/job.py": CODE}
    assert commit.texts("", ["workings/job.py"], repository) == {}
