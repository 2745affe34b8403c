"""The commands of `workings`, a module each."""

from __future__ import annotations

from pathlib import Path

from workings.messages import InputError


def hold_in_a_report() -> None:
    """Refuse a folder that is no report's, where there is nothing to build."""
    if not Path("Snakefile").is_file():
        raise InputError("Snakefile: not there; run this in the folder of a report")
