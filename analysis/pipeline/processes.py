"""Work spread over processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

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


def _begin(prepare: Callable[..., None], arguments: tuple) -> None:
    # Control-C reaches every process of a terminal: the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare(*arguments)


def _end_with_parent() -> None:
    """A parent that is killed cannot end its processes, so they watch it."""
    multiprocessing.parent_process().join()
    os._exit(1)
