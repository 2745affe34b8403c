"""Say what changed since a commit, or since a saved build folder.

BASE is a commit, which is checked out into a git worktree and built there, or a folder: a copy of
build/, or of build/measurements alone. This folder is built first, so that nothing stale is compared.
Writes build/diff/changes.txt, changes.json, figures.html and, where latexdiff is installed, report.pdf
with the words marked that came and went. The exit code is 0 when nothing moved, 1 when something did,
2 when the comparison could not be made.
"""

from __future__ import annotations

import argparse
import base64
import filecmp
import html
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workings import config as configuration
from workings import terminal
from workings.build import commit
from workings.commands import hold_in_a_report, snakemake
from workings.measurements import read
from workings.messages import InputError, say
from workings.page import changes, marked

BUILD = Path("build")
OUT = BUILD / "diff"
SEEDS = "measurements/seeds.json"


def compare(base: Path, build: Path) -> dict:
    """Everything that changed from the build folder `base` to the build folder `build`.

    Raises:
        InputError: one of them holds no measurements, or a broken file.
    """
    before, after = _measured(base), _measured(build)
    seeds = next((read(f / SEEDS) for f in (build, base) if (f / SEEDS).exists()), None)
    runs = [run["measurements"] for run in seeds["runs"]] if seeds else []
    found = changes.compare(before, after, changes.tolerances(runs))
    moved = {row["key"] for row in found["moved"]} | set(found["new"])
    sections = sorted((build / "sections").glob("*.tex"))
    cited = [
        {"section": path.stem, **sentence}
        for path in sections
        if path.stem != "ledger"
        for sentence in changes.sentences(path.read_text(encoding="utf-8"), _upwards(moved))
    ]
    figures = [
        path.stem
        for path in sorted((build / "figures").glob("*.pdf"))
        if not _is_same(path, base / "figures" / path.name)
    ]
    return {
        "seeds": [run["seed"] for run in seeds["runs"]] if seeds else [],
        **found,
        "claims_flipped": changes.flipped(_claims(base), _claims(build)),
        "claims_compared": bool(_claims(base)),
        "sentences": cited,
        "figures": figures if (base / "figures").exists() else [],
    }


def describe(found: dict, base: str) -> str:
    """The comparison as text."""
    lines = [f"What changed since {base}"]
    if seeds := found["seeds"]:
        lines.append(
            f"A number has moved when it differs by more than its range over {len(seeds)} other seeds "
            f"({', '.join(map(str, seeds))}); one that depends on no seed, when it differs at all.\n"
        )
    else:
        lines.append(
            "No other seeds were run, so every difference counts; `snakemake seeds` runs some.\n"
        )
    for title, kind, told in (
        ("moved", "moved", [_row(row) for row in found["moved"]]),
        (
            "within the range over the seeds",
            "within_seeds",
            [_row(r) for r in found["within_seeds"]],
        ),
        ("new keys", "new", _grouped(found["new"])),
        ("keys that are gone", "gone", _grouped(found["gone"])),
        ("claims that flipped", "claims_flipped", [_flip(c) for c in found["claims_flipped"]]),
        ("sentences that cite what moved", "sentences", [_cited(s) for s in found["sentences"]]),
        ("figures that changed", "figures", found["figures"]),
    ):
        if kind == "claims_flipped" and not found["claims_compared"]:
            lines.append("claims: none are kept in the base")
        else:
            lines += [f"{title}: {len(found[kind])}", *(f"  {line}" for line in told)]
    return "\n".join(lines) + "\n"


def is_changed(found: dict) -> bool:
    return any(found[kind] for kind in ("moved", "new", "gone", "claims_flipped"))


def side_by_side(names: list[str], base: Path, build: Path) -> str:
    """An HTML page that holds each figure before and after, pictures included."""
    rows = []
    for name in names:
        cells = [_picture(folder / f"figures/{name}.pdf") for folder in (base, build)]
        rows.append(f"<tr><th>{html.escape(name)}</th><td>{cells[0]}</td><td>{cells[1]}</td></tr>")
    body = "\n".join(rows) or "<tr><td>No figure changed.</td></tr>"
    return (
        '<!DOCTYPE html>\n<html lang="en-GB"><meta charset="utf-8"><title>Figures that changed</title>'
        "\n<style>body{font-family:sans-serif}img{max-width:100%}td{width:45%;vertical-align:top}"
        f"</style>\n<table><tr><th></th><th>before</th><th>now</th></tr>\n{body}\n</table></html>\n"
    )


@contextmanager
def built(base: str, options: list[str]) -> Iterator[Path]:
    """The build folder of BASE: the folder itself, or that of the commit, built in a worktree.

    Raises:
        InputError: there is no such folder or commit, or it does not build.
    """
    folder = Path(base)
    if folder.is_dir():
        yield folder.parent if folder.name == "measurements" else folder
        return
    sha = _commit(base)
    with tempfile.TemporaryDirectory(prefix="workings-base-") as parent:
        tree = Path(parent, "tree")
        added, reason = commit.git(Path(), "worktree", "add", "--detach", "--quiet", str(tree), sha)
        if added is None:
            raise InputError(f"{base} cannot be checked out: {reason}")
        try:
            _share_the_store(tree)
            say(f"workings: building {base} in a worktree, with what the store has of it")
            build(tree, options, f"{base} does not build")
            yield tree / "build"
        finally:
            commit.git(Path(), "worktree", "remove", "--force", str(tree))


