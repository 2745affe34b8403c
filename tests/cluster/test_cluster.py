"""A report on a Slurm of four virtual nodes: the same bytes as here, whatever fails on the way.

`make test-cluster` runs it: it needs Debian's slurmctld, slurmd and munge, root, and the Python package
snakemake-executor-plugin-slurm. Jobs are held back by a file, so no moment is left to chance.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import scaffold
from tests.engine.changing import commit, replace
from tests.engine.running import ROOT, build, command, environment
from tests.engine.test_crashes import processes, running_jobs, wait_until
from workings.commands.reproduce import results

NODES = 4
START = Path(__file__).with_name("start_slurm.sh")
HELD = """\
    import time

    while Path("hold").exists():
        Path("held").touch()
        time.sleep(0.05)
    slope ="""
MEASURED = [f"build/measurements/{name}.json" for name in ("doubled", "bills", "mass")]
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10")


@pytest.fixture(scope="session", autouse=True)
def slurm(tmp_path_factory) -> Iterator[Path]:
    """Up for all tests; the machine is as it was afterwards."""
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run(["sh", START, "start", folder, str(NODES)], check=True)
    yield folder
    subprocess.run(["sh", START, "stop", folder], check=True)


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The scaffold with the job `doubled`, which waits while a file `hold` is there; built here."""
    folder = scaffold.extended(tmp_path_factory.mktemp("here") / "report")
    replace("analysis/doubled.py", "    slope =", HELD)(folder)
    commit(folder, "all")
    done = build(folder)
    assert done, done.said
    return folder


@pytest.fixture
def fresh(finished, tmp_path) -> Path:
    """The same report, not built, with an empty store."""
    folder = tmp_path / "report"
    kept = shutil.ignore_patterns("build", ".snakemake", ".cache", "report.pdf", "report.html")
    shutil.copytree(finished, folder, ignore=kept, symlinks=True)
    yield folder
    (folder / "hold").unlink(missing_ok=True)
    assert wait_until(lambda: not processes(folder), 60)


def on_slurm(folder: Path, *arguments: str) -> list[str]:
    """`snakemake --profile profiles/slurm`, which asks after its jobs more often than usual."""
    return [*command(folder)[:-2], "--profile", "profiles/slurm", *QUICK, *arguments]


