"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = (
    f"no room left on the disk, here or in {tempfile.gettempdir()}; free some space and run the same "
    "command again"
)


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


def is_full(error: BaseException | None) -> bool:
    """Whether the disk was full; a library that then closes its file may hide it behind an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def worded(error: OSError) -> str:
    """What a person can do about it."""
    if is_full(error):
        return NO_ROOM
    return f"{error.filename or 'a file'}: cannot be written or read ({error.strerror})"


def hold_writable(folder: Path, size: int) -> None:
    """Try to write so many bytes.

    Raises:
        OSError: that is not possible.
    """
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
