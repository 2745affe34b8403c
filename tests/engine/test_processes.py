"""Work is spread over processes, each prepared once; none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from workings.build import processes

_offset = None


def prepare(offset: int) -> None:
    global _offset
    assert _offset is None, "prepared twice"
    _offset = offset


def shifted(item: int) -> tuple[int, int]:
    return os.getpid(), item + _offset


def fails(item: int) -> int:
    raise ValueError(f"no {item}")


@pytest.fixture(autouse=True)
def unprepared():
    global _offset
    _offset = None


@pytest.mark.parametrize(("items", "count"), [([3, 1, 2], 1), ([3, 1, 2], 2), ([3, 1], 5), ([], 2)])
def test_every_item_is_done_once(items, count):
    done = list(processes.spread(shifted, items, prepare, (10,), count))
    assert sorted(result for _, result in done) == sorted(item + 10 for item in items)
    assert (os.getpid() in {process for process, _ in done}) == (count == 1)


def test_a_failure_reaches_the_caller():
    with pytest.raises(ValueError, match="no 7"):
        list(processes.spread(fails, [7, 7], prepare, (1,), 2))


@pytest.mark.parametrize(("value", "count"), [(None, 1), ("3", 3), ("0", 1)])
def test_the_rules_threads_are_the_processes(monkeypatch, value, count):
    monkeypatch.delenv("WORKINGS_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("WORKINGS_THREADS", value)
    assert processes.count() == count


ORPHANS = r"""
import os, time
from workings.build import processes

def tell_and_wait(item):
    os.write(1, f"{os.getpid()}\n".encode())  # one write: print may make two
    time.sleep(120)

list(processes.spread(tell_and_wait, [1, 2], len, ((),), 2))
"""


def end_with(parent: subprocess.Popen, how: int, children: list[int]) -> None:
    """End the parent; the children are gone soon after."""
    parent.send_signal(how)
    parent.wait()
    until = time.monotonic() + 10
    while left := [child for child in children if alive(child)]:
        if time.monotonic() > until:
            for child in left:
                os.kill(child, signal.SIGKILL)
            pytest.fail("a process outlived its parent")
        time.sleep(0.05)


def test_a_killed_parent_takes_its_processes_along(root):
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHANS], cwd=root, stdout=subprocess.PIPE, text=True
    )
    end_with(parent, signal.SIGKILL, [int(parent.stdout.readline()) for _ in range(2)])


PROGRAM = r"""
import os, sys
from workings.build import processes

processes.run(["sh", "-c", "echo $$ > started; sleep 120; echo late > written"], os.environ)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_parent_takes_a_program_and_its_children_along(root, tmp_path, how):
    parent = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root)}
    )
    started = tmp_path / "started"
    while not (started.exists() and started.read_text().endswith("\n")):
        assert parent.poll() is None
        time.sleep(0.02)
    end_with(parent, how, [int(started.read_text())])


def test_a_program_gives_its_output_and_leaves_nothing(tmp_path):
    ran = processes.run(["sh", "-c", "echo out; echo err >&2; exit 3"], dict(os.environ))
    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "out\n", "err\n")


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
