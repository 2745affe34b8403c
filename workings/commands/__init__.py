"""The commands of `workings`, a module each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workings.messages import InputError


def hold_in_a_report() -> None:
    """Refuse a folder that is no report's, where there is nothing to build."""
    if not Path("Snakefile").is_file():
        above = [str(f) for f in Path.cwd().parents if (f / "Snakefile").is_file()][:1]
        hint = f", which may be {above[0]}" if above else ""
        raise InputError(f"Snakefile: not there; run this in the folder of a report{hint}")


def snakemake(options: list[str], folder: Path = Path()) -> tuple[int, str]:
    """Run Snakemake in the folder: its exit status, and all that it says."""
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", *options], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    return run.returncode, run.stdout
