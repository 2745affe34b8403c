"""A build that is killed, at any moment and in any part, is finished by the plain command.

On the scaffold here, and on this repository's report by tests/report/test_crashes.py.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from workings.build.lock import LEFTOVER
from workings.commands.reproduce import results

from .changing import Change, append, git, replace
from .running import build, command, environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

# More moments than `make test-all` tries: WORKINGS_MOMENTS=20 python -m pytest tests/engine/test_crashes.py
MOMENTS = max(10, int(os.environ.get("WORKINGS_MOMENTS", "0")))
SEEDS = [pytest.param(n, marks=[pytest.mark.slow] if n else []) for n in range(MOMENTS)]


class Kind(NamedTuple):
    """How many jobs a build runs, about how many seconds each takes, and how many moments to try."""

    jobs: int
    seconds: float
    moments: int


@pytest.fixture
def kind() -> Kind:
    return Kind(9, 1.0, MOMENTS)


@pytest.fixture
def moment(kind, seed) -> random.Random:
    if seed >= kind.moments:
        pytest.skip("enough moments of a long build")
    return random.Random(seed)


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


def running_jobs(folder: Path) -> set[int]:
    return {n for n, line in processes(folder).items() if "\0-m\0workings.job\0" in line}


def wait_until(condition, seconds: float = 60.0) -> bool:
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
        now = running_jobs(folder)
        seen.update(now)
        return (len(seen) >= number and bool(now)) or running.poll() is not None

    assert wait_until(begun, 300)


def wait_for_tex(folder: Path) -> None:
    assert wait_until(lambda: any("latexmk" in line for line in processes(folder).values()), 300)


def check_finished(folder: Path, finished: Path) -> None:
    """The plain command finishes, with the same bytes, and nothing is left behind."""
    done = build(folder)
    assert done, done.said
    assert results(folder) == results(finished)
    assert "nothing to do" in build(folder).said
    assert processes(folder) == {}
    assert [file for file in folder.rglob(".*.*") if LEFTOVER.fullmatch(file.name)] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_build_that_is_killed(kind, fresh, finished, moment):
    left = fresh / "build/measurements/.half.4711.json"  # of an earlier one
    left.parent.mkdir(parents=True)
    left.write_text("half")
    running = start(fresh)
    if number := moment.randrange(kind.jobs + 1):  # or even before the first job
        wait_for_job(running, fresh, number)
        time.sleep(moment.uniform(0, kind.seconds))
    else:
        time.sleep(moment.uniform(0, 2))
    running.kill()
    running.communicate()
    check_finished(fresh, finished)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_job_that_is_killed(kind, fresh, finished, moment):
    running = start(fresh)
    wait_for_job(running, fresh, moment.randrange(kind.jobs) + 1)
    time.sleep(moment.uniform(0, kind.seconds))
    for number in running_jobs(fresh):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    running.communicate(timeout=300)
    check_finished(fresh, finished)


def test_control_c(fresh, finished):
    running = start(fresh)
    wait_for_tex(fresh)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does, to all of its processes
    said, _ = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "workings: stopped after" in said and "Traceback" not in said
    assert wait_until(lambda: not processes(fresh))
    check_finished(fresh, finished)


def test_no_job_outlives_a_killed_build(fresh):
    """The page is under way, and would have been there had its job come to its end."""
    running = start(fresh)
    wait_for_tex(fresh)
    running.kill()
    running.communicate()
    assert wait_until(lambda: not processes(fresh)), processes(fresh)
    assert not (fresh / "report/report.pdf").exists()


def test_a_second_build_gets_one_clear_line_and_harms_nothing(fresh, finished):
    running = start(fresh)
    lock = fresh / "build/.lock"
    assert wait_until(lambda: lock.exists() and lock.read_text())
    second = build(fresh)
    assert not second
    assert f"another build is running in this folder (process {running.pid})" in second.said
    assert "Traceback" not in second.said
    assert build(fresh, "-n")  # looking is allowed
    said, _ = running.communicate(timeout=600)
    assert running.returncode == 0, said
    check_finished(fresh, finished)


# -- which result a build that was cut off leaves to the next --------------------------------------

# Put into site/ and so imported first, it ends the job LABEL at one stage, and where WHOLE its build too.
KILLER = """
import importlib, json, os, sys

