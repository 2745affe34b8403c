"""What a machine does to a build: no room, nothing to write in, a reader that goes. A sentence each.

The build goes on afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workings.commands.reproduce import results

from .changing import replace
from .running import build, environment, page, plain

FULL = "no room left on the disk"
CHANGE = replace("config/default.yaml", "offset: 0", "offset: 1")


@contextlib.contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """A mount at that place, for as long as the test needs it."""
    mount = ["mount", *options, str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let a test mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def small(place: Path, room: int) -> Iterator[Path]:
    """A file system of its own, with what the folder held and so many bytes left; the file that fills it."""
    aside = place.rename(place.with_name("aside"))
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        shutil.copytree(aside, place, dirs_exist_ok=True)
        ballast = place / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        os.truncate(ballast, ballast.stat().st_size - room)
        yield ballast


# A job that fills the disk on which Snakemake keeps its records.
FILLS = """
    with open(".snakemake/more", "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
"""


@pytest.mark.parametrize("room", [0, 3_000_000])
def test_snakemakes_own_records_on_a_full_disk(built, room):
    """Full before the build, or filled while it runs."""
    CHANGE(built)
    if room:
        replace("analysis/doubled.py", "    slope = read", f"{FILLS}    slope = read")(built)
    with small(built / ".snakemake", room) as ballast:
        failed = build(built)
        assert not failed and FULL in failed.said.rstrip().rpartition("\n\n")[2]
        assert "Traceback" not in failed.said, failed.said[-3000:]
        ballast.unlink()
        (built / ".snakemake/more").unlink(missing_ok=True)
        done = build(built)
        assert done, done.said[-3000:]
        assert plain("Twice the slope is 100.4.") in plain(page(built))


def test_a_full_folder_for_temporary_files(built, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    CHANGE(built)
    with small(tmp_path / "full", 0):
        monkeypatch.setenv("TMPDIR", str(tmp_path / "full"))
        done = build(built)
    assert "Traceback" not in done.said
    assert done or FULL in done.said, done.said[-3000:]
    monkeypatch.delenv("TMPDIR")
    assert build(built)
    assert plain("Twice the slope is 100.4.") in plain(page(built))


def test_a_folder_that_is_only_read(built):
    before = results(built)
    with mounted(built, "--bind", str(built)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(built)], check=True)
        for options in ([], ["-n"]):
            failed = build(built, *options)
            assert not failed and "Traceback" not in failed.said
            assert "workings: .snakemake: cannot be written or read (Read-only" in failed.said
    assert "nothing to do" in build(built).said
    assert results(built) == before


def test_a_reader_that_has_had_enough(built):
    CHANGE(built)
    ran = subprocess.run(
        f"{sys.executable} -m snakemake -n | head -1",
        shell=True, cwd=built, env=environment(built), capture_output=True, text=True,
    )  # fmt: skip
    assert ran.stdout.startswith("doubled: ") and ran.stdout.count("\n") == 1
    assert "Error" not in ran.stderr and "Traceback" not in ran.stderr


def test_a_build_from_elsewhere_says_where_to_go(built):
    below = built / "analysis"
    ran = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-s", "../Snakefile"],
        cwd=below, env=environment(built), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert ran.returncode != 0 and "Traceback" not in ran.stdout
    assert f"workings: a report is built in its own folder; first: cd {built}" in ran.stdout
    assert not (below / "build").exists()
    home = build(built.parent, "-n", "--directory", built.name, "-s", f"{built.name}/Snakefile")
    assert home and "nothing to do" in home.said


@pytest.mark.parametrize("folder", ["build", ".."])
def test_a_folder_that_is_no_store_is_refused_before_anything_is_written(fresh, folder):
    refused = build(fresh, "--config", f"store={{folder: {folder}}}")
    assert not refused
    assert f"workings: --config: store.folder: {folder!r} is a folder of the report" in refused.said
    assert not (fresh / "build").exists() and not list(fresh.parent.glob("workings-store"))