def start(folder: Path, *targets: str) -> subprocess.Popen:
    log = (folder.parent / "said").open("w")
    return subprocess.Popen(
        on_slurm(folder, "--", *targets), cwd=folder, env=environment(folder), stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip


def said(folder: Path) -> str:
    return (folder.parent / "said").read_text()


def told(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def start_held(folder: Path) -> subprocess.Popen:
    """A build on the cluster, at the moment in which only `doubled` runs, and waits."""
    (folder / "hold").touch()
    running = start(folder, *MEASURED)
    assert wait_until((folder / "held").exists, 180), said(folder)
    return running


def check_finished(folder: Path, finished: Path) -> None:
    """The plain command, here, has what is missing; all is as if nothing had happened."""
    done = build(folder)
    assert done, done.said
    assert results(folder) == results(finished)
    assert "nothing to do" in build(folder).said


def test_a_report_has_the_same_bytes(finished, fresh):
    running = start(fresh)
    assert running.wait(300) == 0, said(fresh)
    assert results(fresh) == results(finished)
    assert "computed" in said(fresh) and "restored" not in said(fresh)
    nodes = told("squeue", "-h", "-t", "all", "-o", "%N").split()
    assert len(set(nodes)) > 1  # more than one of them had work
    assert build(fresh).computed == frozenset()


def test_this_report_has_the_same_bytes(tmp_path):
    folders = [tmp_path / "here", tmp_path / "there"]
    for folder in folders:
        subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    tiny = ("--configfile", "config/tiny.yaml")
    here, there = folders
    subprocess.run([*command(here), *tiny], cwd=here, env=environment(here), check=True)
    subprocess.run([*on_slurm(there), *tiny], cwd=there, env=environment(there), check=True)
    assert results(there) == results(here)


def test_a_job_that_is_killed_on_its_node_fails_alone(finished, fresh):
    running = start_held(fresh)
    for job in running_jobs(fresh):
        os.kill(job, signal.SIGKILL)
    assert running.wait(180) == 1
    assert "doubled: ended without a word" in said(fresh) and "slurm_logs" in said(fresh)
    (fresh / "hold").unlink()
    check_finished(fresh, finished)


def test_a_job_that_has_to_make_way_runs_again(finished, fresh):
    running = start_held(fresh)
    told("scontrol", "requeue", *told("squeue", "-h", "-o", "%i").split())
    (fresh / "hold").unlink()
    assert running.wait(300) == 0, said(fresh)
    check_finished(fresh, finished)


def test_a_node_that_drains_and_one_that_fails_are_gone_round(slurm, finished, fresh):
    node = "n1"
    told("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    try:
        running = start_held(fresh)
        job, node = told("squeue", "-h", "-o", "%i %N").split()
        assert node != "n1"
        os.kill(int(slurm.joinpath(f"slurmd-{node}.pid").read_text()), signal.SIGKILL)
        told("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        (fresh / "hold").unlink()
        assert running.wait(300) == 0, said(fresh)
        assert told("squeue", "-h", "-t", "all", "-j", job, "-o", "%N") not in ("n1", node)
    finally:
        subprocess.run(["slurmd", "-N", node], check=True)
        for one in ("n1", node):  # Slurm refuses this for one that came back by itself
            subprocess.run(["scontrol", "update", f"nodename={one}", "state=resume"])
        gone = ("sinfo", "-h", "-N", "-t", "drain,down", "-o", "%N")
        assert wait_until(lambda: not told(*gone), 60), told(*gone)
    check_finished(fresh, finished)


def test_jobs_of_a_killed_build_write_nothing_into_the_next(finished, fresh, tmp_path):
    """The client is killed; then the configuration changes, and the old job would write the old value."""
    other = tmp_path / "other"
    shutil.copytree(fresh, other, symlinks=True)
    running = start_held(fresh)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    job = running_jobs(fresh)
    assert job  # goes on: it cannot know
    for folder in (fresh, other):
        replace("config/default.yaml", "offset: 0", "offset: 1")(folder)
    (other / "hold").unlink(missing_ok=True)
    assert build(other)
    next_one = subprocess.Popen(command(fresh), cwd=fresh, env=environment(fresh))
    assert wait_until(lambda: not job & running_jobs(fresh), 60)
    (fresh / "hold").unlink()
    assert next_one.wait(120) == 0
    assert wait_until(lambda: not told("squeue", "-h"), 60)
    check_finished(fresh, other)


def test_a_job_that_waited_longer_than_its_build_lived_does_not_begin(finished, fresh):
    told("scontrol", "update", "partitionname=virtual", "state=down")
    try:
        running = start(fresh, *MEASURED)
        assert wait_until(lambda: len(told("squeue", "-h").splitlines()) == 2, 60), said(fresh)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        done = build(fresh)
        assert done, done.said
        before = {path: (fresh / path).stat().st_mtime_ns for path in results(fresh)}
    finally:
        told("scontrol", "update", "partitionname=virtual", "state=up")
    assert wait_until(lambda: not told("squeue", "-h"), 60)
    logs = [log.read_text() for log in (fresh / ".snakemake/slurm_logs").rglob("*.log")]
    assert len(logs) == 2 and all("another build has begun" in log for log in logs)
    assert {path: (fresh / path).stat().st_mtime_ns for path in results(fresh)} == before
    check_finished(fresh, finished)


def test_an_error_is_said_as_it_is_here(fresh):
    replace("analysis/mass.py", "def main", "raise SystemExit('no scales')\n\n\ndef main")(fresh)
    running = start(fresh, *MEASURED)
    assert running.wait(180) == 1
    assert "mass" in said(fresh).strip().rpartition("\n\n")[2]


def test_code_that_changed_since_a_job_was_submitted_does_not_run(fresh):
    told("scontrol", "update", "partitionname=virtual", "state=down")
    try:
        running = start(fresh, *MEASURED)
        assert wait_until(lambda: len(told("squeue", "-h").splitlines()) == 2, 60), said(fresh)
        replace("analysis/far.py", "n * factor", "factor * n")(fresh)
    finally:
        told("scontrol", "update", "partitionname=virtual", "state=up")
    assert running.wait(180) == 1
    assert "has not what the job 'mass' was submitted with: code analysis/far.py" in said(fresh)
    assert not (fresh / "build/measurements/mass.json").exists()
