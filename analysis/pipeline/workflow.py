"""What the Snakefile needs to know before it can name its rules."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.job import params
from analysis.pipeline import settings
from analysis.pipeline.errors import InputError
from analysis.reporting import latex

__all__ = [
    "EMBEDDED",
    "PYTHON",
    "SECTIONS",
    "InputError",
    "prepare",
    "say_done",
    "say_failed",
    "style_files",
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
# Jobs write their messages here as well, so that they can stand at the end of the output.
_ERRORS = Path(tempfile.gettempdir()) / f"workings-{os.getpid()}.errors"


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
    os.environ["WORKINGS_CONFIG"] = json.dumps(files)
    os.environ["WORKINGS_ERRORS"] = str(_ERRORS)
    config = settings.load(files, given.config)
    return config, partial(params, config), {name: _quoted(name) for name in SECTIONS}


def style_files() -> list[str]:
    """What every figure's look depends on."""
    folder = Path("analysis/reporting")
    fonts = sorted(map(str, (folder / "fonts").glob("*.ttf")))
    return [str(folder / "workings.mplstyle"), *fonts]


def say_done() -> None:
    """The last line of a build: how long it took and, if it made the report, where that is."""
    report = Path("report/report.pdf")
    fresh = report.exists() and report.stat().st_mtime >= _started
    done = f"{report} is up to date" if fresh else "done"
    print(f"workings: {done} ({time.time() - _started:.0f} s)")


def say_failed() -> None:
    """After everything that Snakemake says of a failed job: what was wrong, once more."""
    if _ERRORS.exists():
        messages = _ERRORS.read_text(encoding="utf-8").splitlines()
        _ERRORS.unlink()
        print("\n" + "\n".join(dict.fromkeys(messages)), file=sys.stderr)


def _quoted(section: str) -> Quoted:
    template = f"sections/{section}.tex.j2"
    return Quoted(
        templates=latex.partials(template),
        measurements=[f"build/measurements/{job}.json" for job in latex.quoted(template, JOBS)],
        derivations=[f"build/derivations/{job}.json" for job in latex.derived(template, DERIVED)],
    )
