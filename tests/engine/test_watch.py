"""Watching shows a saved word on the page, then rebuilds; an error is shown and the page stays."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from workings.commands import watch

from .changing import replace
from .running import environment, page


@pytest.fixture
def watching(built):
    """A watched report, and the lines that are said of it."""
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "workings.cli", "watch", "--port", "0", "--cores", "1"], cwd=built,
        env=environment(built), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(
        target=lambda: [lines.put(line) for line in running.stdout], daemon=True
    ).start()
    yield built, lambda: lines.get(timeout=90)
    os.killpg(running.pid, 9)
    running.wait()


def shown(address: str, **headers: str) -> str:
    """What a browser gets at the address."""
    request = urllib.request.Request(address, headers=headers)
    return urllib.request.urlopen(request, timeout=10).read().decode("utf-8")


def test_a_saved_file_is_shown_and_rebuilt_and_an_error_is_said(watching):
    folder, line = watching
    said = line()
    address = re.search(r"watching, and showing the page at (\S+);", said)[1]
    assert "being built" in shown(address)
    assert "nothing to rebuild" in line()
    assert "This is said in a partial" in shown(address)
    stream = urllib.request.urlopen(f"{address}/events", timeout=60)
    replace("templates/partial.tex.j2", "said", "whispered")(folder)
    assert stream.readline() == b"data: doubled\n"  # the section at which the page is opened
    assert "This is whispered in a partial" in shown(address)
    said = line()
    assert "the page is up to date" in said
    assert "This is said" in page(folder)  # the PDF comes after the page
    while "the page is up to date" in said:  # a file may be seen while it is written
        said = line()
    assert "report/report.pdf is up to date" in said
    assert "computed: section doubled, ledger, page, report" in said
    assert "whispered" in page(folder)
    assert "whispered" in (folder / "report/report.html").read_text()
    replace("templates/partial.tex.j2", "whispered", "\\VAR{mass.slpoe | digits(1)}")(folder)
    assert "templates/partial.tex.j2:1: no 'mass.slpoe': did you mean 'slope'?" in line()
    assert "whispered" in page(folder) and "whispered" in shown(address)
    replace("templates/partial.tex.j2", "\\VAR{mass.slpoe | digits(1)}", "said")(folder)
    while "the page is up to date" in (said := line()):
        pass
    assert "restored: section doubled, ledger, page, report" in said
    assert "This is said in a partial" in page(folder)


def test_the_page_is_served_to_this_machine_and_under_no_other_name():
    server = watch.Server(0)
    address = f"http://127.0.0.1:{server.server_port}"
    assert "being built" in shown(address)
    for path, headers in [("/report.tex", {}), ("/", {"Host": "elsewhere.example"})]:
        with pytest.raises(urllib.error.HTTPError):
            shown(address + path, **headers)
    server.shutdown()


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
