"""Build the last commit several times, each in a folder of its own, and compare every byte.

    python -m workings.commands.reproduce [--against FOLDER] [SNAKEMAKE'S OPTIONS…]

Once on one core and an empty store, once on four cores and an empty store, and once on four cores
with the store of the first. Prints the sha256 of the report and of all results; where two differ,
the first job that differs, and which measurements moved by how much. `--against` names the build/
folder of another machine to compare with: on another type of processor torch may round otherwise.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workings.build.store import sum_of
from workings.workflow import JOBS, SECTIONS

# What build/ holds besides the working files of TeX and of long jobs.
KINDS = (
    *("data", "model", "measurements", "derivations", "arrays", "figures", "seeds"),
    *("sections", "quotes", "claims"),
)


def results(folder: Path) -> dict[str, str]:
    """The sha256 of each result below build/ and of the report, by its path."""
    files = [file for kind in KINDS for file in sorted((folder / "build" / kind).glob("*"))]
    files += [folder / "build/ledger.json", folder / "report/report.pdf"]
    return {str(file.relative_to(folder)): sum_of(file) for file in files if file.is_file()}


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The paths that differ or that one of them lacks, in the order in which jobs make them."""
    paths = [path for path in one | other if one.get(path) != other.get(path)]
    return sorted(paths, key=_order)


def moved(one: Any, other: Any, key: str = "") -> Iterator[str]:
    """Which values of two measurements differ, and by how much."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(k, one.get(k), other.get(k)) for k in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(str(i), *values) for i, values in enumerate(zip(one, other, strict=True))]
    else:
        if one != other:
            by = ""
            if _is_number(one) and _is_number(other):
                by = f", by {abs(one - other):.1e}"
            yield f"{key}: {one!r:.40} and {other!r:.40}{by}"
        return
    for name, a, b in pairs:
        yield from moved(a, b, f"{key}.{name}".lstrip("."))


def tell(one: Path, other: Path, names: tuple[str, str]) -> bool:
    """Print how two built folders differ; whether they are the same."""
    paths = differing(results(one), results(other))
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


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    given.add_argument("--against", type=Path, help="build/ of another machine")
    given, options = given.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="workings-") as temporary:
        place = Path(temporary)
        builds = {
            "1 core, empty store": (_clone(place / "one"), 1, place / "store-one"),
            "4 cores, empty store": (_clone(place / "four"), 4, place / "store-four"),
            "4 cores, warm store": (_clone(place / "warm"), 4, place / "store-one"),
        }
        for name, (folder, cores, store) in builds.items():
            print(f"building: {name}", flush=True)
            built = _build(folder, cores, store, options)
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


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _order(path: str) -> tuple:
    """Measuring jobs in the report's order, then the sections, then the page."""
    parts = Path(path).parts
    if parts[0] != "build":
        return (3, 0, path)
    name = Path(path).stem
    if parts[1] in ("sections", "quotes", "claims", "ledger.json"):
        return (2, SECTIONS.index(name) if name in SECTIONS else len(SECTIONS), path)
    # A figure may be called after its job with a word more.
    job = max((job for job in JOBS if name.startswith(job)), key=len, default="")
    return (1, JOBS.index(job) if job else len(JOBS), path)


if __name__ == "__main__":
    sys.exit(main())
