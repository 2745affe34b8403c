"""What jobs and the Snakefile tell the terminal: what was done, and what went wrong.

Apart from the messages that a job's own code raises and prints: a change here runs no job again.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import traceback
from pathlib import Path

FRAMES = 8  # of a traceback that are shown


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
