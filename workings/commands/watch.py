"""Rebuild whenever a source file is saved.

What follows goes to snakemake; without it, all cores are used. One line says what was rebuilt and how
long it took; an error is shown with its file and line, and the last good report stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from pathlib import Path

from workings import terminal
from workings.commands import hold_in_a_report, snakemake

SOURCES = ("Snakefile", "config", "analysis", "templates", "report", "profiles", "data", "workings")
PAUSE = 0.3  # seconds between two looks


def seen() -> dict[str, tuple[int, int]]:
    """The date and size of every source file, by its path."""
    found = {}
    for source in map(Path, SOURCES):
        for path in [source] if source.is_file() else source.rglob("*"):
            if path.is_file() and path.suffix not in (".pdf", ".pyc") and path.name[0] != ".":
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    status = path.stat()
                    found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


def build(options: list[str]) -> str:
    """Run Snakemake; what a person wants to know of it, mostly one line."""
    started = time.monotonic()
    return told(*snakemake(options), time.monotonic() - started)


def told(status: int, output: str, seconds: float) -> str:
    """The line, or the lines of an error, in the output of a build."""
    if status != 0:
        return terminal.cause(output).removeprefix("workings: ")
    own = [line for line in output.splitlines() if line.startswith("workings: ")]
    done = own[-1].removeprefix("workings: ") if own else "nothing to rebuild"
    return f"{done} [{seconds:.1f} s]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(options=[])  # what else is given goes to snakemake


def run(given: argparse.Namespace) -> int:
    hold_in_a_report()
    options = given.options or ["--cores", str(os.cpu_count() or 1)]
    print("workings: watching; Control-C ends it", flush=True)
    before: dict = {}
    try:
        while True:
            if (now := seen()) != before:
                before = now
                print(f"{time.strftime('%H:%M:%S')} {build(options)}", flush=True)
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        return 0
