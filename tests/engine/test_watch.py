"""Watching rebuilds on save and says it in a line; an error is shown and the page stays."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading

import pytest

from workings.commands import watch

from .changing import replace
from .running import environment, page


@pytest.fixture
def watching(built):
    """A watched report, and the lines that are said of it."""
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "workings.cli", "watch", "--cores", "1"], cwd=built,
        env=environment(built), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(
        target=lambda: [lines.put(line) for line in running.stdout], daemon=True
    ).start()
    yield built, lambda: lines.get(timeout=90)
    os.killpg(running.pid, 9)
    running.wait()


def test_a_saved_file_is_rebuilt_and_an_error_is_shown(watching):
    folder, line = watching
    assert "watching" in line()
    assert "nothing to rebuild" in line()
    replace("templates/partial.tex.j2", "said", "whispered")(folder)
    said = line()
    assert (
        "report/report.pdf is up to date" in said
        and "computed: section doubled, ledger, report" in said
    )
    assert "whispered" in page(folder)
    replace("templates/partial.tex.j2", "whispered", "\\VAR{mass.slpoe | digits(1)}")(folder)
    assert "templates/partial.tex.j2:1: no 'mass.slpoe': did you mean 'slope'?" in line()
    assert "whispered" in page(folder)
    replace("templates/partial.tex.j2", "\\VAR{mass.slpoe | digits(1)}", "said")(folder)
    assert "restored: section doubled, ledger, report" in line()
    assert "This is said in a partial" in page(folder)


@pytest.mark.parametrize(
    ("status", "output", "told"),
    [
        (1, "Using profile\n\nworkings: my.yaml:2: a.b: 40; expected\n", "my.yaml:2: a.b: 40; expected"),
        (1, "a: failed\n\nworkings: the job 'a' stopped\n  a.py:3, in f: x\nNameError: x\n",
         "the job 'a' stopped\n  a.py:3, in f: x\nNameError: x"),
        (1, "one\ntwo\n", "one\ntwo"),
        (0, "Using profile\nnothing to do\n", "nothing to rebuild [1.0 s]"),
        (0, "a: A.\nworkings: done (3 s; computed: a)\n", "done (3 s; computed: a) [1.0 s]"),
    ],
)  # fmt: skip
def test_what_is_told_of_a_build(status, output, told):
    assert watch.told(status, output, 1.0) == told
