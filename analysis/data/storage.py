"""Read and write `build/data/digits.npz` and `build/model/classifier.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workings.messages import InputError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Digits:
    """Images in 0…1 as float32, N × 1 × 28 × 28, 1 being full ink; labels as int64, N."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def save_digits(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep the four arrays (images as bytes, N × 28 × 28) in one file."""
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def load_digits(path: str | Path) -> Digits:
    """The digits, scaled to 0…1."""
    with np.load(path, allow_pickle=False) as arrays:
        return Digits(
            **{part: _scaled(arrays[part]) for part in ("train_images", "test_images")},
            **{part: arrays[part].astype(np.int64) for part in ("train_labels", "test_labels")},
        )


def example_of(digits: Digits, digit: int, example: int, key: str) -> int:
    """The index of the test image that is the `example`-th (from 0) of its class.

    Raises:
        InputError: the class has fewer test images; `key` names the config key that asked.
    """
    places = np.flatnonzero(digits.test_labels == digit)
    if example >= len(places):
        raise InputError(
            f"{example}; the test images hold {len(places)} of the digit {digit}, "
            f"so a number from 0 to {len(places) - 1} is right",
            key=key,
        )
    return int(places[example])


def rightly_labelled(
    labels: np.ndarray, given: np.ndarray, per_class: int | None = None
) -> list[int]:
    """The indices of the images whose given label is the true one, in rising order.

    `per_class` takes only the first so many of each class.

    Raises:
        InputError: there is none.
    """
    right = [np.flatnonzero((labels == c) & (given == c))[:per_class] for c in range(10)]
    indices = sorted(np.concatenate(right).tolist())
    if not indices:
        raise InputError(
            "the network labels no test image rightly, so there is nothing to cover; "
            "train it for more epochs",
            key="classifier.epochs",
        )
    return indices


def save_network(path: str | Path, network: nn.Module) -> None:
    """Keep the weights by name as safetensors."""
    from safetensors.torch import save

    weights = {name: p.detach().contiguous() for name, p in network.state_dict().items()}
    # Written by Python, so that a full disk is the system's own error; save_file has another one.
    Path(path).write_bytes(save(weights))


def load_network(path: str | Path, config: Mapping[str, Any]) -> nn.Sequential:
    """The network of the config block `classifier` with the stored weights, ready to evaluate."""
    from safetensors.torch import load_file

    network = new_network(config)
    network.load_state_dict(load_file(path))
    return network.eval()


def new_network(config: Mapping[str, Any]) -> nn.Sequential:
    """The untrained network of the config block `classifier`.

    Raises:
        InputError: its layers leave no pixel of an image.
    """
    from analysis.maths import network

    try:
        return network.build(
            {key: config[key] for key in ("channels", "kernels", "pool", "hidden")}
        )
    except network.NetworkError as error:
        raise InputError(str(error), key="classifier.kernels") from None


def untrained_network(config: Mapping[str, Any]) -> nn.Sequential:
    """The network as its training found it: with the random weights of the block's seed."""
    import torch

    from analysis.maths import network

    made = new_network(config)
    network.initialise(made, torch.Generator().manual_seed(config["seed"]))
    return made.eval()


def _scaled(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / 255.0)[:, None]  # (N, 1, 28, 28)
