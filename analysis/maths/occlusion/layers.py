"""Read a network as a chain of stages: windows that slide over a map, and pointwise functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

Pointwise = Callable[[torch.Tensor], torch.Tensor]


class Unsupported(Exception):
    """A layer that the incremental engine does not know; the reference evaluates it instead."""


@dataclass(frozen=True)
class Window:
    """How a cell reads the map below: y[i] from x[i s + o] for the offsets o, on each axis.

    A kernel of k taps with padding p and dilation d has the offsets d t - p, t = 0 ... k - 1.
    """

    cells: tuple[int, int]
    """(rows, columns) of the map that it makes."""
    offsets: tuple[tuple[int, ...], tuple[int, ...]]
    stride: tuple[int, int]
    kernel: tuple[int, int]
    """Taps of one sum; the offsets are those of one sum after another when a pool follows."""
    sums: bool
    """A weighted sum, with its own table of taps; otherwise a pool alone."""

    def is_plain(self) -> bool:
        """Whether each cell is one sum."""
        return all(len(o) == k for o, k in zip(self.offsets, self.kernel, strict=True))


@dataclass
class Stage:
    """One window and what is done to each of its cells afterwards."""

    window: Window
    kind: str
    """"sum" (then the maximum of the sums, if there are several), "max" or "mean"."""
    taps: torch.Tensor | None = None
    """(kh * kw, C_in, C_out), for a sum."""
    divisor: float = 1.0
    """For a mean: the number of pixels that one window counts."""
    after: list[Pointwise] = field(default_factory=list)
    monotone: bool = True
    """Whether all of ``after`` keep the order of numbers."""


def read(network: nn.Module, shape: tuple[int, int, int]) -> list[Stage]:
    """The stages of a chain of layers, the last one with a single cell, whose values are logits.

    A linear layer on a flattened C x H x W map is a convolution with an H x W kernel.  A maximum
    commutes with functions that keep the order, max_i f(x_i) = f(max_i x_i), so those are moved
    behind it, where there are fewer cells; and a pool whose windows do not overlap becomes part of
    the convolution before it.

    Raises
    ------
    Unsupported
        Names the layer.
    """
    for name, layer in network.named_modules():
        if layer._forward_hooks or layer._forward_pre_hooks:
            raise Unsupported(f"{f'layer {name}' if name else 'the network'} has a forward hook")
    channels, rows, columns = shape
    stages: list[Stage] = []
    flat = False
    for name, layer in _flattened(network):
        told = f"layer {name} ({type(layer).__name__})"
        kind = type(layer)
        if kind in (nn.Identity, nn.Dropout, nn.Dropout2d):
            continue
        if kind is nn.Flatten:
            if layer.start_dim != 1 or layer.end_dim not in (-1, 3):
                raise Unsupported(f"{told} flattens only some axes")
            flat = True
        elif kind is nn.Linear:
            if not flat:
                raise Unsupported(f"{told} acts on rows of a map")
            if stages and rows == columns == 1:
                _mix(stages[-1], layer.weight, layer.bias)
            else:
                weight = layer.weight.reshape(-1, channels, rows, columns)
                size = (rows, columns)
                window = _window(size, size, (1, 1), (0, 0), (1, 1), sums=True)
                stages.append(_sum(weight, layer.bias, window))
            channels, rows, columns = layer.out_features, 1, 1
        elif kind in (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d):
            if flat:
                raise Unsupported(f"{told} follows a flattening")
            _append(stages, layer, told, (rows, columns))
            rows, columns = stages[-1].window.cells
            channels = layer.out_channels if kind is nn.Conv2d else channels
        else:
            function, monotone = _pointwise(layer, told, one_cell=not flat or rows == columns == 1)
            if not stages:
                raise Unsupported(f"{told} comes before any convolution, pool or linear layer")
            stages[-1].after.append(function)
            stages[-1].monotone &= monotone
    if not stages or not (rows == columns == 1):
        raise Unsupported("the last map has more than one cell")
    return stages


def _flattened(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    if type(network) is not nn.Sequential:
        raise Unsupported(f"{type(network).__name__} is not a plain nn.Sequential")
    for name, layer in network.named_children():
        if isinstance(layer, nn.Sequential):
            yield from _flattened(layer, f"{prefix}{name}.")
        else:
            yield prefix + name, layer


def _append(stages: list[Stage], layer: nn.Module, told: str, cells: tuple[int, int]) -> None:
    """Add a convolution's or pool's stage, or let the last stage take a pool in."""
    if getattr(layer, "ceil_mode", False):
        raise Unsupported(f"{told} has ceil_mode=True")
    if getattr(layer, "return_indices", False):
        raise Unsupported(f"{told} returns indices")
    if isinstance(layer.padding, str) or getattr(layer, "padding_mode", "zeros") != "zeros":
        raise Unsupported(f"{told} pads in a way of its own")
    convolves, averages = isinstance(layer, nn.Conv2d), isinstance(layer, nn.AvgPool2d)
    window = _window(
        cells,
        _pair(layer.kernel_size),
        _pair(layer.stride),
        _pair(layer.padding),
        _pair(getattr(layer, "dilation", 1)),
        sums=convolves,
    )
    one = window.kernel == window.stride == (1, 1) and window.cells == cells
    if convolves and one and stages:
        _mix(stages[-1], _ungrouped(layer).flatten(1), layer.bias)
    elif convolves:
        stages.append(_sum(_ungrouped(layer), layer.bias, window))
    elif averages:
        if not layer.count_include_pad and any(_pair(layer.padding)):
            raise Unsupported(f"{told} has count_include_pad=False")
        size = window.kernel[0] * window.kernel[1]
        stages.append(Stage(window, "mean", divisor=float(layer.divisor_override or size)))
    else:
        last = stages[-1] if stages and stages[-1].monotone else None
        apart = all(s >= k for s, k in zip(window.stride, window.kernel, strict=True))
        inside = apart and not any(_pair(layer.padding))
        if last and inside and last.kind == "sum" and last.window.is_plain():
            last.window = _compose(last.window, window)
            return
        stages.append(Stage(window, "max"))
        if last:
            stages[-1].after, last.after = last.after, []


def _window(
    cells: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    sums: bool,
) -> Window:
    axes = list(zip(cells, kernel, stride, padding, dilation, strict=True))
    rows, columns = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    above, beside = (tuple(d * t - p for t in range(k)) for _, k, _, p, d in axes)
    return Window((rows, columns), (above, beside), stride, kernel, sums)


def _compose(inner: Window, pool: Window) -> Window:
    """The window of a pool over sums: one sum's offsets after another's."""
    above, beside = (
        tuple(s * q + o for q in outer for o in offsets)
        for s, outer, offsets in zip(inner.stride, pool.offsets, inner.offsets, strict=True)
    )
    stride = inner.stride[0] * pool.stride[0], inner.stride[1] * pool.stride[1]
    return Window(pool.cells, (above, beside), stride, inner.kernel, True)


def _sum(weight: torch.Tensor, bias: torch.Tensor | None, window: Window) -> Stage:
    taps = weight.detach().permute(2, 3, 1, 0).flatten(0, 1).contiguous()  # (kh * kw, C_in, C_out)
    stage = Stage(window, "sum", taps=taps)
    if bias is not None:
        b = bias.detach().clone()
        stage.after.append(lambda x: x.add_(b))
    return stage


def _mix(stage: Stage, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    """Let W x + b, of one cell alone, follow a stage."""
    w = weight.detach().T.contiguous()  # (C_in, C_out)
    b = torch.zeros(w.shape[1]) if bias is None else bias.detach().clone()
    stage.after.append(lambda x: torch.addmm(b, x, w))
    stage.monotone = False


def _ungrouped(convolution: nn.Conv2d) -> torch.Tensor:
    """The weight of a grouped convolution as a whole one, (C_out, C_in, kh, kw), zero elsewhere."""
    w = convolution.weight.detach()
    if convolution.groups == 1:
        return w
    whole = w.new_zeros(w.shape[0], convolution.in_channels, *w.shape[2:])
    out, inner = w.shape[0] // convolution.groups, w.shape[1]
    for g in range(convolution.groups):
        block = slice(g * out, (g + 1) * out)
        whole[block, g * inner : (g + 1) * inner] = w[block]
    return whole


def _pointwise(layer: nn.Module, told: str, one_cell: bool) -> tuple[Pointwise, bool]:
    """A function of cells, (n, C) -> (n, C), and whether it keeps the order."""
    kind = type(layer)
    if kind is nn.ReLU:
        return torch.relu_, True
    if kind is nn.Tanh:
        return torch.tanh_, True
    if kind is nn.LeakyReLU:
        slope = layer.negative_slope
        return lambda x: nn.functional.leaky_relu_(x, slope), slope >= 0
    if kind in (nn.BatchNorm2d, nn.BatchNorm1d) and layer.running_mean is not None and one_cell:
        scale = (layer.running_var + layer.eps).rsqrt()
        scale = scale * layer.weight.detach() if layer.affine else scale
        shift = -layer.running_mean * scale
        shift = shift + layer.bias.detach() if layer.affine else shift
        return lambda x: x.mul_(scale).add_(shift), bool((scale >= 0).all())
    raise Unsupported(f"{told} is not known")


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
