"""What a person sees of a build: why a job runs, what came of it, and an error last, once."""

from __future__ import annotations

import logging
import os
import sys
import time
from types import SimpleNamespace

import pytest
from snakemake.jobs import Reason
from snakemake.persistence import ParamsChange
from snakemake_interface_logger_plugins.common import LogEvent

from workings import notes, terminal


@pytest.fixture
def build(monkeypatch):
    """A terminal that is told events; it sees a build of two jobs."""
    monkeypatch.setenv("WORKINGS_NOTES", "")  # put back afterwards

    def begun(dry: bool = False) -> SimpleNamespace:
        handler = terminal.LogHandler(SimpleNamespace(stdout=True, dryrun=dry), None)

        def tell(text: str = "", event: LogEvent | None = None, **fields) -> None:
            fields |= {"event": event} if event else {}
            handler.emit(logging.makeLogRecord({"msg": text, **fields}))

        def job(number: int, name: str, output: str, event=LogEvent.JOB_INFO, **fields) -> None:
            known = {"jobid": number, "rule_name": name, "output": [output], "wildcards": fields}
            tell("", event, **known, shellcmd="", rule_msg="Do it.", reason="Forced execution")

        tell("", LogEvent.RUN_INFO, stats={"all": 1, "bills": 1, "section": 1, "total": 3})
        return SimpleNamespace(tell=tell, job=job, close=handler.close, notes=handler.notes)

    return begun


# -- why a job runs --------------------------------------------------------------------------------

REASONS = [
    ({"missing_output": {"b", "a"}}, ["missing a, b"]),
    ({"missing_output": set("abcdefgh")}, ["missing a, b, c, d, e, f and 2 more"]),
    ({"updated_input": {"d.csv"}}, ["changed d.csv"]),
    ({"updated_input": {"x"}, "updated_input_run": {"x"}}, ["after x"]),
    ({"updated_input": {"x", "d.csv"}, "updated_input_run": {"x"}}, ["changed d.csv"]),
    ({"forced": True}, ["Forced execution"]),
    ({"input_changed": True}, ["Set of input files has changed since last execution"]),
]  # fmt: skip
CHANGES = [
    ("config bills.bin = 1.0", "config bills.bin = 2", "bills.bin = 1.0 → 2"),
    ("", "config bills.bin = 2", "bills.bin = nothing → 2"),
    ("code analysis/bills.py 0a", "code analysis/bills.py 1b", "analysis/bills.py"),
    ("text analysis/bills.py 0a", "text analysis/bills.py 1b", "analysis/bills.py"),
    ("style workings.sty 0a", "style workings.sty 1b", "workings.sty"),
    ("class = article", "class = IEEEtran", "class article → IEEEtran"),
    ("package numpy 1.0", "package numpy 2.0", "numpy 1.0 → 2.0"),
    ("program pdflatex = TeX 1", "program pdflatex = TeX 2", "pdflatex TeX 1 → TeX 2"),
    ('config a.b = "it\'s, now: 1"', 'config a.b = "say \\"x\\""',
     'a.b = "it\'s, now: 1" → "say \\"x\\""'),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "short"), REASONS)
def test_a_reason_is_short(facts, short):
    reason = Reason()
    for name, value in facts.items():
        if isinstance(value, set):
            getattr(reason, name).update(value)
        else:
            setattr(reason, name, value)
    assert terminal.reasons(str(reason)) == short


@pytest.mark.parametrize(("before", "now", "short"), CHANGES)
def test_a_changed_line_of_the_fingerprint_is_said_once(before, now, short):
    reason = Reason()
    old, new = ({repr(line)} if line else set() for line in (before, now))
    reason.params_changed = ParamsChange(old, new, {"out"})
    assert terminal.reasons(str(reason)) == [short]


# -- what came of it -------------------------------------------------------------------------------


def test_a_dry_run_and_one_with_nothing_to_do_say_so(build, capsys):
    build(dry=True).close()
    assert capsys.readouterr().out == "workings: 2 jobs would run\n"
    build().tell("Nothing to be done (all requested files are present and up to date).")
    assert capsys.readouterr().out == "nothing to do\n"


def test_control_c_is_no_failure(build, capsys):
    running = build()
    running.job(1, "bills", "build/bills.json")
    running.tell("Terminating processes on user request, this might take some time.")
    running.tell("Command 'x' died with SIGTERM", LogEvent.ERROR)
    running.job(1, "bills", "build/bills.json", event=LogEvent.JOB_ERROR)
    running.close()
    assert not running.notes.folder.exists()
    assert capsys.readouterr().out.splitlines()[1:] == ["workings: stopped after 0 of 2 jobs"]


SNAKEMAKES = (
    'InputError in file "/x/Snakefile", line 4:\na.yaml:1: a.b: 60; expected 1\na.yaml:2: a.c: 0\n'
    '  File "/x/Snakefile", line 4, in <module>\n  File "/engine/workflow.py", line 57, in open_report'
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SNAKEMAKES, ["workings: a.yaml:1: a.b: 60; expected 1", "a.yaml:2: a.c: 0"]),
        (
            'KeyError in file "/x/Snakefile", line 4:\n\'a\'\n  File "/x/Snakefile", line 4, in <module>',
            ['  File "/x/Snakefile", line 4, in <module>', 'KeyError in file "/x/Snakefile", line 4:', "'a'"],
        ),
        ("MissingRuleException:\nNo rule to produce x", ["MissingRuleException:", "No rule to produce x"]),
    ],
)  # fmt: skip
def test_an_error_before_any_job_has_its_cause_last(build, capsys, text, shown):
    running = build()
    running.tell(text, LogEvent.ERROR)
    running.close()
    said = capsys.readouterr().out
    assert terminal.cause(f"Using a profile\n{said}").splitlines() == shown


def test_a_long_error_is_broken_into_lines_and_not_cut_and_one_without_end_is(build, capsys):
    running = build()
    words = " ".join(f"word{n}" for n in range(200))
    running.tell(f'InputError in file "S", line 1:\n{words}', LogEvent.ERROR)
    running.close()
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(map(str.strip, lines)) == f" workings: {words}"
    assert max(map(len, lines)) <= terminal.WIDTH
    running = build()
    running.tell('InputError in file "S", line 1:\n' + "a.yaml:1: wrong\n" * 100, LogEvent.ERROR)
    running.close()
    _, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == notes.LINES + 1 and lines[notes.LINES // 2] == "  … and 84 lines more …"


def test_the_bar_stands_below_what_is_printed(build, monkeypatch):
    ours, given = os.openpty()
    with os.fdopen(given, "w") as tty:
        monkeypatch.setattr(sys, "stdout", tty)
        monkeypatch.setattr(sys, "stderr", tty)
        running = build()
        running.job(1, "bills", "build/bills.json")
        time.sleep(3 * terminal.GLANCE)
        running.tell("", LogEvent.JOB_FINISHED, job_id=1)
        running.close()
        drawn = b""
        while not drawn.endswith(b"jobs\r\n"):  # a terminal hands on in pieces
            drawn += os.read(ours, 10000)
    os.close(ours)
    *_, bar, last = drawn.decode().split(terminal.CLEAR)
    assert f"{'╌' * 20} 0 of 2, " in bar and "s: bills\x1b[A" in bar
    assert last == "workings: stopped after 1 of 2 jobs\r\n"
