"""The convolutional classifier: its layers, its receptive field, its training and its accuracy.

The network is the three-convolution MNIST network of Chollet, *Deep Learning with Python*, ch. 5:
(Conv - ReLU - MaxPool) blocks without padding, then Flatten - Linear - ReLU - Linear.  Channels,
kernels, pools and the hidden width come from a config mapping.

    network = build(
        {"channels": [32, 64, 64], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 64}
    )
    history = train(network, images, labels, epochs=5, batch=64, rate=1e-3, seed=0)
    p = predict(network, images)                            # (N, classes), rows sum to 1
    fields = receptive_field(network, (1, 28, 28))
    low, high = wilson_interval(successes, n)

Images are float32 in 0..1, (N, channels, rows, columns); labels are integers, (N,).
Everything here is in memory: reading and writing weights belongs to the callers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = [
    "Epoch",
    "Field",
    "NetworkError",
    "ReceptiveField",
    "as_images",
    "build",
    "initialise",
    "parameters",
    "predict",
    "receptive_field",
    "train",
    "wilson_interval",
]

_KEYS = ("channels", "kernels", "pool", "hidden")


class NetworkError(ValueError):
    """A network, or data for it, that cannot be used; the message says where and what would do."""


def build(
    config: Mapping[str, Any], input_shape: Sequence[int] = (1, 28, 28), classes: int = 10
) -> nn.Sequential:
    """Build the classifier that ``config`` describes.

    Parameters
    ----------
    config
        ``channels``, ``kernels``, ``pool``: one positive integer for each convolution, in order
        (a pool of 1 means none); ``hidden``: the width of the hidden dense layer.
    input_shape
        (channels, rows, columns) of one image.
    classes
        Number of outputs; the network returns logits.

    Raises
    ------
    NetworkError
        An unknown, missing or unfit key, or a map that shrinks below one pixel (names the key).
    """
    channels, kernels, pools, hidden = _read(config)
    if len(input_shape) != 3 or any(int(n) < 1 for n in input_shape):
        raise NetworkError(
            f"input_shape is {tuple(input_shape)}; give (channels, rows, columns), all at least 1"
        )
    _positive("classes", classes)
    fan_in, rows, columns = (int(n) for n in input_shape)
    layers: list[nn.Module] = []
    for block, (width, kernel, pool) in enumerate(zip(channels, kernels, pools, strict=True)):
        for key, size in (("kernels", kernel), ("pool", pool)):
            shrunk = (
                (rows - kernel + 1, columns - kernel + 1)
                if key == "kernels"
                else (rows // pool, columns // pool)
            )
            if min(shrunk) < 1:
                raise NetworkError(
                    f"classifier.{key}[{block}] = {size} leaves no pixel of a map of "
                    f"{rows}x{columns}; use at most {min(rows, columns)}"
                )
            rows, columns = shrunk
        layers += [nn.Conv2d(fan_in, width, kernel), nn.ReLU()]
        if pool > 1:
            layers.append(nn.MaxPool2d(pool))
        fan_in = width
    layers += [
        nn.Flatten(),
        nn.Linear(fan_in * rows * columns, hidden),
        nn.ReLU(),
        nn.Linear(hidden, classes),
    ]
    return nn.Sequential(*layers)


def _read(config: Mapping[str, Any]) -> tuple[list[int], list[int], list[int], int]:
    missing = [key for key in _KEYS if key not in config]
    unknown = [str(key) for key in config if key not in _KEYS]
    if missing or unknown:
        raise NetworkError(
            f"classifier takes the keys {', '.join(_KEYS)}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; unknown: {', '.join(unknown)}" if unknown else "")
        )
    lists = []
    for key in _KEYS[:3]:
        values = config[key]
        if not isinstance(values, Sequence) or isinstance(values, str) or not values:
            raise NetworkError(
                f"classifier.{key} is {values!r}; give one integer per convolution, e.g. [32, 64]"
            )
        lists.append([_positive(f"classifier.{key}[{i}]", value) for i, value in enumerate(values)])
        if len(lists[-1]) != len(lists[0]):
            raise NetworkError(
                f"classifier.{key} has {len(lists[-1])} entries and classifier.channels "
                f"{len(lists[0])}; give one entry for each convolution"
            )
    return lists[0], lists[1], lists[2], _positive("classifier.hidden", config["hidden"])


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise NetworkError(f"{name} is {value!r}; it must be an integer of at least 1")
    return int(value)


def parameters(network: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


# -- the receptive field ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """What one cell of a layer's map sees, in input pixels, as (rows, columns).

    Cell i sees the pixels offset + i * stride ... offset + i * stride + size - 1.
    """

    layer: str
    cells: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    offset: tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """The fields of the spatial layers in order, and the input rows and columns never read."""

    layers: tuple[Field, ...]
    unread_rows: tuple[int, ...]
    unread_columns: tuple[int, ...]


def receptive_field(
    network: nn.Sequential, input_shape: Sequence[int] = (1, 28, 28)
) -> ReceptiveField:
    """Size r, stride j and offset o of each convolution's and pool's receptive field.

    With kernel k, stride s, padding p and dilation d (Araujo, Norris and Sim, *Computing
    Receptive Fields of Convolutional Neural Networks*, Distill 2019):

        r <- r + (k - 1) d j        o <- o - p j        j <- j s

    Walking back from the last map tells the pixels that no cell reads, which floor pooling and
    strides cause.

    Raises
    ------
    NetworkError
        A map that shrinks below one pixel, or a pool with ``ceil_mode``.
    """
    names, walks, fields = [], [], []
    cells = np.array(input_shape[1:], dtype=int)
    size, stride, offset = np.ones(2, int), np.ones(2, int), np.zeros(2, int)
    for index, layer in enumerate(network):
        if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            continue
        name = f"{index}: {type(layer).__name__}"
        k, s, p, d = _geometry(layer, name)
        before, cells = cells, (cells + 2 * p - d * (k - 1) - 1) // s + 1
        if cells.min() < 1:
            raise NetworkError(
                f"layer {name} leaves no pixel of a map of {before[0]}x{before[1]}; "
                f"the input {tuple(input_shape)} is too small for this network"
            )
        size, offset, stride = size + (k - 1) * d * stride, offset - p * stride, stride * s
        names.append(name)
        walks.append((before, k, s, p, d))
        fields.append(Field(name, _pair(cells), _pair(size), _pair(stride), _pair(offset)))
    unread = []
    for axis in (0, 1):
        read = np.arange(cells[axis])
        for before, k, s, p, d in reversed(walks):
            reached = read[:, None] * s[axis] - p[axis] + d[axis] * np.arange(k[axis])
            read = np.unique(reached[(reached >= 0) & (reached < before[axis])])
        unread.append(tuple(np.setdiff1d(np.arange(input_shape[1 + axis]), read).tolist()))
    return ReceptiveField(tuple(fields), unread[0], unread[1])


def _geometry(layer: nn.Module, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kernel, stride, padding and dilation along (rows, columns)."""
    if getattr(layer, "ceil_mode", False):
        raise NetworkError(f"layer {name} has ceil_mode=True; only floor pooling is supported")
    if isinstance(layer.padding, str):
        raise NetworkError(f"layer {name} has padding {layer.padding!r}; give it as integers")

    def both(value: int | tuple[int, int]) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, dtype=int), 2)

    return (
        both(layer.kernel_size),
        both(layer.stride),
        both(layer.padding),
        both(getattr(layer, "dilation", 1)),
    )


