"""A job killed at any moment, again and again, with two configurations: then it runs, and has the right result.

Each kill is that of a process which has everything loaded, so that it meets the store, the files and the
manifest and not the start of Python; test_crashes.py kills whole builds and each stage by name. 100 examples,
the same moments every time as far as a clock can; more and others with WORKINGS_EXAMPLES=2000.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from workings import job
from workings.build import manifests
from workings.build.plan import Plan
from workings.build.store import Store, key, sum_of

MORE = int(os.environ.get("WORKINGS_EXAMPLES", "0"))
FILES = {"out": "o.txt", "other": "p.txt"}
BINS = (8, 9)

# Which configuration runs, and after which share of its time it is killed.
_killed = st.tuples(st.sampled_from(BINS), st.floats(0, 1.2))
_cases = st.tuples(st.lists(_killed, min_size=1, max_size=3), st.sampled_from(BINS))


def planned(bin: int) -> Plan:
    return Plan(
        "given", "analysis.given", {"text": "in.txt"}, FILES, {"bin": bin}, [f"config bin = {bin}"], ""
    )  # fmt: skip


def right(bin: int, name: str) -> str:
    return f"{name} {bin}\n" * 20_000


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    """Where `analysis.given` writes two files, bit by bit."""

    def main(config, inputs, outputs):
        for name in FILES:
            text = right(config["bin"], name)
            with open(getattr(outputs, name), "w") as file:
                for n in range(0, len(text), 4096):
                    file.write(text[n : n + 4096])
                    file.flush()

    module = ModuleType("analysis.given")
    module.main = main
    monkeypatch.setitem(sys.modules, "analysis.given", module)
    monkeypatch.setenv("WORKINGS_CLASS", "")  # put back afterwards
    monkeypatch.chdir(tmp_path)
    return tmp_path


def started(run: Callable[[], object]) -> int:
    """A process that does it, at its beginning."""
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.write(go, b"!")
            run()
            status = 0
        finally:
            os._exit(status)
    os.close(go)
    os.read(ready, 1)
    os.close(ready)
    return child


def check(kept: Store) -> None:
    """Each file is whole, each manifest tells the truth, and the store gives what belongs to a key."""
    texts = {name: Path(path).read_text() for name, path in FILES.items() if Path(path).exists()}
    for name, text in texts.items():
        assert text in [right(bin, name) for bin in BINS]
    for run in manifests.read():
        if all(Path(path).exists() and sum_of(path) == run.sums[n] for n, path in FILES.items()):
            (bin,) = [bin for bin in BINS if planned(bin).hash == run.plan]
            assert texts == {name: right(bin, name) for name in FILES}
    for bin in BINS:
        back = {name: f"back-{name}" for name in FILES}
        if kept.restore(key(planned(bin).hash, {"in.txt": sum_of("in.txt")}), back):
            assert {n: Path(p).read_text() for n, p in back.items()} == {
                n: right(bin, n) for n in FILES
            }


def kill_often(folder: Path) -> None:
    """Kill the job in every case, and hold what is there against what is right."""

    # What depends on the clock cannot be made smaller, so only draw.
    @given(_cases)
    @settings(
        max_examples=MORE or 100, derandomize=not MORE, deadline=None, database=None,
        phases=[Phase.generate],
    )  # fmt: skip
    def tried(case):
        moments, wanted = case
        with tempfile.TemporaryDirectory(dir=folder) as place:
            os.chdir(place)
            Path("in.txt").write_text("input")
            kept = Store("store", 1)
            for bin, share in moments:
                child = started(lambda bin=bin: job.run(planned(bin), kept))
                time.sleep(share * whole)
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
                ended.append(os.WIFEXITED(status))
                assert os.WIFSIGNALED(status) or status == 0
                check(kept)
            job.run(planned(wanted), kept)
            check(kept)
            for name, path in FILES.items():
                assert Path(path).read_text() == right(wanted, name)
            os.chdir(folder)

    ended: list[bool] = []
    Path("in.txt").write_text("input")
    began = time.monotonic()
    os.waitpid(started(lambda: job.run(planned(8), Store("store", 1))), 0)
    whole = time.monotonic() - began
    tried()
    assert 0.05 < sum(ended) / len(ended) < 0.95  # the moments lie before the end and after it


def test_a_job_that_was_killed_at_any_moment_has_the_right_result_next(folder):
    kill_often(folder)


def test_a_job_that_wrote_its_files_in_place_would_be_noticed(folder, monkeypatch):
    monkeypatch.setattr(job, "written_whole", nullcontext)
    with pytest.raises((AssertionError, Flaky)):  # at another moment it holds
        kill_often(folder)
