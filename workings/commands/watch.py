"""Rebuild whenever a source file is saved: `python -m workings.commands.watch [OPTIONS…]`.

The options go to Snakemake. One line says what was rebuilt and how long it took; an error is shown
with its file and line, and the last good report stays as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SOURCES = ("Snakefile", "config", "analysis", "templates", "report", "profiles")
PAUSE = 0.3  # seconds between two looks


def seen() -> dict[str, tuple[int, int]]:
    """The date and size of every source file, by its path."""
    found = {}
    for source in map(Path, SOURCES):
        for path in [source] if source.is_file() else source.rglob("*"):
            if path.is_file() and path.suffix not in (".pdf", ".pyc") and path.name[0] != ".":
                status = path.stat()
                found[str(path)] = (status.st_mtime_ns, status.st_size)
    return found


def build(options: list[str]) -> str:
    """Run Snakemake; what a person wants to know of it, mostly one line."""
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "snakemake", *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return told(ran.returncode, ran.stdout, time.monotonic() - started)


def told(status: int, output: str, seconds: float) -> str:
    """The line, or the lines of an error, in the output of a build."""
    lines = output.splitlines()
    own = [line.removeprefix("workings: ") for line in lines if line.startswith("workings: ")]
    if status == 0:
        last = own[-1] if own and "Nothing to be done" not in output else "nothing to rebuild"
        return f"{last} [{seconds:.1f} s]"
    wrong = [line for line in own if not line.endswith("restored from the store")]
    # What is refused before any job runs stands below Snakemake's own heading.
    heading = [i for i, line in enumerate(lines) if line.startswith("WorkflowError in file")]
    if not wrong and heading:
        wrong = [line for line in lines[heading[0] + 1 :] if line.strip()]
    return "\n".join(dict.fromkeys(wrong or lines[-15:]))


def main() -> int:
    options = sys.argv[1:] or ["--cores", str(os.cpu_count() or 1)]
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


if __name__ == "__main__":
    sys.exit(main())
