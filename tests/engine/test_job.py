"""The runner: whole outputs, clear messages, no traceback for what a person can mend."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from workings import job
from workings.build import fingerprint, manifests
from workings.build.store import Store
from workings.messages import InputError


@pytest.fixture
def give(monkeypatch, tmp_path, tmp_path_factory):
    """Make `main` the job `analysis.given`, with one input and one output; returns its files."""
    monkeypatch.chdir(tmp_path_factory.mktemp("project"))  # for the manifests
    (tmp_path / "in.txt").write_text("input")
    files = {
        "input": {"text": str(tmp_path / "in.txt")},
        "output": {"out": str(tmp_path / "o.txt")},
    }

    def install(main) -> dict:
        module = ModuleType("analysis.given")
        module.main = main
        monkeypatch.setitem(sys.modules, "analysis.given", module)
        return files

    return install


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: str | Path, text: str) -> None:
    Path(path).write_text(text)


def test_a_job_gets_its_blocks_and_its_named_files(give, tmp_path):
    def main(config, inputs, outputs):
        write(outputs.out, f"{config['given']['patch']} {Path(inputs.text).read_text()}")

    job.run("given", give(main), ["config given.patch = 8"])
    assert (tmp_path / "o.txt").read_text() == "8 input"
    assert names(tmp_path) == ["in.txt", "o.txt"]


def test_a_failure_leaves_the_last_good_output(give, tmp_path):
    write(tmp_path / "o.txt", "good")

    def main(config, inputs, outputs):
        write(outputs.out, "half")
        raise InputError("the paper is wet", key="given.patch")

    with pytest.raises(InputError, match="the paper is wet"):
        job.run("given", give(main))
    assert (tmp_path / "o.txt").read_text() == "good"
    assert names(tmp_path) == ["in.txt", "o.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_clear_message(give, tmp_path, number):
    write(tmp_path / "o.txt", "good")

    def main(config, inputs, outputs):
        write(outputs.out, "half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(InputError, match="no room left on the disk, so the job 'given'") as caught:
        job.run("given", give(main))
    assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "o.txt").read_text() == "good"
    assert names(tmp_path) == ["in.txt", "o.txt"]


def test_a_full_disk_is_seen_behind_the_error_of_the_library_that_met_it(give, tmp_path):
    class Drawing:
        """Closes its stream on the way out, as matplotlib does, though it never opened it."""

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.position  # noqa: B018

    def main(config, inputs, outputs):
        with Drawing():
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="no room left on the disk"):
        job.run("given", give(main))


def test_a_fault_of_the_job_is_not_taken_for_a_full_disk(give):
    def main(config, inputs, outputs):
        try:
            raise PermissionError(errno.EACCES, "Permission denied")
        finally:
            {}["no such key"]

    with pytest.raises(KeyError):
        job.run("given", give(main))


def test_a_disk_that_fills_while_the_output_is_put_in_place(give, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no room left"):
        job.run("given", give(lambda config, inputs, outputs: write(outputs.out, "x")))
    assert names(tmp_path) == ["in.txt"]


def test_weights_that_do_not_fit_raise_what_the_runner_understands(tmp_path, small_classifier):
    from analysis.data import storage

    network = storage.new_network(small_classifier)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # bytes in a file: a small disk
    try:
        with pytest.raises(OSError):
            storage.save_network(tmp_path / "weights.safetensors", network)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_another_error_of_the_system_is_not_hidden(give):
    def main(config, inputs, outputs):
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PermissionError):
        job.run("given", give(main))


def test_a_missing_input_is_named(give, tmp_path):
    files = give(lambda config, inputs, outputs: write(outputs.out, "x"))
    (tmp_path / "in.txt").unlink()
    with pytest.raises(InputError, match=r"in\.txt: this input of the job 'given' is missing"):
        job.run("given", files)


def test_one_of_several_inputs_under_a_name_is_missing(give, tmp_path):
    files = give(lambda config, inputs, outputs: write(outputs.out, "x"))
    files["input"]["text"] = [str(tmp_path / "in.txt"), str(tmp_path / "gone.txt")]
    with pytest.raises(InputError, match=r"gone\.txt: this input"):
        job.run("given", files)


def test_params_are_texts_that_snakemake_does_not_fill_in(in_root):
    config = {"occlusion": {"patch": 8}, "report": {"title": "{x} & {{y}}"}, "classifier": {}}
    first, *rest = job.params(config, "occlusion", "report")
    lines = [line(None) for line in rest]
    assert fingerprint.config_of(lines) == {k: config[k] for k in ("occlusion", "report")}
    assert any(line.startswith("code analysis/maths/occlusion/dense.py ") for line in lines)
    named = {"digits": "d.npz", "style": ["a", "b"]}
    files = SimpleNamespace(items=named.items)
    assert json.loads(first(None, files, files)) == {"input": named, "output": named}


# -- the store -------------------------------------------------------------------------------------


def test_what_was_computed_once_is_restored(give, tmp_path):
    ran = []

    def main(config, inputs, outputs):
        ran.append(config)
        write(outputs.out, f"{config['given']['patch']} {Path(inputs.text).read_text()}")

    files, kept = give(main), Store(tmp_path / "store", 1)

    def run(patch: int) -> str:
        how = job.run("given", files, [f"config given.patch = {patch}"], kept)
        return f"{how} {(tmp_path / 'o.txt').read_text()}"

    assert run(8) == "computed 8 input"
    assert run(9) == "computed 9 input"
    assert run(8) == "restored 8 input"
    write(tmp_path / "in.txt", "other")
    assert run(8) == "computed 8 other"
    write(tmp_path / "in.txt", "input")
    assert run(9) == "restored 9 input"
    assert len(ran) == 3


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("damage", ["", "other", None])
def test_what_was_changed_afterwards_is_noticed(give, tmp_path, capsys, stored, damage):
    files = give(lambda config, inputs, outputs: write(outputs.out, "x"))
    kept, path = Store(tmp_path / "store", 1), tmp_path / "o.txt"
    job.run("given", files, kept=kept if stored else None)
    manifests.look_over(kept, mend=True)
    assert (path.read_text(), capsys.readouterr().err) == ("x", "")
    path.unlink() if damage is None else write(path, damage)
    manifests.look_over(kept, mend=False)
    assert path.exists() == (damage is not None)
    said = capsys.readouterr().err
    assert (f"{path}: edited by hand, or cut off" in said) == (damage is not None)
    manifests.look_over(kept, mend=True)
    assert path.read_text() == "x" if stored else not path.exists()


def test_an_input_exchanged_under_its_old_date_gets_a_new_one(give, tmp_path):
    path = tmp_path / "in.txt"
    os.utime(path, (1, 1))
    job.run("given", give(lambda config, inputs, outputs: write(outputs.out, "x")))
    manifests.look_over(Store(tmp_path / "store", 1), mend=True)
    assert path.stat().st_mtime == 1
    write(path, "other")
    os.utime(path, (1, 1))
    manifests.look_over(Store(tmp_path / "store", 1), mend=True)
    assert path.stat().st_mtime > 1


def test_a_run_that_fails_leaves_no_manifest(give, tmp_path):
    def main(config, inputs, outputs):
        raise InputError("the paper is wet")

    files = give(lambda config, inputs, outputs: write(outputs.out, "x"))
    job.run("given", files)
    give(main)
    with pytest.raises(InputError):
        job.run("given", files)
    assert manifests.read() == []


# -- the command -----------------------------------------------------------------------------------

FAKE = """
from pathlib import Path
from workings.messages import InputError

