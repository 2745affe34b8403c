"""The finished part of a long job, kept so that an interrupted run goes on from where it was."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from workings.build.files import written_whole

FOLDER = Path("build/resume")


def key(*parts: str | bytes | Iterable[str]) -> str:
    """A hash of everything that a result depends on: only a run with the same one goes on."""
    whole = hashlib.sha256()
    for part in parts:
        if not isinstance(part, str | bytes):
            part = "\n".join(part)
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


class Kept:
    """Records of what is done, in one file that is whole at any time."""

    def __init__(self, name: str, key: str, dtype: np.dtype) -> None:
        self.path = FOLDER / f"{name}.npz"
        self.key, self.dtype = key, dtype
        self.records = self._read()

    def add(self, records: np.ndarray) -> None:
        """Keep these too."""
        self.records = np.concatenate([self.records, records])
        with (
            written_whole({"kept": str(self.path)}) as temporary,
            open(temporary["kept"], "wb") as f,
        ):
            np.savez(f, key=self.key, records=self.records)

    def remove(self) -> None:
        """The job is done: its outputs hold everything."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> np.ndarray:
        """What a run with the same key left; nothing if there is no such file or it is damaged."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if str(file["key"]) == self.key and file["records"].dtype == self.dtype:
                    return file["records"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            pass
        return np.empty(0, self.dtype)
