"""What all tests share; nothing in here knows the report."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

# A busy machine is no failure.
hypothesis.settings.register_profile("workings", deadline=None)
hypothesis.settings.load_profile("workings")


@pytest.fixture
def root() -> Path:
    """The repository's folder, to read from."""
    return Path(__file__).parents[1]


@pytest.fixture
def in_folder(tmp_path, monkeypatch) -> Path:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
