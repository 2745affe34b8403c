"""The commit that a build is made from, and what differs from it.

Only what counts is looked at: the Snakefile, analysis/, config/, templates/ and report/, and the
engine where it is in the same repository. A Python file counts as changed when its code is
(`fingerprint.code_hash`), so a comment changes nothing here either.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
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
    found, reason = git(root, "log", "-1", "--format=%H %cs")
    top, _ = git(root, "rev-parse", "--show-toplevel")
    sha, _, date = (found or b"").decode().strip().partition(" ")
    # A folder inside someone else's repository has no commit of its own.
    if top and Path(top.decode().strip()).resolve() != root.resolve():
        sha, reason = "", "outside a git repository of its own"
    if not sha and reason.startswith("git says"):
        reason = f"in a folder of which {reason}"
    if not sha:
        return {"sha": "", "date": "", "changed": [], "why": reason}
    status, _ = git(
        root, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *COUNTS
    )
    paths = sorted(entry[3:].decode() for entry in (status or b"").split(b"\0") if entry)
    committed = texts(sha, [path for path in paths if path.endswith(".py")], root)
    changed = [path for path in paths if _differs(path, committed.get(path), root)]
    changed = [f"{path} {_hash(root / path)}" for path in changed]
    return {"sha": sha, "date": date, "changed": changed, "why": ""}


def texts(sha: str, paths: Iterable[str], root: Path = Path()) -> dict[str, str]:
    """The texts of files at a commit; a file that it does not have is left out."""
    paths = list(paths)
    if not (sha and paths):
        return {}
    asked = "".join(f"{sha}:{path}\n" for path in paths).encode()
    answer = git(root, "cat-file", "--batch", asked=asked)[0] or b""
    found = {}
    for path in paths:
        head, _, answer = answer.partition(b"\n")
        kind = head.split()
        if len(kind) == 3 and kind[1] == b"blob":
            size = int(kind[2])
            found[path] = answer[:size].decode("utf-8", errors="replace")
            answer = answer[size + 1 :]
    return found


def git(root: Path, *arguments: str, asked: bytes | None = None) -> tuple[bytes | None, str]:
    """What git says, or nothing and the reason."""
    try:
        run = subprocess.run(
            ["git", "-c", "core.quotepath=off", *arguments],
            cwd=root,
            input=asked,
            capture_output=True,
            timeout=60,
        )
    except FileNotFoundError:
        return None, "without git"
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"git: {error}"
    if run.returncode == 0:
        return run.stdout, ""
    said = run.stderr.decode("utf-8", errors="replace").strip().partition("\n")[0]
    if "not a git repository" in said:
        return None, "outside a git repository"
    short = said.partition(" at '")[0]  # without the folder, since it may be printed
    return None, f"git says: {short}"


def _differs(path: str, committed: str | None, root: Path) -> bool:
    """Whether the file differs in what counts; `committed` is a Python file's text at the commit."""
    if committed is None or not (root / path).is_file():
        return True
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, Path(path).name)
        copy.write_text(committed, encoding="utf-8")
        try:
            return fingerprint.code_hash(copy) != fingerprint.code_hash(root / path)
        except InputError:
            return True


def _hash(path: Path) -> str:
    return sum_of(path)[:12] if path.is_file() else "deleted"
