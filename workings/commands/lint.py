"""`make lint`: everything that a careful editor would stop at, file:line each.

Reads what the last build left in build/ where there is such; without it, the templates alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from workings.measurements import read
from workings.messages import InputError
from workings.page import lint
from workings.workflow import JOBS, templates

BUILD = Path("build")


def findings(build: Path = BUILD) -> tuple[list[lint.Finding], list[str]]:
    """The findings, and the notes on what could not be looked at."""
    files = templates()
    found = lint.of_templates(files)
    measured = {job: build / f"measurements/{job}.json" for job in JOBS}
    missing = [job for job, path in measured.items() if not path.exists()]
    quotes = {path.stem: read(path) for path in sorted((build / "quotes").glob("*.json"))}
    notes = []
    if missing or not quotes:
        notes.append("without a finished build: roundings and unquoted measurements not looked at")
    else:
        found += lint.of_values(quotes, {job: read(path) for job, path in measured.items()}, files)
    return found, notes


def main() -> int:
    try:
        found, notes = findings()
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    for line in [*map(str, found), *(f"workings: {note}" for note in notes)]:
        print(line)
    print(f"workings: {len(found)} to mend" if found else "workings: nothing to mend")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
