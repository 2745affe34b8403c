"""The runner: whole outputs, clear messages, no traceback for what a person can mend."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from workings import job
from workings.build import fingerprint, manifests
from workings.build.plan import Plan
from workings.build.store import Store
from workings.messages import InputError

pytestmark = pytest.mark.usefixtures("in_folder")
IN, OUT = Path("in.txt"), Path("o.txt")
STORE = Store("store", 1)


def planned(bin: int = 8, inputs: list[str] | str = "in.txt", **changed) -> Plan:
    plan = {
        "label": "given", "module": "analysis.given", "inputs": {"text": inputs},
        "outputs": {"out": str(OUT)}, "config": {"given": {"bin": bin}},
        "fingerprint": [f"config given.bin = {bin}"],
    }  # fmt: skip
    return Plan(**plan | changed)


@pytest.fixture
def give(monkeypatch) -> Callable:
    """Make `main` the job `analysis.given`."""
    IN.write_text("input")
    monkeypatch.setenv("WORKINGS_CLASS", "")  # put back afterwards

    def install(main: Callable) -> None:
        module = ModuleType("analysis.given")
        module.main = main
        monkeypatch.setitem(sys.modules, "analysis.given", module)

    return install


def writes(text: str) -> Callable:
    return lambda config, inputs, outputs: Path(outputs.out).write_text(text)


def fails(error: BaseException) -> Callable:
    def main(config, inputs, outputs):
        Path(outputs.out).write_text("half")
        raise error

    return main


def there() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name[0] != "." and path.is_file())


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_a_job_gets_its_blocks_and_its_named_files(give):
    def main(config, inputs, outputs):
        given = f"{config['given']['bin']} {Path(inputs.text).read_text()}"
        Path(outputs.out).write_text(f"{given} {os.environ['WORKINGS_CLASS']}")

    give(main)
    assert job.run(planned(document="article")) == "computed"
    assert OUT.read_text() == "8 input article"
    assert there() == ["in.txt", "o.txt"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("the paper is wet", key="given.bin"), "^the paper is wet$"),
        (full(), r"^\.: no room left on the disk, so the job 'given' wrote nothing"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "no room left on the disk"),
    ],
)
def test_a_failure_leaves_the_last_good_output_and_says_why(give, error, said):
    OUT.write_text("good")
    give(fails(error))
    with pytest.raises(InputError, match=said):
        job.run(planned())
    assert OUT.read_text() == "good"
    assert there() == ["in.txt", "o.txt"]


def test_a_full_disk_is_seen_behind_the_error_of_the_library_that_met_it(give):
    class Drawing:
        """Closes its stream on the way out, as matplotlib does, though it never opened it."""

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.position  # noqa: B018

    def main(config, inputs, outputs):
        with Drawing():
            raise full()

    give(main)
    with pytest.raises(InputError, match="no room left on the disk"):
        job.run(planned())


def test_a_disk_that_fills_while_the_output_is_put_in_place(give, monkeypatch):
    def fsync(descriptor):
        raise full()

    monkeypatch.setattr(os, "fsync", fsync)
    give(writes("x"))
    with pytest.raises(InputError, match="no room left"):
        job.run(planned())
    assert there() == ["in.txt"]


def test_a_fault_of_the_job_is_not_taken_for_a_full_disk(give):
    def main(config, inputs, outputs):
        try:
            raise PermissionError(errno.EACCES, "Permission denied")
        finally:
            {}["no such key"]

    give(main)
    with pytest.raises(KeyError):
        job.run(planned())
    give(fails(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(PermissionError):
        job.run(planned())


@pytest.mark.parametrize("inputs", ["gone.txt", ["in.txt", "gone.txt"]])
def test_a_missing_input_is_named(give, inputs):
    give(writes("x"))
    with pytest.raises(InputError, match=r"^gone\.txt: this input of the job 'given' is missing"):
        job.run(planned(inputs=inputs))


# -- the store -------------------------------------------------------------------------------------


def test_what_was_computed_once_is_restored(give):
    give(lambda config, inputs, outputs: Path(outputs.out).write_text(
        f"{config['given']['bin']} {Path(inputs.text).read_text()}"
    ))  # fmt: skip

    def run(bin: int, text: str = "input") -> str:
        IN.write_text(text)
        return f"{job.run(planned(bin), STORE)} {OUT.read_text()}"

    assert run(8) == "computed 8 input"
    assert run(9) == "computed 9 input"
    assert run(8) == "restored 8 input"
    assert run(8, "other") == "computed 8 other"
    assert run(9) == "restored 9 input"


def test_where_a_measurement_was_recorded_is_kept_with_it(give):
    def main(config, inputs, outputs):
        Path(outputs.measurements).write_text("{}")
        origins = Path(outputs.origins)
        assert origins.parent.name == "origins"
        origins.write_text('{"a": 1}')

    give(main)
    plan = planned(outputs={"measurements": "build/measurements/given.json"})
    assert job.run(plan, STORE) == "computed"
    Path("build/origins/given.json").unlink()
    assert job.run(plan, STORE) == "restored"
    assert Path("build/origins/given.json").read_text() == '{"a": 1}'


def test_a_run_that_fails_leaves_no_manifest(give):
    give(writes("x"))
    job.run(planned())
    assert len(manifests.read()) == 1
    give(fails(InputError("the paper is wet")))
    with pytest.raises(InputError):
        job.run(planned())
    assert manifests.read() == []


@pytest.mark.parametrize("changed", [IN, Path("analysis/given.py")])
def test_a_result_of_what_changed_meanwhile_is_not_kept(give, changed):
    code = Path("analysis/given.py")
    code.parent.mkdir()
    code.write_text("A = 1\n")

    def main(config, inputs, outputs):
        Path(outputs.out).write_text("x")
        changed.write_text("A = 2\n")

    give(main)
    plan = planned(fingerprint=[f"code {code} {fingerprint.code_hash(code)}"])
    fingerprint._parsed.cache_clear()  # as in a process of its own
    with pytest.raises(InputError, match=f"^{changed}: changed while the job 'given' ran"):
        job.run(plan, STORE)
    assert not OUT.exists() and not list(Path("store").rglob("entry.json"))


def test_what_is_to_be_computed_anew_is_and_takes_the_place_of_the_stored(give):
    give(writes("x"))
    job.run(planned(), STORE)
    give(writes("y"))
    assert (job.run(planned(), STORE), OUT.read_text()) == ("restored", "x")
    assert (job.run(planned(), STORE, anew=True), OUT.read_text()) == ("computed", "y")
    assert (job.run(planned(), STORE), OUT.read_text()) == ("restored", "y")


# -- the command -----------------------------------------------------------------------------------

FAKE = """
import os
from pathlib import Path
from workings.messages import InputError

