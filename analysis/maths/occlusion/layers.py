"""Read a network as a chain of stages: windows that slide over a map, and pointwise functions."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from .dense import OcclusionError

Pointwise = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Window:
    """How a cell reads the map below, along rows as along columns: y[i] from x[i s + o]."""

    cells: int  # of a row of the map that it makes
    offsets: tuple[int, ...]  # o, of one sum after another under a pool
    stride: int
    kernel: int  # taps of one sum, along a row


@dataclass
class Stage:
    """The highest of the weighted sums in a window, and what is done to each cell afterwards."""

    window: Window
    taps: torch.Tensor  # (k * k, C_in, C_out)
    after: list[Pointwise] = field(default_factory=list)  # (n, C) -> (n, C)


def read(network: nn.Sequential, shape: tuple[int, int, int]) -> list[Stage]:
    """The stages of a chain of layers, the last one with a single cell, whose values are logits.

    A linear layer on a flattened C x n x n map is a convolution with an n x n kernel.  A maximum
    commutes with ReLU and with adding a bias, max_i f(x_i) = f(max_i x_i), so a pool whose windows
    do not overlap becomes part of the convolution before it, and these follow it, where there are
    fewer cells.

    Raises:
        OcclusionError: a layer is none of these; the message names it.
    """
    channels, cells, _ = shape
    stages: list[Stage] = []
    for name, layer in network.named_children():
        if type(layer) is nn.ReLU and stages:
            stages[-1].after.append(torch.relu_)
        elif type(layer) is nn.Linear and stages and cells == 1:
            _mix(stages[-1], layer)
        elif type(layer) is nn.Linear:
            kernel = layer.weight.reshape(-1, channels, cells, cells)
            stages.append(_sum(kernel, layer.bias, cells, 1))
            channels, cells = layer.out_features, 1
        elif type(layer) is nn.Conv2d and _is_plain(layer):
            stages.append(_sum(layer.weight, layer.bias, cells, layer.stride[0]))
            channels, cells = layer.out_channels, stages[-1].window.cells
        elif type(layer) is nn.MaxPool2d and stages and _is_apart(layer):
            stages[-1].window = _pooled(stages[-1].window, layer.kernel_size)
            cells = stages[-1].window.cells
        elif type(layer) is not nn.Flatten:
            raise OcclusionError(
                f"layer {name} ({layer}) is not known to the incremental evaluation"
            )
    if cells > 1:
        raise OcclusionError("the network's last map has more than one cell")
    return stages


def _is_plain(layer: nn.Conv2d) -> bool:
    square = len({*layer.kernel_size}) == len({*layer.stride}) == 1
    return square and (layer.padding, layer.dilation, layer.groups) == ((0, 0), (1, 1), 1)


def _is_apart(layer: nn.MaxPool2d) -> bool:
    whole = layer.kernel_size == layer.stride and isinstance(layer.stride, int)
    return whole and (layer.padding, layer.dilation, layer.ceil_mode) == (0, 1, False)


def _sum(weight: torch.Tensor, bias: torch.Tensor, cells: int, stride: int) -> Stage:
    """A convolution, weight (C_out, C_in, k, k), over a map of so many cells a row."""
    kernel = weight.shape[2]
    window = Window((cells - kernel) // stride + 1, tuple(range(kernel)), stride, kernel)
    taps = weight.detach().permute(2, 3, 1, 0).flatten(0, 1).contiguous()  # (k * k, C_in, C_out)
    b = bias.detach().clone()
    return Stage(window, taps, [lambda x: x.add_(b)])


def _pooled(inner: Window, size: int) -> Window:
    """The window of a pool over sums: one sum's offsets after another's."""
    return Window(
        cells=inner.cells // size,
        offsets=tuple(inner.stride * q + o for q in range(size) for o in inner.offsets),
        stride=inner.stride * size,
        kernel=inner.kernel,
    )


def _mix(stage: Stage, layer: nn.Linear) -> None:
    """Let W x + b, of one cell alone, follow a stage."""
    w, b = layer.weight.detach().T.contiguous(), layer.bias.detach().clone()
    stage.after.append(lambda x: torch.addmm(b, x, w))
