"""Say where a printed value comes from: the ledger's row of a key.

The value, the line that records it, the job's configuration and inputs, the commit, and each sentence
that prints it. A key is a job's name and a name, such as lengths.mean; a figure's key is figure.lengths.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from workings.commands import hold_in_a_report
from workings.measurements import read
from workings.messages import InputError, did_you_mean
from workings.page import changes

LEDGER = Path("build/ledger.json")


def explained(key: str, ledger: dict) -> list[str]:
    """The lines that explain a key.

    Raises:
        InputError: the report prints no such value or figure.
    """
    rows = {row["key"]: (row, job) for job in ledger["jobs"] for row in job["rows"]}
    rows |= {
        f"figure.{row['name']}": (row, job) for job in ledger["jobs"] for row in job["figures"]
    }
    rows |= {row["key"]: (row, None) for row in ledger["choices"]}
    if key not in rows:
        below = [other for other in rows if other.startswith(f"{key}.")]
        if not below:
            raise InputError(f"{key}: the report prints no such value; {did_you_mean(key, rows)}")
        return [f"below {key} the report prints:", *(f"  {other}" for other in below)]
    row, job = rows[key]
    place = f"{row['file']}:{row['line']}" if row["line"] else row["file"]
    value = row.get("value", f"a figure, sha256 {row.get('sha256')}")
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}", f"recorded at {place}"]
    if job is None:
        lines[-1] = f"chosen at {place}"
    else:
        lines += [f"job {job['job']}, {job['script']}", "configuration"]
        given = [f"  {c['key']} = {c['value']} ({c['place']})" for c in job["configuration"]]
        lines += given or ["  none"]
        lines.append("inputs")
        lines += [f"  {f['path']} {f['sha256'][:12]}" for f in job["inputs"]] or ["  none"]
    built = ledger["commit"]
    changed = "" if not built["changed"] else ", with uncommitted changes"
    lines.append(
        f"commit {built['sha'][:12]}{changed}" if built["sha"] else f"built {built['why']}"
    )
    lines += ["printed in", *(f"  {place}: {sentence}" for place, sentence in _sentences(row))]
    return lines


def _sentences(row: dict) -> Iterator[tuple[str, str]]:
    for use in row.get("uses", ()):
        path = Path(f"build/sections/{use['section']}.tex")
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        mark = f"{{{use['anchor']}}}"
        said = [changes.readable(each) for each in changes.split(text) if mark in each]
        yield use["place"], said[0] if said else use["text"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", help="such as lengths.mean, or lengths for all of it")


def run(given: argparse.Namespace) -> int:
    hold_in_a_report()
    if not LEDGER.exists():
        raise InputError(f"{LEDGER} is not there; build the report first: snakemake --cores 4")
    try:
        lines = explained(given.key, read(LEDGER))
    except (KeyError, TypeError):
        raise InputError(
            f"{LEDGER}: not the ledger of a build; delete it and build again"
        ) from None
    print("\n".join(lines))
    return 0
