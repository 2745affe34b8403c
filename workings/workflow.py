"""What the Snakefile needs to know before it can name its rules."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from workings import config as settings
from workings.build import commit, manifests
from workings.build import lock as exclusive
from workings.build.store import Store
from workings.job import params
from workings.messages import InputError, say
from workings.page import latex, lint

__all__ = [
    "EMBEDDED",
    "JOBS",
    "PYTHON",
    "SECTIONS",
    "InputError",
    "found_digits",
    "prepare",
    "recorded",
    "say_done",
    "say_failed",
    "style_files",
    "templates",
]

# The interpreter that runs Snakemake, also where the environment was not activated.
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")

# The jobs that measure, in the order of the report; each has a section of the same name.
JOBS = [
    "digits",
    "classifier",
    "filters",
    "feature_maps",
    "translation",
    "occlusion",
    "patch_colour",
    "atlas",
    "patch_search",
    "recurrence",
    "gradient_check",
    "originals",
    "gradient_lags",
    "echo_state",
    "training",
]
DERIVED = ["recurrence"]
SECTIONS = ["frontmatter", *JOBS, "answers", "built"]

EMBEDDED = [
    "analysis/data/train-images-idx3-ubyte.gz",
    "analysis/data/train-labels-idx1-ubyte.gz",
    "analysis/data/t10k-images-idx3-ubyte.gz",
    "analysis/data/t10k-labels-idx1-ubyte.gz",
]

_started = time.time()
# Jobs write here what they did and what went wrong, for the end of the output.
_NOTES = Path(tempfile.gettempdir()) / f"workings-{os.getpid()}.notes"
# Folders of build/ that hold no outputs of jobs.
WORKING = {"downloads", "latex"}
# The one output that a failed build must leave as it was.
_REPORT = Path("report/report.pdf")


@dataclass(frozen=True)
class Quoted:
    """The files that one section is filled from."""

    templates: list[str]
    measurements: list[str]
    derivations: list[str]


def prepare(given) -> tuple[dict, Callable[..., list], dict[str, Quoted]]:
    """The checked configuration, the maker of each rule's params, and what each section quotes.

    `given` is Snakemake's config settings: the files and values of the command line.

    Raises:
        InputError: a configuration or a template does not hold.
    """
    files = [str(settings.DEFAULT), *map(str, given.configfiles)]
    # For the messages of jobs alone, so that they can name the file and line of a key.
    places = {"files": files, "given": dict(given.config)}
    os.environ["WORKINGS_CONFIG"] = json.dumps(places, default=str)
    os.environ["WORKINGS_NOTES"] = str(_NOTES)
    config = settings.load(files, given.config)
    for key, text in _printed(config):
        try:
            latex.escape(text)
        except InputError as error:
            raise InputError(f"{settings.locate(key, **places)}: {key}: {error}") from None
    os.environ["WORKINGS_STORE"] = json.dumps(config["store"])
    for file in EMBEDDED:
        if not Path(file).is_file():
            raise InputError(f"{file}: missing; 'git checkout {file}' brings it back")
    if found := lint.of_templates(templates()):
        raise InputError("\n".join(map(str, found)))
    dry = _is_dry()
    if not dry:
        exclusive.begin_build()
    if not (dry and exclusive.is_building()):
        _forget_what_is_unknown(dry)
        manifests.look_over(Store(**config["store"]), mend=not dry)
    known = config | {"commit": commit.read()}
    return (
        config,
        partial(params, known),
        {name: _quoted(name, recorded(config)) for name in SECTIONS},
    )


def _printed(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The key and the words of each text that the report prints as it was given."""
    report, recurrence = config.get("report", {}), config.get("recurrence", {})
    for name in ("title", "subtitle", "author"):
        yield f"report.{name}", report.get(name, "")
    yield "recurrence.name", recurrence.get("name", "")
    for name, words in recurrence.get("meaning", {}).items():
        yield f"recurrence.meaning.{name}", words


def templates() -> list[Path]:
    """Every section's template with its partials."""
    names = [f"sections/{section}.tex.j2" for section in (*SECTIONS, "ledger")]
    return list(dict.fromkeys(Path(file) for name in names for file in latex.partials(name)))


def found_digits(config: Mapping[str, Any]) -> list[str]:
    """The IDX files that stand in the configured folder, where the whole data set is asked for.

    What torchvision downloads it keeps in a folder of its own below, and checks by its own sums.
    """
    if config["source"] != "full":
        return []
    return sorted(map(str, Path(config["folder"]).glob("*-ubyte*")))


def style_files() -> list[str]:
    """What every figure's look depends on."""
    folder = Path("workings/style")
    fonts = sorted(map(str, (folder / "fonts").glob("*.ttf")))
    return [str(folder / "workings.mplstyle"), *fonts]


def say_done() -> None:
    """The last line of a build: what was done, how long it took and where the report is."""
    notes = _notes()
    fresh = _REPORT.exists() and _REPORT.stat().st_mtime >= _started
    done = f"{_REPORT} is up to date" if fresh else "done"
    counts = [
        f"{kind}: {', '.join(names)}" if len(names) <= 6 else f"{kind}: {len(names)} jobs"
        for kind in ("computed", "restored")
        if (names := notes.get(kind))
    ]
    said = "; ".join([f"{time.time() - _started:.0f} s", *counts])
    print(f"workings: {done} ({said})")


def say_failed() -> None:
    """After everything that Snakemake says of a failed job: what was wrong, once more."""
    print("\n" + "\n".join(_notes().get("failed", [])), file=sys.stderr)


def _notes() -> dict[str, list[str]]:
    """What the jobs noted, by its kind, each text once."""
    found: dict[str, list[str]] = {}
    if _NOTES.exists():
        for line in _NOTES.read_text(encoding="utf-8").splitlines():
            kind, text = json.loads(line)
            found.setdefault(kind, [])
            if text not in found[kind]:
                found[kind].append(text)
        _NOTES.unlink()
    return found


def _is_dry() -> bool:
    """Whether Snakemake was asked to run nothing: it does not say so while it reads the rules."""
    return any(re.fullmatch(r"-\w*n\w*|--dry-?run", word) for word in sys.argv[1:])


def _forget_what_is_unknown(dry: bool) -> None:
    """Without Snakemake's records nothing tells what build/ and the report were made from.

    What is in build/ goes, and what is still right comes back from the store; the report stays
    until the new one is there, but is given a date before all of its sources.
    """
    old = [folder for folder in Path("build").glob("*/") if folder.name not in WORKING]
    if any(Path(".snakemake/metadata").glob("*")) or not (old or _REPORT.exists()):
        return
    say("workings: .snakemake is gone; every result is looked up again")
    if dry:
        return
    for folder in old:
        shutil.rmtree(folder)
    if _REPORT.exists():
        os.utime(_REPORT, (1, 1))  # 0 would mean no date to Snakemake


def recorded(config: dict) -> list[str]:
    """The jobs whose measurements the report may print: with the seeds' runs only when it is asked."""
    return [*JOBS, *(["seeds"] if config["seeds"]["report"] else [])]


def _quoted(section: str, jobs: list[str]) -> Quoted:
    template = f"sections/{section}.tex.j2"
    return Quoted(
        templates=latex.partials(template),
        measurements=[f"build/measurements/{job}.json" for job in latex.quoted(template, jobs)],
        derivations=[f"build/derivations/{job}.json" for job in latex.derived(template, DERIVED)],
    )
