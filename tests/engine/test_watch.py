"""Watching rebuilds on save and says it in a line; an error is shown and the page stays."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading

import pytest

from workings.commands import watch

from .running import environment, page
from .small import project


@pytest.fixture
def watching(tmp_path):
    """A watched small project, and the lines that are said of it."""
    folder = project(tmp_path / "small")
    running = subprocess.Popen(
        [sys.executable, "-u", "-m", "workings.commands.watch", "--cores", "1"], cwd=folder,
        env=environment(folder), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(
        target=lambda: [lines.put(line) for line in running.stdout], daemon=True
    ).start()
    yield folder, lambda: lines.get(timeout=90)
    os.killpg(running.pid, 9)
    running.wait()


def test_a_saved_file_is_rebuilt_and_an_error_is_shown(watching):
    folder, line = watching
    assert "watching" in line()
    assert "report/report.pdf is up to date" in line()
    template = folder / "templates/partial.tex.j2"
    template.write_text("This is whispered.\n")
    said = line()
    assert "computed: section first, report" in said
    assert "whispered" in page(folder)
    template.write_text("This is \\VAR{num('counted.wrods')}.\n")
    assert "no measurement 'counted.wrods'" in (said := line()), said
    assert "templates/partial.tex.j2:1" in said
    assert "whispered" in page(folder)
    template.write_text("This is said again.\n")
    assert "report/report.pdf is up to date" in line()
    assert "said again" in page(folder)


def test_what_is_refused_before_any_job_is_told():
    output = (
        'Using profile\nWorkflowError in file "Snakefile", line 11:\n\n'
        "my.yaml:2: occlusion.patch: 40; expected\n"
    )
    assert watch.told(1, output, 1.0) == "my.yaml:2: occlusion.patch: 40; expected"
    assert watch.told(0, "Nothing to be done", 1.0) == "nothing to rebuild [1.0 s]"
