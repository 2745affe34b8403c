"""The commit that a build is made from, and what differs from it.

Only what counts is looked at: the Snakefile, analysis/, config/, templates/ and report/, and the
engine where it is in the same repository. A Python file counts as changed when its code is
(`fingerprint.code_hash`), so a comment changes nothing here either.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from workings.build import fingerprint
from workings.build.store import sum_of
from workings.messages import InputError

COUNTS = ("Snakefile", "analysis", "config", "templates", "report", "workings")


def read(root: Path = Path()) -> dict:
    """The commit of the folder, and what differs from it.

    Returns:
        `sha` and `date` (a day) of the commit; `changed`, each path that differs with a hash of its
        content; `why`, where there is no commit to name, the reason: git's own where it gives one.
    """
    none = {"sha": "", "date": "", "changed": []}
    told = {}
    for name, question in {
        "commit": ("log", "-1", "--format=%H %cs"),
        "top": ("rev-parse", "--show-toplevel"),
        "status": ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *COUNTS),
    }.items():  # fmt: skip
        told[name], reason = git(root, *question)
        if reason:
            return none | {"why": reason}
    if Path(os.fsdecode(told["top"]).strip()).resolve() != root.resolve():
        return none | {"why": "outside a git repository of its own"}  # but in someone else's
    sha, _, date = told["commit"].decode().strip().partition(" ")
    paths = sorted(os.fsdecode(entry[3:]) for entry in told["status"].split(b"\0") if entry)
    changed = [f"{path} {_hash(root / path)}" for path in paths if _differs(path, sha, root)]
    # A name that is not UTF-8 text is printed as far as it is.
    changed = [os.fsencode(line).decode("utf-8", errors="replace") for line in changed]
    return {"sha": sha, "date": date, "changed": changed, "why": ""}


def text(sha: str, path: str, root: Path = Path()) -> str | None:
    """The text of a file at a commit; None where it does not have the file."""
    found, _ = git(root, "cat-file", "blob", f"{sha}:{path}") if sha else (None, "")
    return None if found is None else found.decode("utf-8", errors="replace")


def git(root: Path, *arguments: str) -> tuple[bytes | None, str]:
    """What git says, or nothing and the reason, as it goes on after “the report is”."""
    try:
        run = subprocess.run(
            ["git", "-c", "core.quotepath=off", *arguments],
            cwd=root,
            capture_output=True,
            timeout=60,
            env=os.environ | {"LC_ALL": "C"},  # its words may be printed
        )
    except FileNotFoundError:
        return None, "without git"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"in a folder of which git says nothing: {error}"
    if run.returncode == 0:
        return run.stdout, ""
    said = run.stderr.decode("utf-8", errors="replace").strip().partition("\n")[0]
    folders = [root.resolve(), *root.resolve().parents]
    if "not a git repository" in said and not any((f / ".git").exists() for f in folders):
        return None, "outside a git repository"
    short = said.partition(" at '")[0]  # without the folder, since it may be printed
    return None, f"in a folder of which git says: {short}"


def _differs(path: str, sha: str, root: Path) -> bool:
    """Whether a file that git calls changed differs in what counts."""
    committed = text(sha, path, root) if path.endswith(".py") else None
    if committed is None or not (root / path).is_file():
        return True
    try:
        return fingerprint.hash_of(committed.encode(), path) != fingerprint.code_hash(root / path)
    except InputError:
        return True


def _hash(path: Path) -> str:
    return sum_of(path)[:12] if path.is_file() else "deleted"
