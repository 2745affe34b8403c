"""What a person reads: the one error that is meant for them, a line, a progress bar."""

from __future__ import annotations

import atexit
import contextlib
import difflib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
FRAMES = 8  # of a traceback that are shown
PAUSE = 10.0  # seconds between two lines in a log
GLANCE = 0.25  # and between two looks of the bar


class InputError(Exception):
    """Something that the user can mend: a config value, a data file, a template, the machine.

    The message says what is wrong and what would be right. `key` is the dotted config key
    (``lengths.bin``), when there is one; the runner adds the file and line it stands in.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """“did you mean 'x'? ” with the nearest of the known names, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def track(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items`, telling now and then how far it is."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    of = f" of {total}" if total else ""
    start = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= (GLANCE if _has_bar() else PAUSE):
            told = now
            tell(f"{what}: {done}{of}, {now - start:.0f} s")
    if _has_bar():
        _progress_file().unlink(missing_ok=True)


def tell(text: str) -> None:
    """How far this job is: beside the bar on a terminal, else a line of its own."""
    if _has_bar():
        with contextlib.suppress(OSError):
            _progress_file().write_text(text, encoding="utf-8")
    else:
        say(text)


def _has_bar() -> bool:
    return sys.stderr.isatty() and "WORKINGS_NOTES" in os.environ


@cache
def _progress_file() -> Path:
    file = Path(os.environ["WORKINGS_NOTES"], f"progress-{os.getpid()}")
    atexit.register(file.unlink, missing_ok=True)
    return file


class Notes:
    """What jobs and the Snakefile tell the terminal: a folder, named to them by WORKINGS_NOTES."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="workings-"))
        os.environ["WORKINGS_NOTES"] = str(self.folder)

    def by_output(self, kind: str) -> dict[str, str]:
        """The texts of one kind, by the first output of the job that noted them."""
        file = self.folder / "notes"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return {output: text for noted, output, text in map(json.loads, lines) if noted == kind}

    def of(self, kind: str) -> list[str]:
        return list(self.by_output(kind).values())

    def progress(self) -> list[str]:
        """How far the running jobs are."""
        found = []
        for file in self.folder.glob("progress-*"):
            try:
                found.append(file.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
        return found

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def note(kind: str, output: str, text: str) -> bool:
    """Tell the terminal; whether there's one that listens."""
    try:
        with Path(os.environ["WORKINGS_NOTES"], "notes").open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, output, text]) + "\n")
    except (KeyError, OSError):  # the terminal has ended, or the disk is full
        return False
    return True


def of_exception(error: BaseException, job: str) -> str:
    """An exception that nobody expected: the last lines of the report and the engine, and its words."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_own(Path(f.filename))]
    shown = [
        f"  {os.path.relpath(frame.filename)}:{frame.lineno}, in {frame.name}: {frame.line}"
        for frame in frames[-FRAMES:]
    ]
    words = "".join(traceback.format_exception_only(error)).splitlines()
    return "\n".join([f"workings: the job '{job}' stopped with an exception", *shown, *words[:10]])


def _is_own(file: Path) -> bool:
    """Whether it is of the report or the engine, but not of what only runs a job or is installed."""
    engine = Path(__file__).parent
    if file.is_relative_to(engine):
        return file != engine / "job.py"
    return file.is_relative_to(Path.cwd()) and "site-packages" not in file.parts


def say(text: str) -> None:
    """One line for the person who watches the build."""
    # One write for the line and its end: jobs side by side share the stream, and print() makes two.
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
