"""Changes of a report's folder, as a person makes them; each is a function of the folder."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .running import ROOT

Change = Callable[[Path], None]
DAMAGES = ("deleted", "truncated", "edited")


def replace(name: str, old: str, new: str) -> Change:
    """Other words in a file."""

    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def append(name: str, text: str) -> Change:
    """More at the end of a file."""

    def change(folder: Path) -> None:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    return change


def remove(*names: str) -> Change:
    """Files and folders deleted."""

    def change(folder: Path) -> None:
        for name in names:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def of_the_engine(make: Change) -> Change:
    """A change of a copy of the engine, which the report is built with from then on."""

    def change(folder: Path) -> None:
        copy, generated = folder / "site/workings", shutil.ignore_patterns("__pycache__")
        if not copy.exists():
            shutil.copytree(ROOT / "workings", copy, ignore=generated)
        make(folder / "site")

    return change


def upgrade(package: str) -> Change:
    """Another version of the package is imported first; what it does is the same."""

    def change(folder: Path) -> None:
        installed = importlib.metadata.distribution(package)
        new = folder / f"site/{package}-999.dist-info"
        shutil.copytree(installed.locate_file(f"{package}-{installed.version}.dist-info"), new)
        for name in (package, f"{package}.libs"):
            (folder / "site" / name).symlink_to(installed.locate_file(name))
        version = f"\nVersion: {installed.version}\n"
        replace("METADATA", version, "\nVersion: 999\n")(new)

    return change


def reformat(folder: Path) -> None:
    """All code, in much shorter lines."""
    command = [sys.executable, "-m", "ruff", "format", "-q", "--line-length", "60", "analysis"]
    subprocess.run(command, cwd=folder, check=True)
    assert git(folder, "diff", "--stat", "--", "analysis")


def under_its_old_date(name: str, make: Change) -> Change:
    """A change of the file that its date does not tell."""

    def change(folder: Path) -> None:
        dates = (folder / name).stat()
        make(folder)
        os.utime(folder / name, ns=(dates.st_atime_ns, dates.st_mtime_ns))

    return change


def damage(name: str, how: str) -> Change:
    """A result that is not what its job wrote; where it is still there, under its old date."""

    def change(folder: Path) -> None:
        path = folder / name
        if how == "deleted":
            path.unlink()
            return
        right = path.read_bytes()
        wrong = right[: len(right) // 2] if how == "truncated" else right.replace(b"1", b"2") + b" "
        under_its_old_date(name, lambda _: path.write_bytes(wrong))(folder)

    return change


def touch_everything(folder: Path) -> None:
    """New dates for all files, sources and results."""
    for path in folder.rglob("*"):
        if path.is_file() and not {".snakemake", ".git"} & set(path.parts):
            os.utime(path)


def git(folder: Path, *arguments: str) -> str:
    """What git says in the folder, as somebody whom it knows."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def commit(folder: Path, message: str) -> None:
    """Everything that is not ignored, committed; in a new repository where there is none."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def check_out_again(folder: Path) -> None:
    """All files of the commit deleted, and written anew by git: the same bytes, with new dates.

    Also where git was told to give text files the line ends of Windows.
    """
    for name in git(folder, "ls-files", "-z").split("\0"):
        (folder / name).unlink() if name else None
    git(folder, "-c", "core.autocrlf=true", "checkout", "-q", "--", ".")
