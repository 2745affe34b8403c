"""The convolutional classifier: its layers, its receptive field, its training and its answers.

The network is the three-convolution MNIST network of Chollet, *Deep Learning with Python*, ch. 5:
(Conv - ReLU - MaxPool) blocks without padding, then Flatten - Linear - ReLU - Linear.  Channels,
kernels, pools and the hidden width come from a config mapping.

Images are float32 in 0..1, (N, channels, rows, columns); labels are integers, (N,).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn


class NetworkError(ValueError):
    """A network that cannot be used; the message says where and what would do."""


def build(
    config: Mapping[str, Any], input_shape: Sequence[int] = (1, 28, 28), classes: int = 10
) -> nn.Sequential:
    """The classifier that `config` describes; it returns logits.

    Args:
        config: `channels`, `kernels`, `pool`: one positive integer for each convolution, in order
            (a pool of 1 means none); `hidden`: the width of the hidden dense layer.
        input_shape: (channels, rows, columns) of one image.

    Raises:
        NetworkError: a map shrinks below one pixel; the message names the key.
    """
    fan_in, rows, columns = input_shape
    layers: list[nn.Module] = []
    blocks = zip(config["channels"], config["kernels"], config["pool"], strict=True)
    for block, (width, kernel, pool) in enumerate(blocks):
        for key, size in (("kernels", kernel), ("pool", pool)):
            if size > min(rows, columns):
                raise NetworkError(
                    f"classifier.{key}[{block}] = {size} leaves no pixel of a map of "
                    f"{rows}x{columns}; use at most {min(rows, columns)}"
                )
            if key == "kernels":
                rows, columns = rows - kernel + 1, columns - kernel + 1
        rows, columns = rows // pool, columns // pool
        layers += [nn.Conv2d(fan_in, width, kernel), nn.ReLU()]
        if pool > 1:
            layers.append(nn.MaxPool2d(pool))
        fan_in = width
    layers += [
        nn.Flatten(),
        nn.Linear(fan_in * rows * columns, config["hidden"]),
        nn.ReLU(),
        nn.Linear(config["hidden"], classes),
    ]
    return nn.Sequential(*layers)


def parameters(network: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@dataclass(frozen=True)
class Field:
    """What one cell of a layer's map sees, in pixels along rows as along columns.

    Cell i sees the pixels i * stride ... i * stride + size - 1.
    """

    layer: str
    cells: int
    size: int
    stride: int


def receptive_field(
    network: nn.Sequential, pixels: int = 28
) -> tuple[list[Field], tuple[int, ...]]:
    """Each convolution's and pool's receptive field, none of them padded, and the unread pixels.

    With square kernels of side k and stride s on square images (Araujo, Norris and Sim, *Computing
    Receptive Fields of Convolutional Neural Networks*, Distill 2019):

        r <- r + (k - 1) j        j <- j s

    for its size r and stride j. Walking back from the last map tells the rows, which are the
    columns too, that no cell reads, which floor pooling and strides cause.
    """
    cells, size, stride = pixels, 1, 1
    fields, walks = [], []
    for index, layer in enumerate(network):
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            k, s = (int(np.max(n)) for n in (layer.kernel_size, layer.stride))
            cells, size, stride = (cells - k) // s + 1, size + (k - 1) * stride, stride * s
            fields.append(Field(f"{index}: {type(layer).__name__}", cells, size, stride))
            walks.append((k, s))
    read = np.arange(cells)
    for k, s in reversed(walks):
        read = np.unique(read[:, None] * s + np.arange(k))
    return fields, tuple(np.setdiff1d(np.arange(pixels), read).tolist())


@dataclass(frozen=True)
class Epoch:
    """Mean cross-entropy (nats) and accuracy over one epoch, as seen while training."""

    epoch: int
    loss: float
    accuracy: float


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every convolution's and dense layer's weights and biases from `generator`, in place.

        W, b ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)),

    the distribution of `reset_parameters` in torch, here from an explicit generator instead of
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
    images: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
    final_rate: float | None = None,
    device: str = "cpu",
    progress: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train from fresh weights with Adam (Kingma and Ba 2015) on the cross-entropy, in place.

    The seed settles the initial weights and the shuffling of every epoch through one explicit
    generator, so equal arguments give equal weights on one thread; the global generator is neither
    read nor moved.  `progress` is called after each epoch.  The network is left in eval mode, on the
    CPU.  A GPU begins with the same weights and reads the images in the same order, but adds up in
    another order: its weights drift away by rounding, and not even two runs on one are promised the
    same bytes.

    Args:
        images: float32 (N, channels, rows, columns) in 0..1.
        labels: integers (N,) in 0..classes-1.
        rate: Adam's step size at the first step.
        final_rate: the one at the last step, with a straight line between; `rate` where it is None.
            A falling rate lets the weights settle (Robbins and Monro 1951 ask for it in general).
        device: "cpu", or "cuda" for a GPU.
    """
    from torch.optim import Adam  # here, since its import takes 2 s that no other job should pay

    x, y = torch.as_tensor(images), torch.as_tensor(labels, dtype=torch.int64)
    x, y = x.to(device), y.to(device)
    final_rate = rate if final_rate is None else final_rate
    generator = torch.Generator().manual_seed(seed)
    initialise(network, generator)
    network.to(device)
    optimiser = Adam(network.parameters(), lr=rate)
    history = []
    each = -(-len(x) // batch)  # steps of an epoch
    network.train()
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(x), generator=generator)
        steps = (epoch - 1) * each + np.arange(each)
        rates = rate + (final_rate - rate) * steps / max(1, epochs * each - 1)
        sums = one_epoch(network, optimiser, x, y, order.to(device).split(batch), rates.tolist())
        total, correct = sums.tolist()
        history.append(Epoch(epoch, total / len(x), correct / len(x)))
        progress(history[-1])
    network.to("cpu").eval()
    return history


def one_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    y: torch.Tensor,
    batches: Sequence[torch.Tensor],
    rates: Sequence[float],
) -> torch.Tensor:
    """Take a gradient step on each batch, and nothing from the device that all of it is on.

    Args:
        x, y: all images, (N, channels, rows, columns), and their labels, (N,).
        batches: the indices of each.
        rates: the step size of each.

    Returns:
        (2,) float64: the sum of the cross-entropy over the images, and how many were labelled rightly.
    """
    sums = x.new_zeros(2, dtype=torch.float64)
    for chosen, rate in zip(batches, rates, strict=True):
        logits = network(x[chosen])  # (batch, classes)
        loss = nn.functional.cross_entropy(logits, y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = rate
        optimiser.step()
        sums[0] += loss.detach().double() * len(chosen)
        sums[1] += (logits.argmax(1) == y[chosen]).sum()
    return sums


@torch.no_grad()
def predict(network: nn.Module, images: np.ndarray, batch: int = 64) -> np.ndarray:
    """Class probabilities, softmax of the logits: float32 (N, classes).

    A copy of the network is evaluated, on the CPU, in eval mode and with its channels last, which is
    three times as fast.
    """
    last = torch.channels_last
    fast = copy.deepcopy(network).to("cpu", memory_format=last).eval()
    parts = torch.as_tensor(images).split(batch)
    parts = (part.contiguous(memory_format=last) for part in parts)
    return torch.cat([fast(part).softmax(1) for part in parts]).numpy()  # (N, classes)
