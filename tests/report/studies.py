"""What the tests of the recurrent studies do alike: run the job, fill a section from what it measured."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

from workings.measurements import Measurements, read
from workings.page import latex

TEMPLATES = Path(__file__).parents[2] / "templates"


def run(job: ModuleType, folder: Path, config: dict) -> dict:
    """The measurements of the job; they, and its figure, lie in the folder under its name."""
    folder.mkdir(exist_ok=True)
    name = job.__name__.rpartition(".")[2]
    outputs = SimpleNamespace(measurements=folder / f"{name}.json", figure=folder / f"{name}.pdf")
    job.main({name: config}, SimpleNamespace(), outputs)
    return read(outputs.measurements)


def fill(name: str, **measured: dict) -> str:
    """The section of that name."""
    section = latex.Section(name, Measurements(measured))
    return latex.fill(f"sections/{name}.tex.j2", section, TEMPLATES)[0]
