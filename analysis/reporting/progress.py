"""A bar on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
PAUSE = 10.0  # seconds between two lines in a log


def track(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items`, showing how far it is."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total, leave=False, dynamic_ncols=True)
        return
    start = said = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= PAUSE:
            said = now
            of = f" of {total}" if total else ""
            say(f"{what}: {done}{of}, {now - start:.0f} s")


def say(text: str) -> None:
    """One line for the person who watches the build."""
    # One write for the line and its end: jobs side by side share the stream, and print() makes two.
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
