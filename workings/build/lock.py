"""One build at a time in a folder, and none of its jobs outlives it.

The kernel drops a file lock with the process that holds it, however that ends. So a lock that is
held means a build that is alive, and nothing is ever left to be unlocked by hand; Snakemake's own
lock, which a killed build leaves behind, is off (`profiles/default`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import time
from pathlib import Path

from workings.messages import InputError

BUILD = Path("build/.lock")  # held by the build, with its process number inside
JOBS = Path("build/.jobs")  # shared by its running jobs
LEFTOVER = re.compile(r"\.[^/]+\.\d+(\.\w+)?")  # of a job that was killed (files.written_whole)

_held: list[int] = []  # descriptors that stay open, and so locked, until this process ends


def begin_build() -> None:
    """Lock the folder for this process, and clear what a killed build left.

    Raises:
        InputError: another build is alive in this folder.
    """
    BUILD.parent.mkdir(exist_ok=True)
    lock = _open(BUILD)
    if not _taken(lock, fcntl.LOCK_EX):
        other = os.read(lock, 20).decode() or "unknown"
        os.close(lock)
        raise InputError(
            f"another build is running in this folder (process {other}); "
            "wait for it, or stop it, and run the same command again"
        )
    os.ftruncate(lock, 0)
    with contextlib.suppress(OSError):  # a full disk; the number is for a message alone
        os.write(lock, str(os.getpid()).encode())
    _held.append(lock)
    os.environ["WORKINGS_BUILD"] = str(os.getpid())
    os.environ["WORKINGS_BEGAN"] = str(time.time() - 2)  # dates of files are coarse
    _wait_for_orphans()
    for folder in (BUILD.parent, Path("report")):
        for path in folder.rglob(".*"):
            if path.is_file() and LEFTOVER.fullmatch(path.name):
                path.unlink(missing_ok=True)


def is_building() -> bool:
    """Whether a build is alive in this folder."""
    if not BUILD.exists():
        return False
    lock = _open(BUILD)
    try:
        return not _taken(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def begin_job() -> None:
    """Count among the running jobs, and end with the build that started this process."""
    JOBS.parent.mkdir(exist_ok=True)
    lock = _open(JOBS)
    os.set_inheritable(lock, True)  # what the job starts is a part of it (processes.run)
    fcntl.flock(lock, fcntl.LOCK_SH)
    _held.append(lock)
    if build := os.environ.get("WORKINGS_BUILD"):
        threading.Thread(target=_end_with, args=(int(build),), daemon=True).start()


def job_locks() -> list[int]:
    """The descriptors to hand to a program that a job starts."""
    return list(_held)


def _wait_for_orphans() -> None:
    """The jobs of a killed build end by themselves; only then may another begin to write."""
    jobs = _open(JOBS)
    said = time.monotonic()
    while not _taken(jobs, fcntl.LOCK_EX):
        if time.monotonic() - said > 5:
            said = float("inf")
            print("workings: waiting for the jobs of an earlier build to end", flush=True)
        time.sleep(0.02)
    os.close(jobs)


def _end_with(build: int) -> None:
    try:
        if hasattr(os, "pidfd_open"):
            import select

            select.select([os.pidfd_open(build)], [], [])
        else:  # not Linux
            while True:
                os.kill(build, 0)
                time.sleep(0.5)
    except ProcessLookupError:
        pass
    os._exit(1)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
