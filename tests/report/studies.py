"""What the tests of the jobs do alike: run one in a folder, fill a section from what it measured."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

from analysis.data import storage
from workings import config as settings
from workings.measurements import read
from workings.page import template

ROOT = Path(__file__).parents[2]
ENDINGS = {
    "measurements": "json", "derivation": "json", "digits": "npz", "maps": "npz",
    "model": "safetensors",
}  # fmt: skip


class Files:
    """What a job reads and writes in a folder, by the names of its rule; the rest are figures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getattr__(self, name: str) -> Path:
        return self.folder / f"{name}.{ENDINGS.get(name, 'pdf')}"

    def all(self) -> dict[str, bytes]:
        return {
            file.name: file.read_bytes() for file in sorted(self.folder.iterdir()) if file.is_file()
        }


def run(job: ModuleType, folder: Path, config: dict, digits=None, network=None) -> dict:
    """The measurements of the job; all its files lie in the folder.

    `config` is the job's own block, or, with `digits` (arrays) and `network`, all that it is given.
    """
    folder.mkdir(exist_ok=True)
    files = Files(folder)
    if digits:
        storage.save_digits(files.digits, digits)
    if network:
        storage.save_network(files.model, network)
    name = job.__name__.rpartition(".")[2]
    job.main(config if name in config else {name: config}, files, files)
    return read(files.measurements)


def run_divided(
    job: ModuleType, part: ModuleType, folder: Path, config: dict, digits=None, network=None, of=2
) -> dict:
    """The measurements of a job whose parts, so many, are made before it."""
    files = Files(folder)
    folder.mkdir(exist_ok=True)
    if digits:
        storage.save_digits(files.digits, digits)
        storage.save_network(files.model, network)
    files.parts = [folder / f"part{number}" for number in range(1, of + 1)]
    for number, path in enumerate(files.parts, 1):
        one = SimpleNamespace(drops=path, searched=path, found=path)
        part.main(config | {"part": {"number": number, "of": of}}, files, one)
    job.main(config, files, files)
    return read(files.measurements)


def scaled(digits: dict) -> storage.Digits:
    """The arrays as the jobs see them."""
    return storage.Digits(
        *(
            array[:, None] / storage.np.float32(255) if array.ndim > 1 else array.astype(int)
            for array in digits.values()
        )
    )


def fill(name: str, config: dict | None = None, derivations: dict | None = None, **measured) -> str:
    """The section of that name; the blocks of `config` stand for those of the default ones."""
    chosen = settings.read_yaml(ROOT / "config/default.yaml") | (config or {})
    folder = ROOT / "templates"
    return template.fill(
        f"sections/{name}.tex.j2", measured, chosen, derivations, folder=folder
    ).text
