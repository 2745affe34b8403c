"""What each job last read and wrote: a result stands only while a finished run vouches for it.

Snakemake believes dates and its own records, which it also writes when a job fails. It sees neither a
result that was cut off or edited nor a data file that was exchanged under its old date. So before a build
every result is held against the manifest `.snakemake/workings/….json` of the run that wrote it, and
Snakemake's record of it against the same run. What fails is taken away, and comes back by its job alone,
from the store under the key that is wanted now.
"""

from __future__ import annotations

import contextlib
import json
import os
import textwrap
from base64 import urlsafe_b64encode
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from workings.build.files import write_whole
from workings.build.store import sum_of
from workings.messages import say

# Beside Snakemake's own records, since both must outlive build/.
FOLDER = Path(".snakemake/workings")
RECORDS = Path(".snakemake/metadata")
ORIGINS = "origins"  # the output of a job that Snakemake does not know


@dataclass(frozen=True)
class Manifest:
    """One run of a job.

    Args:
        plan: the hash of what it was given.
        inputs: the sum of each input, by its path.
        paths: the path of each output, by its name in the rule.
        sums: the sum of each output, by its name in the rule.
    """

    plan: str
    inputs: Mapping[str, str]
    paths: Mapping[str, str]
    sums: Mapping[str, str]

    def write(self) -> None:
        """Put it where `read` finds it."""
        write_whole(place(self.paths), json.dumps(asdict(self), indent=1))


def place(outputs: Mapping[str, str]) -> Path:
    """The manifest of the run with these outputs: its first output names it."""
    return FOLDER / f"{quote(next(iter(outputs.values())), safe='')}.json"


def read() -> list[Manifest]:
    """The manifests of all finished runs; one that is not whole says nothing."""
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        with contextlib.suppress(ValueError, TypeError):
            found.append(Manifest(**json.loads(file.read_text(encoding="utf-8"))))
    return found


def look_over(is_result: Callable[[str], bool], kept: Container[str], dry: bool) -> None:
    """Take away the results that no finished run vouches for.

    Args:
        is_result: whether a file is what a job makes.
        kept: results that stay until their job has another; they are given a date before all inputs.
        dry: whether only to say it.
    """
    sums = cache(lambda path: sum_of(path) if Path(path).is_file() else None)
    right, told = set(), set()
    for run in read():
        wrong = [path for name, path in run.paths.items() if sums(path) != run.sums[name]]
        for path in filter(sums, wrong):
            told.add(path)
            say(f"workings: {path}: edited by hand, or cut off; it is made again")
        if wrong or not all(_is_recorded(run, p) for n, p in run.paths.items() if n != ORIGINS):
            continue
        right.update(run.paths.values())
        if any(sums(path) not in (digest, None) for path, digest in run.inputs.items()):
            for path in run.paths.values():
                _make_old(path)  # maybe the input changed under its old date
    files = [str(path) for path in Path("build").rglob("*") if path.is_file()]
    lost = [path for path in [*kept, *files] if path not in right and is_result(path)]
    if not told and (unknown := [path for path in lost if path not in kept]):
        say(
            f"workings: {len(unknown)} results are looked up again: no finished run vouches for them"
        )
    for path in [] if dry else lost:
        if path in kept:
            _record(path).unlink(missing_ok=True)
            _make_old(path)
        else:
            Path(path).unlink()


def _make_old(path: str) -> None:
    """A date before all inputs, so that Snakemake looks at their content."""
    with contextlib.suppress(OSError):  # a folder that is only read
        os.utime(path, (1, 1))  # 0 would mean no date


def _is_recorded(run: Manifest, path: str) -> bool:
    """Whether what Snakemake believes of an output comes from this run."""
    try:
        record = json.loads(_record(path).read_text(encoding="utf-8"))
        read = record["input_checksums"]
        known = {file: digest.removeprefix("sha256:") for file, digest in read.items()}
        return f" {run.plan} " in record["shellcmd"] and known.items() <= run.inputs.items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _record(path: str) -> Path:
    """Where Snakemake keeps what it believes of the file."""
    *first, last = textwrap.wrap(urlsafe_b64encode(path.encode()).decode(), 254)
    return RECORDS.joinpath(*(f"@{part}" for part in first), last)
