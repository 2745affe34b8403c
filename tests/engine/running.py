"""Run Snakemake in a copy of a project, and see what it did."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A project that has this file is built with it, as if it were typed: `--configfile tiny.yaml`.
CONFIG = "tiny.yaml"


@dataclass(frozen=True)
class Build:
    """What one run of Snakemake did and said.

    Args:
        computed: the jobs that ran to their end and were not restored.
        restored: the jobs that ran, and took their results from the store.
    """

    status: int
    said: str
    computed: frozenset[str]
    restored: frozenset[str]

    def __bool__(self) -> bool:
        return self.status == 0


def command(folder: Path, *arguments: str, cores: int = 2, config: Sequence[str] = ()) -> list[str]:
    """`snakemake --cores N`, with the project's configuration file and those in `config` over it."""
    files = [name for name in (CONFIG, *config) if (folder / name).exists()]
    given = ["--configfile", *files] if files else []
    return [sys.executable, "-m", "snakemake", *arguments, "--cores", str(cores), *given]


def environment(folder: Path) -> dict[str, str]:
    """With packages of the project's own, which come before those that are installed."""
    return os.environ | {"PYTHONPATH": str(folder / "site")}


def build(
    folder: Path,
    *arguments: str,
    cores: int = 2,
    config: Sequence[str] = (),
    path: str | None = None,
) -> Build:
    """Run the command that a person types in the folder; `path` is where programs are looked for."""
    before = _runs(folder)
    ran = subprocess.run(
        command(folder, *arguments, cores=cores, config=config),
        cwd=folder,
        env=environment(folder) | ({"PATH": path} if path is not None else {}),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    ended = {job for job, run in _runs(folder).items() if before.get(job) != run}
    # Anywhere in a line: Snakemake writes the ends of its own lines apart, so a job may come between.
    restored = frozenset(re.findall(r"workings: ([\w ]+): restored from the store\n", ran.stdout))
    return Build(ran.returncode, ran.stdout, frozenset(ended - restored), restored)


def _runs(folder: Path) -> dict[str, tuple[int, int]]:
    """A mark of each job's last run: whenever one ends, its manifest is another file."""
    found = {}
    for file in (folder / ".snakemake/workings").glob("*.json"):
        paths = json.loads(file.read_text(encoding="utf-8"))["paths"]
        job = Path(next(iter(paths.values()))).stem
        label = f"section {job}" if "quotes" in paths else job
        found[label] = (file.stat().st_ino, file.stat().st_mtime_ns)
    return found


def told(build: Build, kind: str) -> frozenset[str]:
    """The jobs that the last line of a short build names as computed, or as restored."""
    found = re.search(rf"^workings: .*\b{kind}: ([^;)]*)", build.said, flags=re.MULTILINE)
    return frozenset(found[1].split(", ") if found else [])


def planned(folder: Path, config: Sequence[str] = ()) -> set[str]:
    """The rules that a dry run names."""
    output = build(folder, "-n", config=config).said
    stats = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, flags=re.MULTILINE | re.DOTALL)
    return {line.split()[0] for line in stats[1].splitlines() if line} if stats else set()


def page(folder: Path) -> str:
    """The text of the report."""
    return subprocess.run(
        ["pdftotext", "report/report.pdf", "-"], cwd=folder, capture_output=True, text=True
    ).stdout


def plain(text: str) -> str:
    """Letters without the spaces and line ends that a PDF puts between them."""
    return re.sub(r"\s+", "", text)
