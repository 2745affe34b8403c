"""What all tests share; nothing in here knows the report."""

from __future__ import annotations

import shutil
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


@pytest.fixture
def built(finished, tmp_path) -> Path:
    """A copy of the built report that these tests are about, to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))


@pytest.fixture
def fresh(finished, tmp_path) -> Path:
    """Its sources alone, as a clone has them."""
    generated = shutil.ignore_patterns("build", ".snakemake", ".cache", "report.pdf", "report.html")
    return Path(shutil.copytree(finished, tmp_path / "fresh", ignore=generated))
