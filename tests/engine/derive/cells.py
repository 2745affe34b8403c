"""The shipped cells, and longer problems made from them, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import yaml

from workings.derive.recurrence import Recurrence

FOLDER = Path(__file__).parents[3] / "config" / "cells"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def block(name: str) -> dict:
    """The `recurrence:` mapping of a shipped cell."""
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))["recurrence"]


def cell(name: str) -> Recurrence:
    return Recurrence.from_config(block(name))


def stretched(name: str, steps: int, seed: int = 0) -> Recurrence:
    """A shipped cell on a longer sequence: inputs at random in eighths, its targets in turn."""
    short = cell(name)
    random = np.random.default_rng(seed)
    shape = (steps, *short.inputs.shape[1:])
    inputs = np.array([Fraction(int(k), 8) for k in random.integers(-8, 9, np.prod(shape))])
    targets = None
    if short.targets is not None:
        targets = np.array([short.targets[t % short.steps] for t in range(steps)])
    return replace(short, inputs=inputs.reshape(shape), targets=targets, steps=steps)
