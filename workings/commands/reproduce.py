"""Build the last commit three times, each in a folder of its own, and compare every byte.

Once on one core and an empty store, once on four cores and an empty store, and once on four cores
with the store of the first. Prints the sha256 of the report and of all results; where two differ,
the first that differs, and which measurements moved by how much. `--against` names the build/
folder of another machine to compare with: on another type of processor a library may round
otherwise. What follows goes to snakemake.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from workings import terminal
from workings.build import commit
from workings.build.store import sum_of
from workings.commands import hold_in_a_report, snakemake
from workings.measurements import read
from workings.messages import InputError
from workings.page import changes

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


def moved(one: Path, other: Path) -> list[str]:
    """Which values of two files of measurements differ, and by how much."""
    found = changes.compare(*({one.stem: read(file)} for file in (one, other)))
    lines = []
    for row in found["moved"]:
        by = f", by {abs(row['change']):.1e}" if row["change"] else ""
        lines.append(f"{row['key']}: {row['before']!r:.40} and {row['after']!r:.40}{by}")
    return lines + [f"{key}: in one of them alone" for key in found["gone"] + found["new"]]


def tell(one: Path, other: Path, names: tuple[str, str]) -> bool:
    """Print how two built folders differ, in the order in which it was made; whether they're the same."""
    mine, theirs = results(one), results(other)
    paths = [path for path in mine | theirs if mine.get(path) != theirs.get(path)]
    if not paths:
        print(f"{names[0]} and {names[1]}: the same bytes")
        return True
    paths.sort(key=lambda path: (one / path).stat().st_mtime if path in mine else float("inf"))
    print(f"{names[0]} and {names[1]}: {len(paths)} results differ, first {paths[0]}")
    for path in paths:
        print(f"  {path}")
        if path.startswith("build/measurements/") and path in mine and path in theirs:
            for line in moved(one / path, other / path)[:20]:
                print(f"    {line}")
    return False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--against", type=Path, metavar="BUILD", help="build/ of another machine")
    parser.add_argument(
        "--config", nargs="*", default=[], metavar="KEY=VALUE", help="as snakemake's"
    )
    parser.set_defaults(options=[])  # what else is given goes to snakemake


def run(given: argparse.Namespace) -> int:
    hold_in_a_report()
    if given.against and not (given.against.is_dir() and given.against.name == "build"):
        raise InputError(
            f"{given.against}: no folder named build, with report/report.pdf beside it"
        )
    if why := commit.read()["why"]:
        raise InputError(f"there is no commit to build: this report is {why}")
    with tempfile.TemporaryDirectory(prefix="workings-") as temporary:
        place = Path(temporary)
        builds = {
            "1 core, empty store": (_clone(place / "one"), 1, place / "store-one"),
            "4 cores, empty store": (_clone(place / "four"), 4, place / "store-four"),
            "4 cores, warm store": (_clone(place / "warm"), 4, place / "store-one"),
        }
        for name, (folder, cores, store) in builds.items():
            print(f"building: {name}", flush=True)
            config = ["--config", *given.config, f"store={{folder: {store}}}"]
            status, said = snakemake(["--cores", str(cores), *given.options, *config], folder)
            if status != 0:
                raise InputError(f"it does not build:\n{terminal.cause(said)}")
        folders = {name: folder for name, (folder, _, _) in builds.items()}
        (first, one), *others = folders.items()
        for path, digest in results(one).items():
            print(f"{digest}  {path}")
        same = [tell(one, folder, (first, name)) for name, folder in others]
        if given.against:
            same.append(tell(one, given.against.parent, ("here", str(given.against))))
    return 0 if all(same) else 1


def _clone(folder: Path) -> Path:
    cloned, reason = commit.git(Path(), "clone", "--quiet", ".", str(folder))
    if cloned is None:
        raise InputError(f"the last commit cannot be cloned: this report is {reason}")
    return folder
