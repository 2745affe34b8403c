"""What each job last wrote, as sha256 sums: a file that was edited by hand or cut off is noticed.

Snakemake compares dates and what it recorded itself; a truncated or hand-edited intermediate would
flow on. A manifest `build/manifests/….json` maps each output of one run to its sum.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from analysis.pipeline.files import written_whole
from analysis.pipeline.store import sum_of

FOLDER = Path("build/manifests")


def place(first_output: str) -> Path:
    """The manifest of the run whose first output is this file."""
    return FOLDER / f"{first_output.replace('/', '-')}.json"


def write(sums: Mapping[str, str]) -> None:
    """Record the sum of each output, by its path."""
    with written_whole({"manifest": str(place(next(iter(sums))))}) as temporary:
        Path(temporary["manifest"]).write_text(json.dumps(dict(sums), indent=1), encoding="utf-8")


def damaged() -> list[Path]:
    """The files that are there but are not what the job wrote."""
    return [
        Path(path)
        for sums in _read()
        for path, digest in sums.items()
        if Path(path).is_file() and sum_of(path) != digest
    ]


def outputs() -> list[Path]:
    """Every file that some manifest lists."""
    return [Path(path) for sums in _read() for path in sums]


def _read() -> list[dict[str, str]]:
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        try:
            found.append(json.loads(file.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError):
            file.unlink()  # it says nothing any more
    return found
