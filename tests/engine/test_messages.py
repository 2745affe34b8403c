"""What a job says: whole lines, how far it is, and in one block what nobody expected."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from workings import messages, notes

SAYS = """
from workings import messages
messages.PAUSE = 0.0
messages.say("one: restored from the store")
list(messages.track("a", "two"))
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
    monkeypatch.setattr(messages, "PAUSE", 1000.0)
    assert list(messages.track(iter("abc"), "letters")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(messages, "PAUSE", 0.0)
    assert list(messages.track(iter("ab"), "letters")) == ["a", "b"]
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["letters: 1", "letters: 2"]


def test_a_note_that_nobody_can_read_is_no_failure(in_folder, monkeypatch):
    monkeypatch.delenv("WORKINGS_NOTES", raising=False)
    assert not notes.note("failed", "a", "text")
    monkeypatch.setenv("WORKINGS_NOTES", "gone")  # the build has ended
    assert not notes.note("failed", "a", "text")
    told = notes.Notes()
    assert notes.note("failed", "a", "two\nlines") and notes.note("computed", "b", "")
    assert told.by_output("failed") == {"a": "two\nlines"}
    told.remove()
    assert not notes.note("failed", "a", "text") and not told.folder.exists()


RAISES = """
import json

def deeper(n):
    return deeper(n - 1) if n else json.loads('{"a": ')

def fails(words):
    raise ValueError(words)

def wraps(words):
    try:
        fails(words)
    except ValueError as error:
        raise KeyError("outer") from error
"""


def test_an_unexpected_exception_is_a_block_of_the_reports_own_lines_its_cause_last(in_folder):
    Path("raises.py").write_text(RAISES)

    def block(function: str, given, file: str = "raises.py") -> list[str]:
        space: dict = {}
        exec(compile(RAISES, str(in_folder / file), "exec"), space)
        with pytest.raises((ValueError, KeyError)) as caught:
            space[function](given)
        return notes.of_exception(caught.value, "bills").splitlines()

    first, *frames, last = block("deeper", 50)
    assert first == "workings: the job 'bills' stopped with an exception"
    assert len(frames) == notes.FRAMES  # none of json's
    assert all(len(line) <= 300 for line in notes.block(frames[0] * 20).splitlines())
    assert {line.split(":")[0] for line in frames} == {"  raises.py"}
    assert frames[-1].startswith("  raises.py:5, in deeper: return deeper(n - 1) if n else json")
    assert last == "json.decoder.JSONDecodeError: Expecting value: line 1 column 7 (char 6)"
    *_, first, _, frame, last = block("wraps", "inner")  # what it was raised from comes last
    assert (first, last) == ("raised from", "ValueError: inner")
    assert frame == "  raises.py:8, in fails: raise ValueError(words)"
    assert len(block("deeper", 50, ".venv/lib/site-packages/raises.py")) == 2


def test_a_near_name_is_suggested():
    assert messages.did_you_mean("lowset", ["lowest", "labels"]) == "did you mean 'lowest'? "
    assert messages.did_you_mean("xyz", ["lowest", "labels"]) == ""
