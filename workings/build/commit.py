"""The commit that a build is made from, and what differs from it.

Only what counts is looked at: the Snakefile, analysis/, config/, templates/ and report/. A Python
file counts as changed when its code is (`fingerprint.code_hash`), so a comment changes nothing here
either; the line numbers in the ledger are then those of the commit.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from workings.build import fingerprint
from workings.build.store import sum_of

COUNTS = ("Snakefile", "analysis", "config", "templates", "report")


def read(root: Path = Path()) -> dict:
    """`sha` of the commit, and each path that differs from it with a hash of its content.

    Outside a repository, or without git, `sha` is empty.
    """
    found = _git(root, "rev-parse", "--show-toplevel", "HEAD")
    top, _, sha = (found or b"").decode().strip().partition("\n")
    # A folder inside someone else's repository has no commit of its own.
    if not sha or Path(top).resolve() != root.resolve():
        return {"sha": "", "changed": []}
    status = _git(
        root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *COUNTS
    )
    paths = sorted(entry[3:].decode() for entry in (status or b"").split(b"\0") if entry)
    committed = texts(sha, [path for path in paths if path.endswith(".py")], root)
    changed = [path for path in paths if _differs(path, committed.get(path), root)]
    return {"sha": sha, "changed": [f"{path} {_hash(root / path)}" for path in changed]}


def texts(sha: str, paths: Iterable[str], root: Path = Path()) -> dict[str, str]:
    """The texts of files at a commit; a file that it does not have is left out."""
    paths = list(paths)
    if not (sha and paths):
        return {}
    asked = "".join(f"{sha}:{path}\n" for path in paths).encode()
    answer = _git(root, "cat-file", "--batch", asked=asked) or b""
    found = {}
    for path in paths:
        head, _, answer = answer.partition(b"\n")
        kind = head.split()
        if len(kind) == 3 and kind[1] == b"blob":
            size = int(kind[2])
            found[path] = answer[:size].decode("utf-8", errors="replace")
            answer = answer[size + 1 :]
    return found


def _differs(path: str, committed: str | None, root: Path) -> bool:
    """Whether the file differs in what counts; `committed` is a Python file's text at the commit."""
    if committed is None or not (root / path).is_file():
        return True
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path)
        copy.parent.mkdir(parents=True)
        copy.write_text(committed, encoding="utf-8")
        try:
            return fingerprint.code_hash(copy) != fingerprint.code_hash(root / path)
        except (SyntaxError, UnicodeDecodeError):
            return True


def _hash(path: Path) -> str:
    return sum_of(path)[:12] if path.is_file() else "deleted"


def _git(root: Path, *arguments: str, asked: bytes | None = None) -> bytes | None:
    """What git answers; nothing when it is missing or refuses."""
    try:
        run = subprocess.run(
            ["git", "-c", "core.quotepath=off", *arguments],
            cwd=root,
            input=asked,
            capture_output=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout if run.returncode == 0 else None
