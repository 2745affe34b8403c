"""A job writes only for the build that is going on, and only what that build's code makes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workings import workflow
from workings.build import fingerprint, lease, plan
from workings.build.plan import Plan
from workings.messages import InputError

from .running import ROOT

WORDS = ("WORKINGS_WORD", "WORKINGS_SUBMITTED", "WORKINGS_BUILD", "WORKINGS_BEGAN")


@pytest.fixture
def build(in_folder, monkeypatch):
    """A build has begun in the folder; the environment is put back afterwards."""
    for word in WORDS:
        monkeypatch.setenv(word, "")
        monkeypatch.delenv(word)
    lease.begin_build()
    return in_folder


def begin_another() -> None:
    lease.PLACE.write_text("elsewhere 4711 1")


def test_a_job_of_this_build_goes_on(build):
    lease.hold()
    lease.PLACE.unlink()  # build/ was deleted
    lease.hold()


def test_a_job_of_an_earlier_build_is_refused_before_and_after_it_computed(build):
    begin_another()
    for begin in (lease.hold, lease.begin_submitted, lease.begin_job):
        with pytest.raises(InputError, match=r"another build has begun .*elsewhere, process 4711"):
            begin()
    assert not lease.is_submitted()


SCRIPT = '''"""A job, in whose middle another build begins."""
from pathlib import Path


def main(config, inputs, outputs):
    Path(outputs.out).write_text("new")
    Path("build/.build").write_text("elsewhere 4711 1")
'''


@pytest.fixture
def planned(build) -> Plan:
    Path("analysis").mkdir()
    Path("analysis/__init__.py").touch()
    Path("analysis/late.py").write_text(SCRIPT)
    Path("build/out.txt").write_text("of the other build")
    made = Plan("late", "analysis.late", {}, {"out": "build/out.txt"}, {}, [])
    made.write()
    return made


def test_a_job_that_is_overtaken_leaves_what_is_there(planned):
    ran = subprocess.run(
        [sys.executable, "-m", "workings.job", planned.hash, "1"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": f".{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert ran.returncode == 1 and "another build has begun" in ran.stderr
    assert Path("build/out.txt").read_text() == "of the other build"
    assert not list(Path("build").glob(".out*"))


def test_a_job_on_another_machine_ends_soon_after_its_build(build):
    waits = (
        "import time; from workings.build import lease; lease.begin_submitted(); "
        "lease.begin_job(); print('begun', flush=True); time.sleep(60)"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", waits], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert running.stdout.readline() == "begun\n"
    began = time.monotonic()
    begin_another()
    assert running.wait(30) == 1 and time.monotonic() - began < 30


# -- the plan that was submitted -------------------------------------------------------------------


PLAN = Plan(
    "late", "analysis.late", {}, {"out": "build/out.txt"}, {}, ["code a.py 1", "config a.b = 1"]
)


def test_what_the_submitting_machine_says_reaches_the_job(in_folder):
    assert plan.sent(PLAN.outputs) is None
    assert PLAN.send(f"{PLAN.hash} anew") == plan.sent(PLAN.outputs) == f"{PLAN.hash} anew"
    plan.forget()
    assert plan.sent(PLAN.outputs) is None


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("config a.b = 2", False),  # the job is given what was submitted
        ("code a.py 2", True),
        ("package numpy 1.0", True),
    ],
)
def test_a_machine_with_other_code_or_packages_is_refused(in_folder, monkeypatch, line, refused):
    monkeypatch.setenv("WORKINGS_NOTES", "notes")
    Path("notes").mkdir()
    name = PLAN.write()
    key = fingerprint.keyed(line)[0]
    kept = [old for old in PLAN.fingerprint if fingerprint.keyed(old)[0] != key]
    here = dataclasses.replace(PLAN, fingerprint=[*kept, line])
    if not refused:
        return workflow._hold_against(name, here)
    with pytest.raises(InputError, match=f"submitted with: {key}"):
        workflow._hold_against(name, here)
    [told] = [json.loads(file.read_text()) for file in Path("notes").iterdir()]
    assert told[:2] == ["failed", "build/out.txt"] and key in told[2]
    return None