def build(folder: Path, options: list[str], failed: str) -> None:
    """Build the report in the folder.

    Raises:
        InputError: it does not build; the message says why.
    """
    status, said = snakemake(["--cores", str(os.cpu_count() or 1), *options], folder)
    if status != 0:
        raise InputError(f"{failed}:\n{terminal.cause(said)}")


def _commit(base: str) -> str:
    """The full name of the commit `base`."""
    if why := commit.read()["why"]:
        raise InputError(f"{base}: no folder, and no commit either: this report is {why}")
    found, _ = commit.git(Path(), "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
    if found is not None:
        return found.decode().strip()
    shallow, _ = commit.git(Path(), "rev-parse", "--is-shallow-repository")
    if shallow and shallow.strip() == b"true":
        raise InputError(
            f"{base}: not in this clone, which is shallow; 'git fetch --unshallow' brings all commits"
        )
    raise InputError(f"{base}: neither a folder nor a commit of this repository")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="a commit, or a saved build folder")
    parser.set_defaults(options=[])  # what else is given goes to snakemake, for both builds


def run(given: argparse.Namespace) -> int:
    if not given.base:
        raise InputError("say what to compare with: a commit or a saved build folder")
    hold_in_a_report()
    options = [  # a configuration file is this folder's, also for the build of BASE
        str(Path(word).resolve()) if word.endswith((".yaml", ".yml")) else word
        for word in given.options
    ]
    if not Path(given.base).is_dir():
        _commit(given.base)  # which is refused before anything is built
    build(Path(), options, "this report does not build")
    with built(given.base, options) as base:
        found = compare(base, BUILD)
        OUT.mkdir(parents=True, exist_ok=True)
        pages = side_by_side(found["figures"], base, BUILD)
        (OUT / "figures.html").write_text(pages, encoding="utf-8")
        engine = configuration.load().values["report"]["engine"]
        note = marked.write(base, BUILD, OUT / "report.pdf", engine)
    text = describe(found, given.base)
    (OUT / "changes.txt").write_text(text, encoding="utf-8")
    (OUT / "changes.json").write_text(
        json.dumps({"base": given.base, **found}, indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    print(text, end="")
    print(f"workings: {note}\nworkings: all of it is in {OUT}")
    return 1 if is_changed(found) else 0


def _share_the_store(tree: Path) -> None:
    """What was computed for the commit when it was worked on is not computed again."""
    folder = Path(configuration.load().values["store"]["folder"])
    if folder.is_dir() and not folder.is_absolute():
        (tree / folder).parent.mkdir(parents=True, exist_ok=True)
        (tree / folder).symlink_to(folder.resolve())


def _measured(build: Path) -> dict[str, Any]:
    folder = build / "measurements" if (build / "measurements").is_dir() else build
    files = [p for p in sorted(folder.glob("*.json")) if p.name != Path(SEEDS).name]
    if not files:
        raise InputError(
            f"{folder}: holds no measurements; build the report, or name another folder"
        )
    return {path.stem: read(path) for path in files}


def _claims(build: Path) -> list[dict]:
    files = sorted((build / "claims").glob("*.json"))
    return [claim for path in files for claim in read(path, list)]


def _upwards(keys: set[str]) -> set[str]:
    """The keys and everything above them: a printed matrix has the key of the whole."""
    parts = (key.split(".") for key in keys)
    return {".".join(p[:n]) for p in parts for n in range(2, len(p) + 1)}


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and filecmp.cmp(path, other, shallow=False)


def _picture(path: Path) -> str:
    if not path.exists():
        return "not there"
    run = subprocess.run(["pdftoppm", "-r", "110", "-png", str(path)], capture_output=True)
    if run.returncode != 0:
        return "cannot be drawn"
    data = base64.b64encode(run.stdout).decode()
    return f'<img alt="{html.escape(path.stem)}" src="data:image/png;base64,{data}">'


def _grouped(keys: list[str]) -> list[str]:
    """Keys by their first two words, with how many values there are below."""
    groups = Counter(".".join(key.split(".")[:2]) for key in keys)
    return [group if count == 1 else f"{group} ({count} values)" for group, count in groups.items()]


def _row(row: dict) -> str:
    before, after = (f"{json.dumps(row[k], ensure_ascii=False):.60}" for k in ("before", "after"))
    change = ""
    if row["change"] is not None:
        change = f" (change {row['change']:.3g}, allowed {row['tolerance']:.3g})"
    return f"{row['key']}: {before} -> {after}{change}"


def _flip(claim: dict) -> str:
    was, now = ("held" if claim[k] else "did not hold" for k in ("before", "after"))
    sentence = changes.readable(claim["sentence"])
    return f"{claim['name']} ({claim['place']}): {was} before, {now} now: {sentence}"


def _cited(sentence: dict) -> str:
    return f"{sentence['section']}: {sentence['sentence']}  [{', '.join(sentence['keys'])}]"