def _pair(values: np.ndarray) -> tuple[int, int]:
    return int(values[0]), int(values[1])


# -- training and prediction -----------------------------------------------------------------------


@dataclass(frozen=True)
class Epoch:
    """Mean cross-entropy (nats) and accuracy over one epoch, as seen while training."""

    epoch: int
    loss: float
    accuracy: float


def as_images(images: Any, name: str = "images") -> torch.Tensor:
    """Check images and return them as a float32 tensor (N, channels, rows, columns).

    Raises
    ------
    NetworkError
        Not four axes, no image, integers (0..255 instead of 0..1), NaN or infinite pixels.
    """
    x = torch.as_tensor(images)
    if x.ndim != 4:
        raise NetworkError(
            f"{name} has shape {tuple(x.shape)}; give (N, channels, rows, columns), "
            "e.g. pixels[:, None] / 255"
        )
    if x.shape[0] == 0:
        raise NetworkError(f"{name} is empty; give at least one image")
    if not x.is_floating_point():
        raise NetworkError(f"{name} is {x.dtype}; scale the pixels to float32 in 0..1 first")
    if not bool(torch.isfinite(x).all()):
        first = (~torch.isfinite(x)).nonzero()[0].tolist()
        raise NetworkError(f"{name} holds NaN or an infinity, first at index {first}")
    return x.to(torch.float32)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every convolution's and dense layer's weights and biases from ``generator``, in place.

        W, b ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)),

    the distribution of ``reset_parameters`` in torch, here from an explicit generator instead of
    the global one.
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                bound = layer.weight[0].numel() ** -0.5
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)


