"""Say what a careful editor would stop at, file:line each.

Reads what the last build left in build/ where there is such; without it, the templates alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from workings import config as configuration
from workings.commands import hold_in_a_report
from workings.measurements import read
from workings.page import document, ledger, lint, template


def findings() -> tuple[list[lint.Finding], list[str]]:
    """The findings, and the notes on what could not be looked at.

    Raises:
        InputError: a template cannot be read.
    """
    shell = document.read(Path("report/report.tex"))
    names = [f"sections/{name}.tex.j2" for name in shell.sections if name != "ledger"]
    files = [Path(f) for f in dict.fromkeys(f for name in names for f in template.partials(name))]
    engine = configuration.load().values["report"]["engine"]
    found = lint.of_templates(files, shell.references, shell.biber, engine)
    quotes = {path.stem: read(path, list) for path in sorted(Path("build/quotes").glob("*.json"))}
    jobs = {job for name in names for job in template.needs(name).jobs} - {"seeds"}
    measured = {job: Path(f"build/measurements/{job}.json") for job in jobs}
    if not quotes or not all(path.exists() for path in measured.values()):
        return found, ["without a finished build: roundings and what is not printed not looked at"]
    values = {job: read(path) for job, path in measured.items()}
    return found + lint.of_values(quotes, values, files, ledger.recorded_at), []


def add_arguments(parser: argparse.ArgumentParser) -> None: ...


def run(given: argparse.Namespace) -> int:
    hold_in_a_report()
    found, notes = findings()
    for line in [*map(str, found), *(f"workings: {note}" for note in notes)]:
        print(line)
    print(f"workings: {len(found)} to mend" if found else "workings: nothing to mend")
    return 1 if found else 0
