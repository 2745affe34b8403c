"""Run Snakemake in the folder of a report, and see what it did."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workings.build.store import OWN, key

ROOT = Path(__file__).parents[2]
# A report that has this file is built with it, as if it were typed: `--configfile tiny.yaml`.
CONFIG = "tiny.yaml"


@dataclass(frozen=True)
class Build:
    """What one run of Snakemake did and said.

    Args:
        computed: the jobs that ran to their end and were not restored.
        restored: the jobs that ran, and whose results the store had before.
    """

    status: int
    said: str
    computed: frozenset[str]
    restored: frozenset[str]

    def __bool__(self) -> bool:
        return self.status == 0


def command(folder: Path, *arguments: str, cores: int = 2, config: Sequence[str] = ()) -> list[str]:
    """`snakemake --cores N`, with the report's configuration file and those in `config` over it."""
    files = [name for name in (CONFIG, *config) if (folder / name).exists()]
    given = ["--configfile", *files] if files else []
    return [sys.executable, "-m", "snakemake", *arguments, "--cores", str(cores), *given]


def environment(folder: Path) -> dict[str, str]:
    """With packages of the report's own in site/, then this engine, before those installed."""
    return os.environ | {"PYTHONPATH": f"{folder / 'site'}{os.pathsep}{ROOT}"}


def build(
    folder: Path,
    *arguments: str,
    cores: int = 2,
    config: Sequence[str] = (),
    path: str | None = None,
    store: Path | None = None,
) -> Build:
    """Run the command that a person types in the folder.

    Args:
        path: where programs are looked for.
        store: the store of the report, where that is not in its folder.
    """
    before, kept = _runs(folder), _kept(store or folder / ".cache/workings")
    ran = subprocess.run(
        command(folder, *arguments, cores=cores, config=config),
        cwd=folder,
        env=environment(folder) | ({"PATH": path} if path is not None else {}),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    after = _runs(folder)
    ended = {job: run[0] for job, run in after.items() if before.get(job) != run}
    restored = frozenset(job for job, place in ended.items() if place in kept)
    return Build(ran.returncode, ran.stdout, frozenset(ended) - restored, restored)


def _runs(folder: Path) -> dict[str, tuple[str, int, int]]:
    """The key of each job's last run, and a mark: whenever one ends, its manifest is another file."""
    found = {}
    for file in (folder / ".snakemake/workings").glob("*.json"):
        manifest = json.loads(file.read_text(encoding="utf-8"))
        path = Path(next(iter(manifest["paths"].values())))
        label = f"section {path.stem}" if "quotes" in manifest["paths"] else path.stem
        label = f"{path.parts[2]}_part {path.stem}" if path.parts[1] == "parts" else label
        label = "page" if path.suffix == ".html" else label
        if path.parts[1] == "seeds":
            label = f"seed_{label} {path.parts[2]}"
        found[label] = (
            key(manifest["plan"], manifest["inputs"]),
            file.stat().st_ino,
            file.stat().st_mtime_ns,
        )
    return found


def _kept(store: Path) -> set[str]:
    """The keys of the store's entries."""
    return {entry.parent.name + entry.name for entry in store.glob(f"{OWN}/??/*")}


def told(build: Build, kind: str) -> frozenset[str]:
    """The jobs that the last line of a short build names as computed, or as restored."""
    found = re.search(rf"^workings: .*\b{kind}: ([^;)]*)", build.said, flags=re.MULTILINE)
    return frozenset(found[1].split(", ") if found else [])


def page(folder: Path) -> str:
    """The text of the report."""
    return subprocess.run(
        ["pdftotext", "report/report.pdf", "-"], cwd=folder, capture_output=True, text=True
    ).stdout


def plain(text: str) -> str:
    """Letters without the spaces and line ends that a PDF puts between them."""
    return re.sub(r"\s+", "", text)