def main(config, inputs, outputs):
    Path(outputs.out).write_text("half")
    if config["fake"]["patch"] > 28:
        raise InputError(f"{config['fake']['patch']}; at most 28 is right", key="fake.patch")
    if config["fake"]["patch"] == 0:
        raise InputError("there is no paper")
    Path(outputs.out).write_text(f"{config['fake']['title']} {config['fake']['patch']}")
"""


@pytest.fixture
def command(tmp_path, root):
    """Run `python -m workings.job fake …` in a folder that holds the runner and one small job."""
    for part in ("job.py", "__init__.py", "pipeline", "reporting"):
        copy = shutil.copytree if (root / "analysis" / part).is_dir() else shutil.copyfile
        (tmp_path / "analysis").mkdir(exist_ok=True)
        copy(root / "analysis" / part, tmp_path / "analysis" / part)
    write(tmp_path / "analysis/fake.py", FAKE)

    def run(title: str, patch: int) -> subprocess.CompletedProcess:
        write(tmp_path / "mine.yaml", f"fake:\n  title: {json.dumps(title)}\n  patch: {patch}\n")
        config = {"fake": {"title": title, "patch": patch}}
        lines = fingerprint.lines(Path("analysis/fake.py"), config, tmp_path)
        files = json.dumps({"input": {}, "output": {"out": "build/out.txt"}})
        environment = os.environ | {"WORKINGS_CONFIG": '{"files": ["mine.yaml"]}'}
        return subprocess.run(
            [sys.executable, "-m", "workings.job", "fake", files, *lines],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip

    return run


def test_the_command_writes_and_then_keeps_its_output(command, tmp_path):
    title = "100 % {braces} = \"quotes\" & 'more'\nsecond line"
    done = command(title, 8)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "build/out.txt").read_text() == f"{title} 8"

    bad = command(title, 40)
    assert bad.returncode == 1
    assert bad.stderr.strip() == "workings: mine.yaml:3: fake.patch: 40; at most 28 is right"

    worse = command(title, 0)
    assert worse.returncode == 1
    assert worse.stderr.strip() == "workings: there is no paper"
    assert (tmp_path / "build/out.txt").read_text() == f"{title} 8"
    assert names(tmp_path / "build") == [".jobs", "out.txt"]
