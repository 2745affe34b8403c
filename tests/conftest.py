"""What all tests share; nothing in here knows the report."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# A busy machine is no failure.
hypothesis.settings.register_profile("workings", deadline=None)
hypothesis.settings.load_profile("workings")


@pytest.fixture(scope="session")
def once(tmp_path_factory, request) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that the first who asks for its name makes, and all processes of the run read."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if hasattr(request.config, "workerinput") else base

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        made, done = base / name, base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                make(made)
                done.touch()
        return made

    return folder


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
