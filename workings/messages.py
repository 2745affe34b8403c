"""What a person reads: the one error that is meant for them, a line, how far a job is."""

from __future__ import annotations

import difflib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
PAUSE = 10.0  # seconds between two lines of a job


class InputError(Exception):
    """Something that the user can mend: a config value, a data file, a template, the machine.

    The message says what is wrong and what would be right. `key` is the dotted config key
    (``lengths.bin``), when there is one; the runner adds the file and line it stands in.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """“did you mean 'x'? ” with the nearest of the known names, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def track(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items`, telling now and then how far it is."""
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    of = f" of {total}" if total else ""
    start = told = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= PAUSE:
            told = now
            say(f"{what}: {done}{of}, {now - start:.0f} s")


def say(text: str) -> None:
    """One line for the person who watches the build."""
    # One write for the line and its end: jobs side by side share the stream, and print() makes two.
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
