"""What the tests of this report share: the report on its tiny configuration, small data and networks."""

from __future__ import annotations

import os
from pathlib import Path

# As the runner has it; torch reads it when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from tests.engine.running import build
from tests.report import real


@pytest.fixture
def in_root(monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """Run in the repository's folder, where Snakemake and the jobs run."""
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def finished(once) -> Path:
    """This report on its tiny configuration, committed and built; what it said is in `said` beside it."""

    def make(to: Path) -> None:
        done = build(real.project(to / "report"))
        assert done, done.said[-6000:]
        (to / "said").write_text(done.said)

    return once("this_report", make) / "report"


@pytest.fixture
def small_classifier() -> dict:
    """A `classifier:` block whose network trains in a second."""
    return {
        "channels": [4, 6, 6],
        "kernels": [3, 3, 3],
        "pool": [2, 2, 1],
        "hidden": 12,
        "epochs": 2,
        "batch": 20,
        "rate": 0.01,
        "final_rate": 0.005,
        "device": "cpu",
        "seed": 5,
    }


@pytest.fixture(scope="session")
def small_digits() -> dict[str, np.ndarray]:
    """Twelve training and three test images of each class: bars whose place tells the class.

    Image of class c: rows 2c + 2 and 2c + 3 inked in ten columns, which begin at random.
    """
    random = np.random.default_rng(0)

    def images(labels: np.ndarray) -> np.ndarray:
        drawn = np.zeros((len(labels), 28, 28), np.uint8)
        for image, label in zip(drawn, labels, strict=True):
            first = random.integers(2, 16)
            image[2 * label + 2 : 2 * label + 4, first : first + 10] = random.integers(128, 256)
        return drawn

    train, test = np.tile(np.arange(10), 12), np.tile(np.arange(10), 3)
    return {
        "train_images": images(train),
        "train_labels": train.astype(np.uint8),
        "test_images": images(test),
        "test_labels": test.astype(np.uint8),
    }


@pytest.fixture(scope="session")
def trained(small_digits):
    """Its own `classifier:` block, as far as the shape goes, and a network that knows the digits."""
    from analysis.data import storage
    from analysis.maths import network as cnn

    config = {
        "channels": [4, 6, 6],
        "kernels": [3, 3, 3],
        "pool": [2, 2, 1],
        "hidden": 12,
        "seed": 3,
    }
    network = storage.new_network(config)
    images = small_digits["train_images"][:, None] / np.float32(255)
    labels = small_digits["train_labels"].astype(np.int64)
    cnn.train(network, images, labels, epochs=12, batch=20, rate=0.01, seed=3)
    return config, network.eval()
