"""Build the last commit three times, each in a folder of its own, and compare every byte.

Once on one core and an empty store, once on four cores and an empty store, and once on four cores
with the store of the first. Prints the sha256 of the report and of all results; where two differ,
the first that differs, and which measurements moved by how much. `--against` names the build/
folder of another machine to compare with: on another type of processor a library may round
otherwise. What follows goes to snakemake.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workings.build.store import sum_of
from workings.commands import hold_in_a_report

# Folders of build/ that hold no results, but working files of TeX and what was downloaded.
WORKING = ("latex", "downloads", "diff")


def results(folder: Path) -> dict[str, str]:
    """The sha256 of each result below build/ and of the report, by its path."""
    files = [
        path
        for path in sorted((folder / "build").rglob("*"))
        if path.relative_to(folder).parts[1] not in WORKING and not path.name.startswith(".")
    ]
    files += [folder / "report/report.pdf", folder / "report/report.html"]
    return {str(file.relative_to(folder)): sum_of(file) for file in files if file.is_file()}


def differing(one: dict[str, str], other: dict[str, str], made: Mapping[str, float]) -> list[str]:
    """The paths that differ or that one of them lacks, in the order in which they were made."""
    paths = [path for path in one | other if one.get(path) != other.get(path)]
    return sorted(paths, key=lambda path: (made.get(path, float("inf")), path))


def moved(one: Any, other: Any, key: str = "") -> Iterator[str]:
    """Which values of two measurements differ, and by how much."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(k, one.get(k), other.get(k)) for k in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(i), *values) for i, values in enumerate(zip(one, other, strict=True))]
    else:
        if one != other:
            by = ""
            if isinstance(one, int | float) and isinstance(other, int | float):
                by = f", by {abs(one - other):.1e}"
            yield f"{key}: {one!r:.40} and {other!r:.40}{by}"
        return
    for name, a, b in pairs:
        yield from moved(a, b, f"{key}.{name}".lstrip("."))


def tell(one: Path, other: Path, names: tuple[str, str]) -> bool:
    """Print how two built folders differ; whether they are the same."""
    dates = {path: (one / path).stat().st_mtime for path in results(one)}
    paths = differing(results(one), results(other), dates)
    if not paths:
        print(f"{names[0]} and {names[1]}: the same bytes")
        return True
    print(f"{names[0]} and {names[1]}: {len(paths)} results differ, first {paths[0]}")
    for path in paths:
        files = [folder / path for folder in (one, other)]
        if path.startswith("build/measurements/") and all(file.exists() for file in files):
            values = [json.loads(file.read_text(encoding="utf-8")) for file in files]
            for line in list(moved(*values, Path(path).stem))[:20]:
                print(f"  {line}")
        else:
            print(f"  {path}")
    return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", type=Path, metavar="BUILD", help="build/ of another machine")
    parser.set_defaults(options=[])  # what else is given goes to snakemake


def run(given: argparse.Namespace) -> int:
    hold_in_a_report()
    with tempfile.TemporaryDirectory(prefix="workings-") as temporary:
        place = Path(temporary)
        builds = {
            "1 core, empty store": (_clone(place / "one"), 1, place / "store-one"),
            "4 cores, empty store": (_clone(place / "four"), 4, place / "store-four"),
            "4 cores, warm store": (_clone(place / "warm"), 4, place / "store-one"),
        }
        for name, (folder, cores, store) in builds.items():
            print(f"building: {name}", flush=True)
            built = _build(folder, cores, store, given.options)
            if built.returncode != 0:
                print(built.stdout[-3000:])
                return 1
        folders = {name: folder for name, (folder, _, _) in builds.items()}
        (first, one), *others = folders.items()
        for path, digest in results(one).items():
            print(f"{digest}  {path}")
        same = [tell(one, folder, (first, name)) for name, folder in others]
        if given.against:
            same.append(tell(one, given.against.parent, ("here", str(given.against))))
    return 0 if all(same) else 1


def _clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", ".", str(folder)], check=True)
    return folder


def _build(folder: Path, cores: int, store: Path, options: list[str]):
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", str(cores), *options,
         "--config", f"store={{folder: {store}}}"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
