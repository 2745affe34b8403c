"""A build that is killed, at any moment and in any part, is finished by the plain command."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from workings.commands.reproduce import results

from . import real, small
from .changing import replace
from .running import build, command, environment, page

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

# More moments than `make test-all` tries: WORKINGS_MOMENTS=20 python -m pytest tests/engine/test_crashes.py
MOMENTS = int(os.environ.get("WORKINGS_MOMENTS", "0"))


@dataclass(frozen=True)
class Kind:
    """What is built.

    Args:
        project: writes it into a folder.
        jobs: how many of them a build runs.
        seconds: about as long as a job takes.
    """

    project: Callable[[Path], Path]
    jobs: int
    seconds: float


SMALL, REAL = Kind(small.project, 5, 1.0), Kind(real.project, 35, 4.0)


@pytest.fixture
def kind(request) -> Kind:
    """The small project, where a test asks for no other."""
    return getattr(request, "param", SMALL)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    folder = small.project(tmp_path_factory.mktemp("undisturbed"))
    assert build(folder)
    return folder


@pytest.fixture
def right(kind, request) -> dict[str, str]:
    """The sums of all results of a build that nothing disturbed."""
    return results(request.getfixturevalue("undisturbed" if kind is SMALL else "tiny_report"))


@pytest.fixture
def fresh(kind, tmp_path) -> Path:
    return kind.project(tmp_path / "project")


def start(folder: Path) -> subprocess.Popen:
    # As under a terminal: a shell that runs these tests in the background has Ctrl-C ignored.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command(folder), cwd=folder, env=environment(folder), start_new_session=True,
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


def jobs(folder: Path) -> set[int]:
    """The processes of the running jobs."""
    return {n for n, line in processes(folder).items() if "\0-m\0analysis.job\0" in line}


def wait_until(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def wait_for_job(running: subprocess.Popen, folder: Path, number: int) -> None:
    """Until the job of that number, in the order of their beginnings, runs or all is over."""
    seen: set[int] = set()

    def begun() -> bool:
        now = jobs(folder)
        seen.update(now)
        return (len(seen) >= number and bool(now)) or running.poll() is not None

    assert wait_until(begun, 300)


def check_finished(folder: Path, right: dict[str, str]) -> None:
    """The plain command finishes, with the same bytes, and nothing is left behind."""
    done = build(folder)
    assert done, done.said
    assert results(folder) == right
    assert "Nothing to be done" in build(folder).said
    assert processes(folder) == {}


def moments(quick: int, slow: int, of_the_report: int) -> list:
    """Seeds of random moments: most of them only in `make test-all`."""
    return [
        *(
            pytest.param(SMALL, seed, marks=[pytest.mark.slow] if seed >= quick else [])
            for seed in range(max(slow, MOMENTS))
        ),
        *(
            pytest.param(REAL, seed, marks=pytest.mark.slow)
            for seed in range(max(of_the_report, MOMENTS))
        ),
    ]


def named(value) -> str:
    return str(value) if isinstance(value, int) else "report" if value is REAL else "small"


@pytest.mark.parametrize(("kind", "seed"), moments(2, 20, 5), indirect=["kind"], ids=named)
def test_a_build_that_is_killed(kind, fresh, right, seed):
    moment = random.Random(seed)
    running = start(fresh)
    if number := moment.randrange(kind.jobs + 1):  # or even before the first job
        wait_for_job(running, fresh, number)
        time.sleep(moment.uniform(0, kind.seconds))
    else:
        time.sleep(moment.uniform(0, 2))
    running.kill()
    running.communicate()
    check_finished(fresh, right)


@pytest.mark.parametrize(("kind", "seed"), moments(2, 20, 5), indirect=["kind"], ids=named)
def test_a_job_that_is_killed(kind, fresh, right, seed):
    moment = random.Random(seed)
    running = start(fresh)
    wait_for_job(running, fresh, moment.randrange(kind.jobs) + 1)
    time.sleep(moment.uniform(0, kind.seconds))
    for number in jobs(fresh):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    running.communicate(timeout=300)
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
    """The page is under way, and would have been there had its job come to its end."""
    running = start(fresh)
    assert wait_until(lambda: any("latexmk" in line for line in processes(fresh).values()), 60)
    running.kill()
    running.communicate()
    assert wait_until(lambda: not processes(fresh), 60), processes(fresh)
    assert not (fresh / "report/report.pdf").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [REAL], indirect=True, ids=named)
def test_no_job_of_a_killed_report_goes_on(fresh):
    """The first jobs take seconds, so one that ended by itself would have left its manifest."""
    running = start(fresh)
    wait_for_job(running, fresh, 1)
    running.kill()
    running.communicate()
    assert wait_until(lambda: not processes(fresh), 60), processes(fresh)
    assert list((fresh / ".snakemake/workings").glob("*.json")) == []


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
    replace("report/report.tex", "\\printbibliography", "\\unknowncommand")(fresh)
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
