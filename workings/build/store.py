"""A content-addressed store of finished jobs: what was computed once is never computed again.

An entry's key is the hash of all that a result depends on: the job's plan and the bytes of its inputs. An entry is a folder `ab/cdef…/` with the job's outputs and their sums in `entry.json`.
It appears whole, by one rename, so several checkouts and machines can share a store on a mount;
what is read is held against its sums, so a damaged entry is noticed and made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from workings.messages import say

ENTRY = "entry.json"
MEGABYTE = 1_000_000
HOUR = 3600.0  # seconds after which what a writer left half done is swept away


def sum_of(path: str | Path) -> str:
    """The sha256 of the file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """The entries in `folder`, at most `megabytes` of them; the least recently used go first."""

    def __init__(self, folder: str | Path, megabytes: float) -> None:
        self.folder = Path(folder)
        self.limit = megabytes * MEGABYTE

    def restore(self, key: str, outputs: Mapping[str, str]) -> dict[str, str] | None:
        """Write the entry's files to the paths `outputs`; their sums, or None: not in the store."""
        entry = self._place(key)
        try:
            sums = json.loads((entry / ENTRY).read_text(encoding="utf-8"))
            for name, path in outputs.items():
                shutil.copyfile(entry / name, path)
            found = {name: sum_of(path) for name, path in outputs.items()}
        except FileNotFoundError:
            if not entry.is_dir():
                return None
            found, sums = {}, None  # a file of the entry is gone
        except (json.JSONDecodeError, UnicodeDecodeError):
            found, sums = {}, None
        if found != sums:
            say(f"workings: the stored entry {entry} is damaged; the job runs again")
            self._remove(entry)
            return None
        with contextlib.suppress(OSError):  # gone meanwhile, or a store that is only read
            os.utime(entry)
        return found

    def keep(self, key: str, outputs: Mapping[str, str], sums: Mapping[str, str]) -> None:
        """Put copies of the files `outputs` into the store, then make room.

        A store that cannot be written (a full disk, a mount that is gone) costs time, not results.
        """
        entry = self._place(key)
        try:
            entry.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.folder) as folder:
                new = Path(folder) / "entry"
                new.mkdir()
                for name, path in outputs.items():
                    shutil.copyfile(path, new / name)
                (new / ENTRY).write_text(json.dumps(dict(sums)), encoding="utf-8")
                # Another writer of the same entry may have been faster; the rename then fails.
                with contextlib.suppress(OSError):
                    new.rename(entry)
            self._make_room()
        except OSError as error:
            say(f"workings: {self.folder}: the result is not stored ({error.strerror})")

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]

    def _make_room(self) -> None:
        entries = []
        for entry in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):  # removed by another process meanwhile
                size = sum(file.stat().st_size for file in entry.iterdir())
                entries.append((entry.stat().st_mtime, size, entry))
        room = self.limit - sum(size for _, size, _ in entries)
        for _, size, entry in sorted(entries):
            if room >= 0:
                break
            self._remove(entry)
            room += size
        for left in self.folder.glob(".*-*"):  # by a writer that was killed
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > HOUR:
                    shutil.rmtree(left, ignore_errors=True)

    def _remove(self, entry: Path) -> None:
        """Out of sight by one rename, so that no reader meets half an entry."""
        with (
            contextlib.suppress(OSError),  # another process was faster, or the store is only read
            tempfile.TemporaryDirectory(prefix=".old-", dir=self.folder) as aside,
        ):
            entry.rename(Path(aside) / "entry")


def key(plan: str, inputs: Mapping[str, str]) -> str:
    """The key of a run: of the hash of its plan, and the sum of each input by its path."""
    return hashlib.sha256(json.dumps([plan, sorted(inputs.items())]).encode()).hexdigest()
