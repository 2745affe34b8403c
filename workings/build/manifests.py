"""What each job last read and wrote, as sha256 sums: what changed behind Snakemake's back is noticed.

Snakemake compares dates first. So a truncated or hand-edited result would flow on, and a data file
that was exchanged under its old date would be missed. Before a build, every file is held against
the manifest `.snakemake/workings/….json` of the run that wrote or read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from workings.build.files import written_whole
from workings.build.store import Store, sum_of
from workings.messages import say

# Beside Snakemake's own records, since it must outlive build/ to bring that back.
FOLDER = Path(".snakemake/workings")


@dataclass(frozen=True)
class Manifest:
    """One run of a job.

    Args:
        key: under which the store keeps the outputs.
        inputs: the sum of each input, by its path.
        paths: the path of each output, by its name in the rule.
        sums: the sum of each output, by its name in the rule.
    """

    key: str
    inputs: Mapping[str, str]
    paths: Mapping[str, str]
    sums: Mapping[str, str]

    def write(self) -> None:
        """Put it where `read` finds it."""
        with written_whole({"manifest": str(place(self.paths))}) as temporary:
            text = json.dumps(asdict(self), indent=1)
            Path(temporary["manifest"]).write_text(text, encoding="utf-8")


def place(outputs: Mapping[str, str]) -> Path:
    """The manifest of the run with these outputs: its first output names it."""
    return FOLDER / f"{next(iter(outputs.values())).replace('/', '-')}.json"


def read() -> list[Manifest]:
    """The manifests of all finished runs."""
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        try:
            found.append(Manifest(**json.loads(file.read_text(encoding="utf-8"))))
        except (ValueError, TypeError):
            file.unlink()  # not whole: it says nothing any more
    return found


def look_over(store: Store, mend: bool) -> None:
    """Find the results that are not what their jobs wrote; with `mend`, bring back the right ones.

    An input that changed under its old date gets a new one, so that Snakemake sees it.
    """
    runs = read()
    sums = {path: sum_of(path) for run in runs for path in _files(run) if Path(path).is_file()}
    damaged = set()
    for run in runs:
        wrong = {name: p for name, p in run.paths.items() if sums.get(p) != run.sums[name]}
        damaged.update(wrong.values())
        if not wrong:
            continue
        restored = mend and _restored(run, store)
        for path in wrong.values():
            if path in sums:
                how = "restored from the store" if restored else "it is made again when needed"
                say(f"workings: {path}: edited by hand, or cut off; {how}")
            if mend and not restored:
                Path(path).unlink(missing_ok=True)
    for run in runs:
        for path, digest in run.inputs.items():
            if path in sums and path not in damaged and sums[path] != digest:
                os.utime(path)


def _restored(run: Manifest, store: Store) -> bool:
    try:
        with written_whole(run.paths) as temporary:
            if not store.restore(run.key, temporary):
                raise LookupError
    except LookupError:
        return False
    return True


def _files(run: Manifest) -> set[str]:
    return {*run.inputs, *run.paths.values()}
