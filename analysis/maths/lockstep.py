r"""Several recurrent networks of one kind, side by side: every step is one stacked product.

R networks have their own weights and read their own B sequences. The lines of `recurrent_cells` hold
for each; all matrices of a cell are one, times the state, the input and a 1 below each other:

    a_t = \Theta (h_{t-1}, x_t, 1),   y = K (h_T, 1)

The gradient is that of back-propagation through time (Werbos 1990), written out for each cell, and no
network's numbers depend on those beside it. x is T×R×m×B.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.maths.recurrent_cells import Parameters

Array = NDArray[np.float32]

GATES = {  # in the order of Θ: the matrix, the input's matrix and the bias of each; - is none
    "vanilla": ["W U b"],
    "relu": ["W U b"],
    "LSTM": ["W_i U_i b_i", "W_f U_f b_f", "W_o U_o b_o", "W_g U_g b_g"],
    "GRU": ["W_r U_r b_r", "W_z U_z b_z", "W_n - b_h", "- U_n b_n"],
}


@dataclass(frozen=True)
class Shape:
    """The sizes of one network, and where its weights stand in a row of P numbers."""

    kind: str
    units: int
    inputs: int
    outputs: int

    def views(self, weights: Array) -> tuple[Array, Array]:
        """Θ, gates×R×n×(n+m+1), and K, R×outputs×(n+1), as views of the weights, R×P."""
        gates, below = len(GATES[self.kind]), self.units + self.inputs + 1
        size = gates * self.units * below
        theta = weights[:, :size].reshape(-1, gates, self.units, below)
        return theta.swapaxes(0, 1), weights[:, size:].reshape(-1, self.outputs, self.units + 1)

    def pack(self, parameters: Parameters) -> Array:
        """The weights of one network as a row."""
        n, m = self.units, self.inputs
        row = []
        for names in GATES[self.kind]:
            W, U, b = names.split()
            W, U = parameters.get(W, np.zeros((n, n))), parameters.get(U, np.zeros((n, m)))
            row.append(np.hstack([W, U, parameters[b][:, None]]).ravel())
        row.append(np.hstack([parameters["V"], parameters["k"][:, None]]).ravel())
        return np.concatenate(row).astype(np.float32)


@dataclass(frozen=True)
class Run:
    """What a forward pass leaves for the gradient."""

    below: Array  # (T+1, R, n+m+1, B): the state before each step, its input, 1
    h: Array  # (T+1, R, n, B), the state in there
    gates: Array  # (T, gates, R, n, B): the activation of each gate
    c: Array  # (T+1, R, n, B), the LSTM's


def forward(shape: Shape, weights: Array, x: Array) -> tuple[Array, Run]:
    """The answers of R networks, (R, outputs, B), to their inputs x, (T, R, m, B)."""
    theta, K = shape.views(weights)
    T, R, m, B = x.shape
    n = shape.units
    below = np.empty((T + 1, R, n + m + 1, B), np.float32)
    below[0, :, :n] = 0
    below[:T, :, n:-1] = x
    below[:, :, -1] = 1
    gates = np.empty((T, len(theta), R, n, B), np.float32)
    c = np.zeros((T + 1 if shape.kind == "LSTM" else 0, R, n, B), np.float32)
    run = Run(below, below[:, :, :n], gates, c)
    theta = np.array(theta, order="C")
    theta[_SIGMOIDS[shape.kind]] *= 0.5  # \sigma(a) = (1 + tanh(a/2)) / 2
    _FORWARD[shape.kind](theta, run)
    return K[:, :, :-1] @ run.h[-1] + K[:, :, -1:], run


def gradient(shape: Shape, weights: Array, run: Run, dy: Array) -> tuple[Array, Array]:
    """dL/dweights, R×P, of R losses with dL/dy, (R, outputs, B); and dL/dh of the state at rest.

    The run is used up: its gates become their gradients.
    """
    theta, K = shape.views(weights)
    total = np.zeros_like(weights)
    dtheta, dK = shape.views(total)
    np.matmul(dy, run.h[-1].swapaxes(1, 2), out=dK[:, :, :-1])
    dK[:, :, -1] = dy.sum(axis=2)
    n = shape.units
    W_T = np.ascontiguousarray(theta[..., :n].swapaxes(2, 3))  # (gates, R, n, n)
    dh = _BACKWARD[shape.kind](W_T, run, K[:, :, :-1].swapaxes(1, 2) @ dy)
    whole, term = np.zeros(dtheta.shape, np.float32), np.empty(dtheta.shape, np.float32)
    for da, below in zip(run.gates, run.below[:-1], strict=True):
        np.matmul(da, np.ascontiguousarray(below.swapaxes(1, 2)), out=term)
        whole += term
    dtheta[:] = whole
    if shape.kind == "GRU":  # which adds W h and U x of its new state apart
        dtheta[2, :, :, n:-1] = 0
        dtheta[3, :, :, :n] = 0
    return total, dh


def _steps_back(run: Run) -> range:
    return range(len(run.gates) - 1, -1, -1)


# --- h = tanh(a), or relu(a) ---------------------------------------------------------------------


def _vanilla(theta: Array, run: Run) -> None:
    for t, a in enumerate(run.gates):
        np.matmul(theta, run.below[t], out=a)
        np.tanh(a[0], out=run.h[t + 1])


def _relu(theta: Array, run: Run) -> None:
    for t, a in enumerate(run.gates):
        np.matmul(theta, run.below[t], out=a)
        np.maximum(a[0], 0, out=run.h[t + 1])


def _vanilla_back(W_T: Array, run: Run, dh: Array) -> Array:
    np.subtract(1, run.h[1:] ** 2, out=run.gates[:, 0])  # the slope of tanh
    return _through(W_T, run, dh)


def _relu_back(W_T: Array, run: Run, dh: Array) -> Array:
    np.greater(run.h[1:], 0, out=run.gates[:, 0])
    return _through(W_T, run, dh)


def _through(W_T: Array, run: Run, dh: Array) -> Array:
    for t in _steps_back(run):
        da = run.gates[t]  # still the slope
        da *= dh
        dh = (W_T @ da)[0]
    return dh


# --- the LSTM: c = f c_prev + i g, h = o tanh(c) -------------------------------------------------


def _lstm(theta: Array, run: Run) -> None:
    c = run.c
    for t, a in enumerate(run.gates):
        np.matmul(theta, run.below[t], out=a)
        i, f, o, g = _squash(a, 3)
        np.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += i * g
        np.multiply(o, np.tanh(c[t + 1]), out=run.h[t + 1])


def _lstm_back(W_T: Array, run: Run, dh: Array) -> Array:
    dc, c = np.zeros_like(dh), run.c
    for t in _steps_back(run):
        a = run.gates[t]
        i, f, o, g = a
        tanh_c = np.tanh(c[t + 1])
        dc += dh * (o - run.h[t + 1] * tanh_c)  # o (1 - tanh_c²)
        before, dg = dc * f, dc * i
        a[:3] *= 1 - a[:3]  # the slopes of the gates
        i *= dc * g
        f *= dc * c[t]
        o *= dh * tanh_c
        np.multiply(dg, 1 - g * g, out=g)
        dh = (W_T @ a).sum(axis=0)
        dc = before
    return dh


# --- the GRU: new = tanh(U_n x + b_n + r (W_n h_prev + b_h)), h = (1 - z) new + z h_prev ---------


def _gru(theta: Array, run: Run) -> None:
    for t, a in enumerate(run.gates):
        np.matmul(theta, run.below[t], out=a)
        r, z, s, new = a
        _squash(a[:2], 2)
        new += r * s
        np.tanh(new, out=new)
        np.add(new, z * (run.h[t] - new), out=run.h[t + 1])


def _gru_back(W_T: Array, run: Run, dh: Array) -> Array:
    for t in _steps_back(run):
        a = run.gates[t]
        r, z, s, new = a
        kept = dh * z
        d_new = (dh - kept) * (1 - new * new)
        d_s = d_new * r
        a[:2] *= 1 - a[:2]  # the slopes of the gates
        r *= d_new * s
        z *= dh * (run.h[t] - new)
        s[:], new[:] = d_s, d_new
        dh = kept + (W_T @ a).sum(axis=0)
    return dh


def _squash(a: Array, gates: int) -> Array:
    """What the gates make of a, whose rows of the gates are halved already, in place."""
    np.tanh(a, out=a)
    a[:gates] *= 0.5
    a[:gates] += 0.5
    return a


_SIGMOIDS = {"vanilla": slice(0), "relu": slice(0), "LSTM": slice(3), "GRU": slice(2)}
_FORWARD: dict[str, Callable] = {"vanilla": _vanilla, "relu": _relu, "LSTM": _lstm, "GRU": _gru}
_BACKWARD: dict[str, Callable] = {
    "vanilla": _vanilla_back, "relu": _relu_back, "LSTM": _lstm_back, "GRU": _gru_back,
}  # fmt: skip
