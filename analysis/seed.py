"""Measure once more, from another seed, what one seed decides.

The jobs gradient_lags and training are not among it: they draw several networks themselves and print
their range.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

from analysis import (
    atlas,
    classifier,
    echo_state,
    feature_maps,
    filters,
    occlusion,
    patch_colour,
    patch_search,
    translation,
)
from workings import measurements

# The jobs that a seed decides, in order, with the names and endings of what they write besides
# their measurements; as in the Snakefile.
WRITES: list[tuple[ModuleType, dict[str, str]]] = [
    (classifier, {"model": "safetensors", "figure": "pdf", "confusion": "pdf"}),
    (filters, {"figure": "pdf", "deep": "pdf"}),
    (feature_maps, {"figure": "pdf", "recognisable": "pdf"}),
    (translation, {"figure": "pdf", "accuracy": "pdf"}),
    (occlusion, {"maps": "npz", "figure": "pdf"}),
    (patch_colour, {"figure": "pdf"}),
    (atlas, {"maps": "npz", "figure": "pdf"}),
    (patch_search, {"figure": "pdf", "moves": "pdf"}),
    (echo_state, {"figure": "pdf"}),
]
SEEDED = ("classifier", "echo_state")  # the blocks of the configuration that have a seed


def seeded(config: dict, seed: int) -> dict:
    """The configuration with this seed in each block that has one."""
    return config | {block: config[block] | {"seed": seed} for block in SEEDED}


def run(config: dict, digits: str, folder: Path) -> dict[str, dict]:
    """The measurements of every job that a seed decides, by job; `folder` holds what they write."""
    inputs = SimpleNamespace(digits=digits, model=str(folder / "classifier_model.safetensors"))
    found = {}
    for module, writes in WRITES:
        name = module.__name__.rsplit(".", 1)[-1]
        paths = {output: str(folder / f"{name}_{output}.{end}") for output, end in writes.items()}
        paths["measurements"] = str(folder / f"{name}.json")
        module.main(config, inputs, SimpleNamespace(**paths))
        found[name] = measurements.read(paths["measurements"])
    return found


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    seed = config["seed"]["value"]
    with tempfile.TemporaryDirectory(prefix="workings-seed-") as folder:
        found = run(seeded(config, seed), inputs.digits, Path(folder))
    measurements.write(outputs.measurements, measurements.record(seed=seed, measurements=found))
