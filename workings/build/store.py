"""A content-addressed store of finished jobs: what was computed once is never computed again.

An entry's key is the hash of all that a result depends on: the job's plan and the bytes of its inputs.
An entry is a folder `ab/cdef…/` with the job's outputs and their sums in `entry.json`. It appears whole,
by one rename, so several checkouts and machines can share a store on a mount; what is read is held against
its sums, so a damaged entry is noticed and made again.

The entries lie in a folder of their own, which the store made and marked, inside the one that a person
named. What has another name than the store gives is not the store's, and stays.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from workings.build.files import is_full, write_whole
from workings.messages import InputError, say

OWN = "workings-store"
MARK = "CACHEDIR.TAG"  # which also tells programs that save copies to leave the folder out
MARKED = "Signature: 8a477f597d28d172789f06886806bc55\n# Finished jobs of `workings`; delete as you like.\n"
TALLY = ".tally"  # the bytes of the entries: one line for all at the last count, one for each since
ENTRY = "entry.json"
ENTRIES = re.compile(r"[0-9a-f]{2}/[0-9a-f]{62}")
LEFTOVERS = re.compile(r"\.(new|old)-\w{8}")
MEGABYTE = 1_000_000
# Of the limit, down to which room is made, so that the entries are not counted at each one.
ROOM = 0.9
MANY = 10_000  # entries, after which they are counted anew: two writers at once may lose a line
HOUR = 3600.0  # seconds after which what a writer left half done is swept away
# What a report is made from and what it makes.
OF_THE_REPORT = ("build", "report", "analysis", "config", "templates", ".snakemake", ".git")


def sum_of(path: str | Path) -> str:
    """The sha256 of the file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def located(folder: str) -> Path:
    """The whole path of the folder that `store.folder` names.

    Raises:
        InputError: it is this folder, one above it, or one that is the report's.
    """
    here, place = Path.cwd(), Path(folder).expanduser().resolve()
    if here.is_relative_to(place) or any(place.is_relative_to(here / n) for n in OF_THE_REPORT):
        raise InputError(
            f"{folder!r} is a folder of the report, or above it; one for the store alone is right, such "
            "as .cache/workings"
        )
    return place


class Store:
    """The entries in `folder`, at most `megabytes` of them; the least recently used go first.

    A store that cannot be read or written (another user's, a full disk, a mount that is gone) costs
    time, not results.
    """

    def __init__(self, folder: str | Path, megabytes: float) -> None:
        self.folder = Path(folder) / OWN
        self.limit = megabytes * MEGABYTE

    def restore(self, key: str, outputs: Mapping[str, str]) -> dict[str, str] | None:
        """Write the entry's files to the paths `outputs`; their sums, or None: not in the store."""
        entry = self._place(key)
        try:
            if not (self._is_own() and entry.exists()):
                return None
            sums = json.loads((entry / ENTRY).read_text(encoding="utf-8"))
            for name, path in outputs.items():
                shutil.copyfile(entry / name, path)
            found = {name: sum_of(path) for name, path in outputs.items()}
        except PermissionError:
            _say_once(f"workings: {self.folder}: of another user, and not to be read by this one")
            return None
        except (OSError, ValueError) as error:
            if is_full(error):
                raise
            found, sums = {}, None
        if found != sums:
            say(f"workings: the stored entry {entry} is damaged; the job runs again")
            self._remove(entry)
            return None
        with contextlib.suppress(OSError):  # gone meanwhile, or a store that is only read
            os.utime(entry)
        return found

    def keep(self, key: str, outputs: Mapping[str, str], sums: Mapping[str, str]) -> None:
        """Put copies of the files `outputs` into the store, then make room."""
        entry = self._place(key)
        try:
            self._begin()
            entry.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.folder) as folder:
                new = Path(folder) / "entry"
                new.mkdir()
                for name, path in outputs.items():
                    shutil.copyfile(path, new / name)
                (new / ENTRY).write_text(json.dumps(dict(sums)), encoding="utf-8")
                size = _size(new)
                # Another writer of the same entry may have been faster; the rename then fails.
                with contextlib.suppress(OSError):
                    new.rename(entry)
            if self._is_due(size):
                self._make_room()
            self._sweep()
        except OSError as error:
            _say_once(f"workings: {self.folder}: nothing is stored ({error.strerror})")

    def forget(self, key: str) -> None:
        """Remove the entry, so that another result of the same run takes its place."""
        if self._place(key).is_dir():
            self._remove(self._place(key))

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]

    def _begin(self) -> None:
        """Make the folder and mark it.

        Raises:
            OSError: it cannot be made, or it is somebody else's.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not any(self.folder.iterdir()):
            (self.folder / MARK).write_text(MARKED, encoding="utf-8")
            (self.folder / TALLY).write_text("0\n", encoding="utf-8")
        if not self._is_own():
            raise FileExistsError(errno.EEXIST, "another made this folder")

    def _is_own(self) -> bool:
        return (self.folder / MARK).is_file()

    def _is_due(self, size: int) -> bool:
        """Add an entry's bytes to the tally; whether the entries have to be counted."""
        tally = self.folder / TALLY
        if not tally.exists():
            return True
        with tally.open("a", encoding="utf-8") as file:
            file.write(f"{size}\n")
        try:
            sizes = [int(line) for line in tally.read_text(encoding="utf-8").split()]
        except ValueError:  # cut off, where the disk was full
            return True
        return sum(sizes) > self.limit or len(sizes) > MANY

    def _make_room(self) -> None:
        """Count the entries; where they are too many, remove those that were not used for longest."""
        entries = []
        for entry in self.folder.glob("??/*"):
            if not ENTRIES.fullmatch(str(entry.relative_to(self.folder))):
                continue
            with contextlib.suppress(OSError):  # removed by another process meanwhile
                entries.append((entry.stat().st_mtime, _size(entry), entry))
        total = sum(size for _, size, _ in entries)
        if total > self.limit:
            for _, size, entry in sorted(entries):
                if total <= ROOM * self.limit:
                    break
                self._remove(entry)
                total -= size
        write_whole(self.folder / TALLY, f"{total}\n")

    def _sweep(self) -> None:
        """Remove what writers left that were killed."""
        for left in self.folder.glob(".*-*"):
            with contextlib.suppress(OSError):
                old = time.time() - left.stat().st_mtime > HOUR
                if old and LEFTOVERS.fullmatch(left.name):
                    shutil.rmtree(left, ignore_errors=True)

    def _remove(self, entry: Path) -> None:
        """Out of sight by one rename, so that no reader meets half an entry."""
        if entry.parent.is_symlink():
            return  # what is behind it is not the store's
        with (
            contextlib.suppress(OSError),  # another process was faster, or the store is only read
            tempfile.TemporaryDirectory(prefix=".old-", dir=self.folder) as aside,
        ):
            entry.rename(Path(aside) / "entry")


def _size(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.iterdir())


def key(plan: str, inputs: Mapping[str, str]) -> str:
    """The key of a run: of the hash of its plan, and the sum of each input by its path."""
    return hashlib.sha256(json.dumps([plan, sorted(inputs.items())]).encode()).hexdigest()


def _say_once(text: str) -> None:
    """One line in a build, of whichever job is the first to meet it."""
    try:
        Path(os.environ["WORKINGS_NOTES"], "told-of-the-store").touch(exist_ok=False)
    except FileExistsError:
        return
    except (KeyError, OSError):
        pass  # no build, or one without room for the note
    say(text)
