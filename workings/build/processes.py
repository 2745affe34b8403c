"""Work spread over processes of one thread each, and programs that end with their job."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from workings.build.lock import job_locks

Item = TypeVar("Item")
Result = TypeVar("Result")


def count() -> int:
    """How many processes a job may use: the threads of its rule, as Snakemake granted them."""
    return max(1, int(os.environ.get("WORKINGS_THREADS", "1")))


def spread(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    prepare: Callable[..., None],
    arguments: tuple,
    processes: int,
) -> Iterator[Result]:
    """Yield function(item) of every item, in the order in which they are done.

    Each process calls prepare(*arguments) once before its first item. One process is this one.
    """
    if processes <= 1 or len(items) <= 1:
        prepare(*arguments)
        yield from map(function, items)
        return
    # Forking spares each process the import of torch; elsewhere than on Linux it is not safe.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    processes = min(processes, len(items))
    with ProcessPoolExecutor(processes, context, _begin, (prepare, arguments)) as pool:
        try:
            for done in as_completed([pool.submit(function, item) for item in items]):
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def run(command: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run a program and all that it starts; they end with this process, even if that is killed.

    They share a process group with a guard, a shell that waits for the pipe from this process to
    break and then ends the group.
    """
    guard = subprocess.Popen(
        ["sh", "-c", "read _; kill -KILL 0"], stdin=subprocess.PIPE, process_group=0
    )
    try:
        return subprocess.run(
            command, env=env, capture_output=True, text=True, errors="replace",
            process_group=guard.pid, pass_fds=job_locks(),
        )  # fmt: skip
    finally:
        os.killpg(guard.pid, signal.SIGKILL)
        guard.communicate()


def _begin(prepare: Callable[..., None], arguments: tuple) -> None:
    # Control-C reaches every process of a terminal: the parent alone acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*arguments)


def _end_with_parent() -> None:
    """A parent that is killed cannot end its processes, so they watch it."""
    multiprocessing.parent_process().join()
    os._exit(1)