def main(config, inputs, outputs):
    title, bin = config["fake"].values()
    Path(outputs.report).write_text("half")
    if bin > 28:
        raise InputError(f"{bin}; at most 28 is right", key="fake.bin")
    if bin == 0:
        raise InputError("there is no paper")
    Path(outputs.report).write_text(f"{title} {28 // (bin - 1)} {os.environ['WORKINGS_THREADS']}")
"""
TITLE = "100 % {braces} = \"quotes\" & 'more'\nsecond line"


@pytest.fixture
def command(root, in_folder) -> Callable:
    """Run `python -m workings.job PLAN THREADS` of one small job; what it said."""
    Path("analysis").mkdir()
    Path("analysis/__init__.py").touch()
    Path("analysis/fake.py").write_text(FAKE)
    given = {"PYTHONPATH": str(root), "WORKINGS_CONFIG": '{"files": ["mine.yaml"]}'}

    def run(bin: int, name: str = "", **more: str) -> tuple[int, list[str]]:
        Path("mine.yaml").write_text(f"fake:\n  title: {json.dumps(TITLE)}\n  bin: {bin}\n")
        plan = planned(
            module="analysis.fake", inputs={}, outputs={"report": "build/out.txt"},
            config={"fake": {"title": TITLE, "bin": bin}},
        )  # fmt: skip
        ran = subprocess.run(
            [sys.executable, "-m", "workings.job", name or plan.write(), "3"],
            env=os.environ | given | more, capture_output=True, text=True,
        )  # fmt: skip
        return ran.returncode, ran.stderr.splitlines()

    return run


def test_the_command_writes_its_output_and_then_keeps_it_whatever_goes_wrong(command):
    assert command(8) == (0, [])
    assert command(40) == (1, ["workings: mine.yaml:3: fake.bin: 40; at most 28 is right"])
    assert command(0) == (1, ["workings: there is no paper"])
    line = Path("analysis/fake.py").read_text().splitlines()[-1].strip()
    assert command(1) == (1, [
        "workings: the job 'given' stopped with an exception",
        f"  analysis/fake.py:13, in main: {line}",
        "ZeroDivisionError: integer division or modulo by zero",
    ])  # fmt: skip
    path = ".snakemake/workings/plans/abc.json"
    lost = f"workings: {path}: there is no such plan; a job is started by snakemake"
    assert command(8, "abc") == (1, [lost])
    assert Path("build/out.txt").read_text() == f"{TITLE} 4 3"
    assert sorted(path.name for path in Path("build").iterdir()) == [".jobs", "out.txt"]


def test_where_a_terminal_listens_it_is_told_and_no_other(command):
    Path("notes").mkdir()
    assert command(0, WORKINGS_NOTES="notes") == (1, [])
    assert command(8, WORKINGS_NOTES="notes") == (0, [])
    told = [line for file in Path("notes").iterdir() for line in file.read_text().splitlines()]
    assert sorted(map(json.loads, told)) == [
        ["computed", "build/out.txt", "given"],
        ["edition", "build/out.txt", "build/out.txt is up to date"],
        ["failed", "build/out.txt", "workings: there is no paper"],
    ]
