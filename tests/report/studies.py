"""What the tests of the recurrent studies do alike: run the job, fill a section from what it measured."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

from workings import config as settings
from workings.measurements import read
from workings.page import template

ROOT = Path(__file__).parents[2]


def run(job: ModuleType, folder: Path, config: dict) -> dict:
    """The measurements of the job; they, and its figure, lie in the folder under its name."""
    folder.mkdir(exist_ok=True)
    name = job.__name__.rpartition(".")[2]
    outputs = SimpleNamespace(measurements=folder / f"{name}.json", figure=folder / f"{name}.pdf")
    job.main({name: config}, SimpleNamespace(), outputs)
    return read(outputs.measurements)


def fill(name: str, config: dict | None = None, derivations: dict | None = None, **measured) -> str:
    """The section of that name; the blocks of `config` stand for those of the default ones."""
    chosen = settings.read_yaml(ROOT / "config/default.yaml") | (config or {})
    folder = ROOT / "templates"
    return template.fill(
        f"sections/{name}.tex.j2", measured, chosen, derivations, folder=folder
    ).text
