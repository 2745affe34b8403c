"""The command `workings`: it says what there is, and a user's mistake in one line."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import subprocess
import sys

import pytest

from workings import cli


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in cli.COMMANDS)])
def test_help_answers_at_once_and_starts_nothing(in_folder, root, arguments):
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "workings.cli", *arguments],
        env={"PYTHONPATH": str(root), "PATH": ""}, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert ran.returncode == 0 and ran.stdout.startswith("usage: workings")
    imported = {line.split()[-1] for line in ran.stderr.splitlines()}
    assert "argparse" in imported and not imported & {"snakemake", "matplotlib", "torch", "sympy"}
    assert list(in_folder.iterdir()) == []


def test_help_names_each_command_and_the_version_is_the_packages(capsys):
    for arguments in (["--help"], ["--version"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(f"\n    {name} " in said or f"\n    {name}\n" in said for name in cli.COMMANDS)
    assert said.endswith(f"workings {importlib.metadata.version('workings')}\n")


@pytest.mark.parametrize(
    ("command", "given", "options"),
    [
        ("watch", [], ["--cores", "1", "-n", "target"]),
        ("reproduce", ["--against", "b"], ["--configfile", "a.yaml"]),
        ("diff", ["HEAD"], ["--cores", "1", "target"]),
    ],
)
def test_what_else_is_given_goes_to_snakemake_as_it_stands(monkeypatch, command, given, options):
    module = importlib.import_module(f"workings.commands.{command}")
    monkeypatch.setattr(module, "run", lambda given: given.options)
    assert cli.main([command, *given, *options]) == options
    with pytest.raises(SystemExit, match="2"):
        cli.main(["lint", *options])


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diff", ""], "say what to compare with: a commit or a saved build folder"),
        (["explain", "a.b"], "Snakefile: not there; run this in the folder of a report"),
        (["lint"], "Snakefile: not there; run this in the folder of a report"),
        (["tex"], "report/report.tex: not there"),
        (["watch"], "Snakefile: not there; run this in the folder of a report"),
        (["reproduce"], "Snakefile: not there; run this in the folder of a report"),
        (["diff", "HEAD"], "Snakefile: not there; run this in the folder of a report"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_two(capsys, arguments, message):
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"workings: {message}") and said.err.count("\n") == 1
    assert said.out == ""


def test_nobody_reads_on_nothing_is_open_and_a_subfolder_is_no_report(in_folder, root):
    (in_folder / "Snakefile").touch()
    (in_folder / "report").mkdir()
    (in_folder / "analysis").mkdir()
    (in_folder / "report/report.tex").write_text("\\documentclass{article}\n")

    def said(line: str) -> str:
        command = f"{sys.executable} -m workings.cli {line}"
        env = os.environ | {"PYTHONPATH": str(root)}
        return subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True).stderr

    assert said("lint | true") == said("lint >&-") == ""
    assert said("lint > /dev/full") == "workings: [Errno 28] No space left on device\n"
    inside = f"{sys.executable} -m workings.cli explain a.b"
    hint = f"run this in the folder of a report, which may be {in_folder}\n"
    assert said(f"--version; cd analysis; {inside}") == f"workings: Snakefile: not there; {hint}"
