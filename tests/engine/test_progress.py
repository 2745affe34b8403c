"""Lines of jobs that run side by side do not run into each other."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from workings import messages as progress

SAYS = """
from workings import messages as progress
progress.PAUSE = 0.0
progress.say("one: restored from the store")
list(progress.track("a", "two"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a socket that keeps writes apart")
def test_a_line_and_its_end_are_written_at_once(root):
    ours, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, given:
        subprocess.run([sys.executable, "-c", SAYS], stderr=given, cwd=root, check=True)
        given.close()
        written = list(iter(lambda: ours.recv(1000), b""))
    assert written[0] == b"one: restored from the store\n"
    assert written[1].startswith(b"two: 1 of 1, ") and written[1].endswith(b" s\n")
    assert len(written) == 2


def test_a_log_has_a_line_now_and_then_and_every_item_comes(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PAUSE", 1000.0)
    assert list(progress.track(iter("abc"), "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    assert list(progress.track(iter("ab"), "letters")) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["letters: 1", "letters: 2"]
