"""pyproject.toml, requirements.lock and environment.yml name the same packages."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, GROUPS = PYPROJECT["project"], PYPROJECT["dependency-groups"]
CONDA = {"pytorch": "torch"}  # conda-forge's names that differ
# What is imported by another name, or comes with another package.
IMPORTED_AS = {
    "yaml": "pyyaml",
    "markupsafe": "jinja2",
    "snakemake_interface_logger_plugins": "snakemake",
    "pypandoc": "pypandoc-binary",
    "playwright": "pytest-playwright",
    "axe_playwright_python": "axe-playwright-python",
}


def pins(lines: list[str]) -> dict[str, str]:
    """{name: version} of lines such as 'numpy==2.4.6'; each must be pinned to one release."""
    found = {}
    for line in lines:
        name, version = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9A-Za-z.]*)", line).groups()
        found[re.sub(r"[-_.]+", "-", name).lower()] = version
    assert len(found) == len(lines)
    return found


ENGINE = pins([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["derive"]])
REPORT = pins(GROUPS["report"])
DIRECT = ENGINE | REPORT | pins(GROUPS["test"])


def locked() -> dict[str, str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return pins([line for line in text.splitlines() if line and not line.startswith("#")])


def conda() -> dict[str, str]:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (from_pip,) = (entry["pip"] for entry in listed if not isinstance(entry, str))
    assert from_pip.pop() == "-e ."
    named = [e.replace("=", "==", 1) for e in listed if isinstance(e, str) and e != "pip"]
    named = pins([*named, *from_pip])
    return {CONDA.get(name, name): version for name, version in named.items()}


def test_the_lock_holds_the_projects_pins_and_more():
    lock = locked()
    assert {name: lock.get(name) for name in DIRECT} == DIRECT
    assert len(lock) > len(DIRECT)  # what they need in turn


def test_the_lock_is_for_the_registry_alone():
    for version in locked().values():
        assert "+" not in version  # no local build


def test_the_conda_environment_holds_the_projects_pins_and_python():
    environment = conda()
    python = environment.pop("python")
    assert environment == DIRECT
    assert f">={python}," in PROJECT["requires-python"]


@pytest.mark.parametrize(
    "lines", [["numpy>=2"], ["numpy"], ["numpy==2.4.6", "NumPy==2.4.6"], ["numpy==2.*"]]
)
def test_what_is_not_pinned_once_is_caught(lines):
    with pytest.raises((AssertionError, AttributeError)):
        pins(lines)


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("folder", "known"),
    [
        ("workings", {*ENGINE, "torch"}),  # torch where it is there
        ("analysis", ENGINE | REPORT),
        ("tests", DIRECT),
    ],
)
def test_every_imported_package_is_named(folder, known):
    files = [file for file in (ROOT / folder).rglob("*.py") if "scaffold" not in file.parts]
    used = set().union(*map(imported, files))
    used -= {*sys.stdlib_module_names, "analysis", "benchmarks", "tests", "workings"}
    assert {IMPORTED_AS.get(name, name).lower() for name in used} <= set(known)
    assert "numpy" in used