def train(
    network: nn.Sequential,
    images: Any,
    labels: Any,
    *,
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
    final_rate: float | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train from fresh weights with Adam (Kingma and Ba 2015) on the cross-entropy, in place.

    The seed settles the initial weights and the shuffling of every epoch through one explicit
    generator, so equal arguments give equal weights on one thread; the global generator is neither
    read nor moved.  ``progress`` is called after each epoch.  The network is left in eval mode.

    Parameters
    ----------
    images, labels
        float32 (N, channels, rows, columns) in 0..1; integers (N,) in 0..classes-1.
    rate, final_rate
        Adam's step size at the first step; it falls in a straight line to ``final_rate`` at the
        last one, or stays where ``final_rate`` is None.  A falling rate lets the weights settle
        (Robbins and Monro 1951 ask for it in general).

    Raises
    ------
    NetworkError
        Unfit images, labels, or settings.
    """
    from torch.optim import Adam  # here, since its import takes 2 s that no other job should pay

    x, y = as_images(images), torch.as_tensor(labels)
    if y.shape != x.shape[:1] or y.is_floating_point():
        raise NetworkError(
            f"labels have shape {tuple(y.shape)} and type {y.dtype}; "
            f"give {x.shape[0]} integers, one for each image"
        )
    y = y.to(torch.int64)
    for name, value in (("epochs", epochs), ("batch", batch)):
        _positive(name, value)
    final_rate = rate if final_rate is None else final_rate
    for name, value in (("rate", rate), ("final_rate", final_rate)):
        if not value > 0:
            raise NetworkError(f"{name} is {value!r}; it must be positive")
    classes = _classes(network, x)
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise NetworkError(
            f"labels run from {int(y.min())} to {int(y.max())}; the network has {classes} classes, "
            f"0..{classes - 1}"
        )

    generator = torch.Generator().manual_seed(seed)
    initialise(network, generator)
    optimiser = Adam(network.parameters(), lr=rate)
    history = []
    steps, step = epochs * -(-len(x) // batch), 0
    network.train()
    for epoch in range(1, epochs + 1):
        total, correct = 0.0, 0
        for chosen in torch.randperm(len(x), generator=generator).split(batch):
            logits = network(x[chosen])  # (batch, classes)
            loss = nn.functional.cross_entropy(logits, y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = rate + (final_rate - rate) * step / max(1, steps - 1)
            optimiser.step()
            step += 1
            total += loss.item() * len(chosen)
            correct += int((logits.argmax(1) == y[chosen]).sum())
        history.append(Epoch(epoch, total / len(x), correct / len(x)))
        if progress is not None:
            progress(history[-1])
    network.eval()
    return history


@torch.no_grad()
def _classes(network: nn.Module, x: torch.Tensor) -> int:
    """The number of outputs, found on one image so that an unfit size is told clearly."""
    was_training = network.training
    network.eval()
    try:
        return network(x[:1]).shape[1]
    except (RuntimeError, IndexError) as error:
        raise NetworkError(
            f"the network does not take images of shape {tuple(x.shape[1:])}: {error}"
        ) from error
    finally:
        network.train(was_training)


@torch.no_grad()
def predict(network: nn.Module, images: Any, batch: int = 64) -> np.ndarray:
    """Class probabilities, softmax of the logits: float32 (N, classes).

    A copy of the network is evaluated, in eval mode and with its channels last, which is three times
    as fast.

    Raises
    ------
    NetworkError
        Unfit images, or of a size that the network does not take.
    """
    x = as_images(images)
    _positive("batch", batch)
    _classes(network, x)
    last = torch.channels_last
    fast = copy.deepcopy(network).eval().to(memory_format=last)
    parts = (part.contiguous(memory_format=last) for part in x.split(batch))
    return torch.cat([fast(part).softmax(1) for part in parts]).numpy()  # (N, classes)


def wilson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927, JASA 22:209, eq. for both roots).

    With p = successes / n and z the (1 + level)/2 quantile of the standard normal,

        (p + z^2/2n  +-  z sqrt(p(1 - p)/n + z^2/4n^2)) / (1 + z^2/n).

    Raises
    ------
    NetworkError
        n < 1, successes outside 0..n, or level outside (0, 1).
    """
    if n < 1 or not 0 <= successes <= n:
        raise NetworkError(
            f"successes = {successes} of n = {n}; need n >= 1 and 0 <= successes <= n"
        )
    if not 0 < level < 1:
        raise NetworkError(f"level is {level!r}; give a number between 0 and 1, e.g. 0.95")
    p, z = successes / n, NormalDist().inv_cdf((1 + level) / 2)
    centre = p + z * z / (2 * n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return (
        max(0.0, (centre - half) / (1 + z * z / n)),
        min(1.0, (centre + half) / (1 + z * z / n)),
    )
