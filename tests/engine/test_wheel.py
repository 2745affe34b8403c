"""The wheel, installed away from this repository: it has all files, and builds the scaffold."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from .running import ROOT, page

HIDE = '''
import sys


class Hidden:
    """What only derivations and this repository's own report need."""

    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "sympy", "mpmath", "scipy"):
            raise ImportError(f"{name} is not installed")


sys.meta_path.insert(0, Hidden())
'''


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = f"{sys.executable} -m pip wheel --quiet --no-deps -w {folder} {ROOT}"
    made = subprocess.run(command.split(), capture_output=True, text=True)
    if "requirement hatchling" in made.stderr:
        pytest.skip("the build system cannot be fetched")
    assert made.returncode == 0, made.stderr
    return next(folder.glob("workings-*.whl"))


@pytest.fixture
def python(wheel, tmp_path) -> Path:
    """The interpreter of an environment with the wheel, and with the packages that this one has."""
    venv.create(tmp_path / "env")
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    python = tmp_path / "env/bin/python"
    pip = f"{sys.executable} -m pip --python {python} install --quiet --no-index --no-deps {wheel}"
    subprocess.run(pip.split(), check=True)
    # A path in a .pth is searched, but its own .pth files, such as this repository's, are not read.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "sitecustomize.py").write_text(HIDE)
    return python


def test_the_wheel_holds_the_engine_and_nothing_else(wheel):
    files = {
        str(file.relative_to(ROOT))
        for folder in ("workings", "snakemake_logger_plugin_workings")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    kinds = {Path(file).suffix for file in files}
    assert {".smk", ".j2", ".yaml", ".sty", ".mplstyle", ".ttf", ".csv"} <= kinds
    assert "workings/scaffold/gitignore" in files
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files


def test_the_scaffold_is_built_elsewhere_without_torch_and_sympy(python, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: str, folder: Path = tmp_path) -> str:
        ran = subprocess.run(
            command, cwd=folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout
        return ran.stdout

    there = run(str(python), "-c", "import workings; print(workings.__file__)")
    assert Path(there.strip()).is_relative_to(tmp_path)
    hidden = subprocess.run([python, "-c", "import sympy"], capture_output=True, text=True)
    assert "sympy is not installed" in hidden.stderr
    run(str(python.with_name("workings")), "new", "cups", "--title", "Cups")
    report = tmp_path / "cups"
    assert (report / ".gitignore").exists()
    said = run(str(python), "-m", "snakemake", "--cores", "2", folder=report)
    assert "report/report.pdf is up to date" in said
    assert "Cups" in page(report) and "Gentoo" in page(report)
    run(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", folder=report)
