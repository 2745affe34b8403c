"""What the tests of the engine share: the scaffold with one job more, built."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import scaffold
from .changing import commit
from .running import build


@pytest.fixture(scope="session")
def finished(once) -> Path:
    """Committed and built; what the build said is in the file `said` beside it."""

    def make(to: Path) -> None:
        folder = scaffold.extended(to / "report")
        commit(folder, "all")
        done = build(folder)
        assert done, done.said
        (to / "said").write_text(done.said)

    return once("scaffold", make) / "report"