def die(*given, **named):
    if WHOLE:
        os.kill(int(os.environ["WORKINGS_BUILD"]), 9)
    os._exit(137)

def before(place, name, calls=1):
    held = getattr(place, name)
    left = iter(range(calls - 1))
    setattr(place, name, lambda *a, **k: held(*a, **k) if next(left, None) is not None else die())

if "workings.job" in sys.orig_argv:
    with open(f".snakemake/workings/plans/{sys.orig_argv[3]}.json") as file:
        if json.load(file)["label"] == LABEL:
            from workings.build import fingerprint, lock, manifests, plan, store
            STAGE
"""
STAGES = {
    "before it starts": "die()",
    "in its start-up": "before(plan, 'read')",
    "at the store": "before(store.Store, 'restore')",
    "when it has computed": "before(fingerprint, 'located')",
    "while it places its files": "before(os, 'replace', 2)",
    "before its manifest": "before(manifests.Manifest, 'write')",
    "at its end": "import atexit; atexit.register(die)",
}
STORES = ("empty", "with the wanted", "with an older")
# What changed since the last build, and the first job that runs for it.
CHANGES: dict[str, tuple[Change, str]] = {
    "value": (replace("config/default.yaml", "bin: 1.0", "bin: 2.0"), "bills"),
    "template": (append("templates/sections/bills.tex.j2", "\nAll said.\n"), "section bills"),
    "data": (replace("data/penguins.csv", "Torgersen,39.1", "Torgersen,99.1"), "bills"),
    "value, taken back": (replace("config/default.yaml", "bin: 1.0", "bin: 2.0"), "bills"),
}
# Each stage once, and each kind of store and change; the others are slow.
QUICK = {8, 13, 27, 34, 47, 52, 66, 81}
KILLS = [
    pytest.param(*kill, n, marks=[] if n in QUICK else [pytest.mark.slow])
    for n, kill in enumerate(itertools.product(STAGES, STORES, CHANGES))
]


@pytest.fixture(scope="module")
def clean(finished, tmp_path_factory):
    """A clean copy's folder, built after a change of that name."""
    known: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in known:
            generated = shutil.ignore_patterns("build", ".snakemake", ".cache", "report.pdf")
            known[name] = tmp_path_factory.mktemp("clean") / "report"
            shutil.copytree(finished, known[name], ignore=generated)
            CHANGES[name][0](known[name])
            assert build(known[name])
        return known[name]

    return folder


@pytest.mark.parametrize(("stage", "store", "changed", "number"), KILLS)
def test_after_a_kill_the_page_is_the_wanted_one(
    built, finished, clean, stage, store, changed, number
):
    make, job = CHANGES[changed]
    if store == "empty":
        shutil.rmtree(built / ".cache")
    elif store == "with the wanted":
        shutil.copytree(clean(changed) / ".cache", built / ".cache", dirs_exist_ok=True)
    make(built)
    killer = built / "site/sitecustomize.py"
    killer.parent.mkdir()
    names = f"LABEL, WHOLE = {job if number % 3 else 'typeset'!r}, {number % 2 == 1}\n"
    killer.write_text(names + KILLER.replace("STAGE", STAGES[stage]))
    killed = build(built)
    assert not killed or (stage, store) == ("when it has computed", "with the wanted"), killed.said
    killer.unlink()
    if changed.endswith("taken back"):
        git(built, "checkout", "-q", "--", ".")
        wanted = finished
    else:
        wanted = clean(changed)
    done = build(built)
    assert done, done.said[-3000:]
    assert results(built) == results(wanted)


@pytest.mark.parametrize(
    "part",
    ["build", ".snakemake", ".snakemake/workings", ".snakemake/metadata", "report/report.pdf"],
)
def test_a_part_of_an_older_build_is_not_believed(finished, clean, tmp_path, part):
    mixed = Path(shutil.copytree(clean("value"), tmp_path / "mixed"))
    if (mixed / part).is_dir():
        shutil.rmtree(mixed / part)
        shutil.copytree(finished / part, mixed / part)
    else:
        shutil.copyfile(finished / part, mixed / part)
    done = build(mixed)
    assert done, done.said[-3000:]
    assert results(mixed) == results(clean("value"))
