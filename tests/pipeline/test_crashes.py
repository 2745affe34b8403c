"""A build that is killed, at any moment and in any part, is finished by the plain command."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .small import build, command, environment, page, project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")
RESULTS = ("build/measurements", "build/arrays", "build/sections", "build/quotes", "report")


def sums(folder: Path) -> dict[str, str]:
    """The sha256 of every result."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in RESULTS
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def right(tmp_path_factory) -> dict[str, str]:
    """The results of a build that nothing disturbed."""
    folder = project(tmp_path_factory.mktemp("undisturbed"))
    assert build(folder)
    return sums(folder)


@pytest.fixture
def fresh(tmp_path) -> Path:
    return project(tmp_path / "small")


def start(folder: Path) -> subprocess.Popen:
    # As under a terminal: a shell that runs these tests in the background has Ctrl-C ignored.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command(cores=2), cwd=folder, env=environment(folder), start_new_session=True,
        preexec_fn=heed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def processes(folder: Path) -> dict[int, str]:
    """The command lines of all living processes that work in the folder, by their numbers."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            here = entry.name.isdigit() and (entry / "cwd").readlink() == folder
            if here and (line := (entry / "cmdline").read_bytes()):  # a zombie's is empty
                found[int(entry.name)] = line.decode(errors="replace")
    return found


def wait_until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def check_finished(folder: Path, right: dict[str, str]) -> None:
    """The plain command finishes, with the same bytes, and nothing is left behind."""
    done = build(folder, cores=2)
    assert done, done.said
    assert sums(folder) == right
    assert "Nothing to be done" in build(folder).said
    assert processes(folder) == {}


def moments(quick: int, slow: int) -> list:
    """Seeds of random moments; most of them only in `make test-all`."""
    return [
        pytest.param(seed, marks=[pytest.mark.slow] if seed >= quick else [])
        for seed in range(slow)
    ]


@pytest.mark.parametrize("seed", moments(2, 20))
def test_a_build_that_is_killed(fresh, right, seed):
    running = start(fresh)
    time.sleep(random.Random(seed).uniform(0.3, 5))
    running.kill()
    running.communicate()
    check_finished(fresh, right)


@pytest.mark.parametrize("seed", moments(2, 20))
def test_a_job_that_is_killed(fresh, right, seed):
    moment = random.Random(seed)
    running = start(fresh)
    wanted = moment.randrange(1, 6)  # which job, in the order of their beginnings
    seen: set[int] = set()

    def begun() -> bool:
        jobs = {n for n, line in processes(fresh).items() if "\0-m\0analysis.job\0" in line}
        seen.update(jobs)
        return (len(seen) >= wanted and bool(jobs)) or running.poll() is not None

    assert wait_until(begun, 60)
    time.sleep(moment.uniform(0, 0.4))
    for number, line in processes(fresh).items():
        if "\0-m\0analysis.job\0" in line:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    running.communicate(timeout=60)
    check_finished(fresh, right)


def test_control_c(fresh, right):
    running = start(fresh)
    assert wait_until(lambda: (fresh / "build/latex").exists(), 60)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does, to all of its processes
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert wait_until(lambda: not processes(fresh))
    check_finished(fresh, right)


def test_no_job_outlives_a_killed_build(fresh):
    running = start(fresh)
    assert wait_until(lambda: any("pdflatex" in line for line in processes(fresh).values()), 60)
    running.kill()
    running.communicate()
    assert wait_until(lambda: not processes(fresh), 5), processes(fresh)


def test_a_second_build_gets_one_clear_line_and_harms_nothing(fresh, right):
    running = start(fresh)
    assert wait_until(
        lambda: (fresh / "build/.lock").exists() and (fresh / "build/.lock").read_text()
    )
    second = build(fresh)
    assert not second
    assert f"another build is running in this folder (process {running.pid})" in second.said
    assert "Traceback" not in second.said
    assert build(fresh, "-n")  # looking is allowed
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 0, said
    check_finished(fresh, right)


def test_a_failing_page_leaves_the_last_good_one(fresh):
    assert build(fresh)
    good = (fresh / "report/report.pdf").read_bytes()
    shell = fresh / "report/report.tex"
    shell.write_text(shell.read_text().replace("\\printbibliography", "\\unknowncommand"))
    failed = build(fresh)
    assert not failed and "TeX stopped: Undefined control sequence" in failed.said
    assert (fresh / "report/report.pdf").read_bytes() == good


def test_a_killed_build_leaves_no_temporary_file(fresh):
    left = fresh / "build/measurements/.counted.4711.json"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    assert build(fresh)
    assert not left.exists()
    assert "counted(5)" in page(fresh)
