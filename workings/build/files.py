"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(paths: dict[str, str]) -> Iterator[dict[str, str]]:
    """Give temporary paths beside `paths`; on success put each in its place, else remove them.

    A temporary name keeps the folder (so that the move is atomic) and the ending (so that a
    library that looks at it writes the right format).
    """
    temporary = {}
    for name, path in paths.items():
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary[name] = str(place.with_name(f".{place.stem}.{os.getpid()}{place.suffix}"))
    try:
        yield temporary
        missing = [paths[name] for name, path in temporary.items() if not Path(path).exists()]
        if missing:
            raise RuntimeError(f"the job did not write {', '.join(missing)}")
        for path in temporary.values():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        for name, path in temporary.items():
            os.replace(path, paths[name])
    finally:
        for path in temporary.values():
            Path(path).unlink(missing_ok=True)


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file that appears whole or not at all."""
    with written_whole({"text": str(path)}) as temporary:
        Path(temporary["text"]).write_text(text, encoding="utf-8")
