"""What jobs and the Snakefile tell the terminal: what was done, and what went wrong.

Apart from the messages that a job's own code raises and prints: a change here runs no job again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import textwrap
import traceback
from pathlib import Path

SHARED = Path(".snakemake/workings")
WIDTH = 240  # characters of a line: what is longer is broken
LINES = 16  # of an error; of a longer one the first and the last
FRAMES = 5  # of a traceback that are shown


class Notes:
    """A folder with a file of each job's, named to the jobs by WORKINGS_NOTES."""

    def __init__(self) -> None:
        os.environ["WORKINGS_NOTES"] = ""
        with contextlib.suppress(OSError):  # no room: then jobs say it themselves
            os.environ["WORKINGS_NOTES"] = tempfile.mkdtemp(prefix="workings-")

    @property
    def folder(self) -> Path:
        return Path(os.environ["WORKINGS_NOTES"])

    def by_output(self, kind: str) -> dict[str, str]:
        """The texts of one kind, by the first output of the job that noted them."""
        found = {}
        files = self.folder.glob("*.jsonl") if self.folder.name else ()
        for file in sorted(files, key=lambda file: file.stat().st_mtime_ns):
            for line in file.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):  # cut off, where the disk was full
                    of, output, text = json.loads(line)
                    found |= {output: text} if of == kind else {}
        return found

    def remove(self) -> None:
        if self.folder.name:
            shutil.rmtree(self.folder, ignore_errors=True)


def share() -> None:
    """Move the folder beside the report, where jobs on other machines reach it."""
    if before := os.environ.get("WORKINGS_NOTES"):
        SHARED.mkdir(parents=True, exist_ok=True)
        for left in SHARED.glob("notes-*"):  # by a build that was killed
            shutil.rmtree(left, ignore_errors=True)
        os.environ["WORKINGS_NOTES"] = tempfile.mkdtemp(prefix="notes-", dir=SHARED.resolve())
        shutil.rmtree(before, ignore_errors=True)


def note(kind: str, output: str, text: str) -> bool:
    """Tell the terminal; whether there's one that listens."""
    try:
        # Where there is no folder, the terminal has ended.
        name = f"{socket.gethostname()}-{os.getpid()}.jsonl"
        with open(Path(os.environ["WORKINGS_NOTES"], name), "a", encoding="utf-8") as file:
            file.write(json.dumps([kind, output, text]) + "\n")
    except (KeyError, OSError):  # the disk may be full
        return False
    return True


def of_exception(error: BaseException | None, job: str) -> str:
    """An exception that nobody expected: the last lines of the report and the engine, and its words.

    Below it, each that it was raised from.
    """
    lines = [f"workings: the job '{job}' stopped with an exception"]
    while error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_own(Path(f.filename))]
        lines += [
            f"  {os.path.relpath(frame.filename)}:{frame.lineno}, in {frame.name}: {frame.line}"
            for frame in frames[-FRAMES:]
        ]
        lines += "".join(traceback.format_exception_only(error)).splitlines()
        error = error.__cause__
        if error and not error.__traceback__:  # of another process, which said it in the same words
            break
        lines += ["raised from"] if error else []
    return "\n".join(lines)


def block(error: str) -> str:
    """An error in lines that are not too long, of which nothing is lost, and not too many."""
    broken = (textwrap.wrap(line, WIDTH, subsequent_indent="    ") for line in error.splitlines())
    lines = [part for line in broken for part in line]
    if left := max(0, len(lines) - LINES):
        half = LINES // 2
        lines[half:-half] = [f"  … and {left} lines more …"]
    return "\n".join(lines)


def _is_own(file: Path) -> bool:
    """Whether it is of the report or the engine, but not of what only runs a job or is installed."""
    engine = Path(__file__).parent
    if file.is_relative_to(engine):
        return file != engine / "job.py"
    return file.is_relative_to(Path.cwd()) and "site-packages" not in file.parts
