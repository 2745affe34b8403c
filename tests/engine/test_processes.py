"""A program that a job starts does not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from workings.build import processes


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
