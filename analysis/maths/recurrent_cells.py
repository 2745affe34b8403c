r"""The three recurrent cells of the study: their equations, random weights, and PyTorch's own cells.

Each cell is a few lines in the grammar of `recurrence.py`. The LSTM and the GRU are those of
torch.nn, so that the cell whose gradient is followed is the cell that is trained. torch's GRU
applies the reset gate after the matrix product, where Cho et al. (2014) applied it before, and has
a bias of its own there, b_h.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.maths.reservoir import random_square
from workings.derive.recurrence import Recurrence

if TYPE_CHECKING:
    import torch

Array = NDArray[np.floating]
Parameters = dict[str, Array]

CELLS = {
    # Goodfellow, Bengio and Courville (2016), eq. 10.8 and 10.9
    "vanilla": """
        a = b + W @ h_prev + U @ x
        h = tanh(a)
        y = k + V @ h
    """,
    # Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)
    "LSTM": """
        i = sigmoid(b_i + W_i @ h_prev + U_i @ x)
        f = sigmoid(b_f + W_f @ h_prev + U_f @ x)
        g = tanh(b_g + W_g @ h_prev + U_g @ x)
        o = sigmoid(b_o + W_o @ h_prev + U_o @ x)
        c = f * c_prev + i * g
        h = o * tanh(c)
        y = k + V @ h
    """,
    # Cho et al. (2014), as in torch.nn.GRU
    "GRU": """
        r = sigmoid(b_r + W_r @ h_prev + U_r @ x)
        z = sigmoid(b_z + W_z @ h_prev + U_z @ x)
        n = tanh(b_n + U_n @ x + r * (b_h + W_n @ h_prev))
        h = (1 - z) * n + z * h_prev
        y = k + V @ h
    """,
}
# The cross-entropy of a target that sums to one; a step whose target is 0 has no loss.
LOSS = "sum(target) * log_sum_exp(y) - dot(target, y)"
GATES = {"vanilla": [""], "relu": [""], "LSTM": ["_i", "_f", "_g", "_o"], "GRU": ["_r", "_z", "_n"]}
KEEPS = {"LSTM": "b_f", "GRU": "b_z"}  # the bias of the gate that keeps the old state
STATES = {"vanilla": ["h"], "LSTM": ["c", "h"], "GRU": ["h"]}
TORCH = {"vanilla": "RNN", "relu": "RNN", "LSTM": "LSTM", "GRU": "GRU"}


def draw(
    kind: str,
    units: int,
    inputs: int,
    outputs: int,
    start: float | str,
    bias: float,
    drive: float,
    generator: np.random.Generator,
) -> Parameters:
    """Random weights: each W of the kind `start`, each U so that inputs of unit variance move a unit
    by the standard deviation `drive`. The biases are 0, that of the gate that keeps is `bias`.

    Args:
        start: the spectral radius of a Gaussian W, or "orthogonal" (Saxe et al. 2014), or "identity".
    """
    parameters: Parameters = {}
    for gate in GATES[kind]:
        parameters[f"W{gate}"] = _square(start, units, generator)  # (n, n)
        U = generator.standard_normal((units, inputs))
        parameters[f"U{gate}"] = U * drive / np.sqrt(inputs)  # (n, m)
        parameters[f"b{gate}"] = np.zeros(units)
    if kind == "GRU":
        parameters["b_h"] = np.zeros(units)
    if kind in KEEPS:
        parameters[KEEPS[kind]] += bias
    parameters["V"] = generator.standard_normal((outputs, units)) / np.sqrt(units)
    parameters["k"] = np.zeros(outputs)
    return parameters


def _square(start: float | str, n: int, generator: np.random.Generator) -> Array:
    if start == "identity":
        return np.eye(n)
    if start == "orthogonal":
        Q, R = np.linalg.qr(generator.standard_normal((n, n)))
        return Q * np.sign(np.diag(R))  # the signs make it uniform over all rotations
    return random_square(n, start, generator)


def recurrence(kind: str, parameters: Parameters, x: Array, target: int) -> Recurrence:
    """The cell on the inputs x (T×m), from rest, with the cross-entropy of the last step as its loss."""
    targets = np.zeros((len(x), len(parameters["k"])))
    targets[-1, target] = 1
    rest = np.zeros(parameters["V"].shape[1])
    return Recurrence.from_config(
        {
            "name": kind,
            "cell": CELLS[kind],
            "loss": LOSS,
            "parameters": parameters,
            "initial_state": dict.fromkeys(STATES[kind], rest),
            "inputs": x,
            "targets": targets,
        }
    )


def radius_at_rest(kind: str, parameters: Parameters) -> float:
    r"""The spectral radius of the Jacobian of one step, at the state 0 and without input.

    It is the factor that linear theory predicts for each step back (Bengio et al. 1994; Pascanu et
    al. 2013). With biases of 0 but that of the gate that keeps, all states are 0 at rest, and
        vanilla  dh_t/dh_{t-1} = W
        LSTM     dc_t/dc_{t-1} = diag(f) + i o W_g,          f = \sigma(b_f), i = o = 1/2
        GRU      dh_t/dh_{t-1} = diag(z) + (1 - z) r W_n,    z = \sigma(b_z), r = 1/2.
    """
    if kind == "vanilla":
        J = parameters["W"]
    else:
        keep = 1 / (1 + np.exp(-parameters[KEEPS[kind]]))  # (n,)
        if kind == "LSTM":
            J = np.diag(keep) + parameters["W_g"] / 4
        else:
            J = np.diag(keep) + (1 - keep)[:, None] / 2 * parameters["W_n"]
    return float(np.abs(np.linalg.eigvals(J)).max())


# --- PyTorch's cells with the same weights ------------------------------------------------------


def count(kind: str, units: int, inputs: int, outputs: int) -> int:
    """The number of weights: W, U and b of each gate, the GRU's b_h, and the readout."""
    gates, more = len(GATES[kind]), units if kind == "GRU" else 0
    return gates * units * (units + inputs + 1) + more + outputs * (units + 1)


def units_for(kind: str, parameters: int, inputs: int, outputs: int) -> int:
    """How many units bring the number of weights nearest to `parameters`."""
    candidates = range(1, int(np.sqrt(parameters)) + 2)
    return min(candidates, key=lambda n: abs(count(kind, n, inputs, outputs) - parameters))


def load(kind: str, parameters: Parameters, module: torch.nn.Module, suffix: str = "") -> None:
    """Put the weights into torch's layer (`suffix` is "_l0") or single cell."""
    import torch

    def stacked(letter: str, gates: Iterable[str] = GATES[kind]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate([parameters[letter + gate] for gate in gates]))

    with torch.no_grad():
        getattr(module, f"weight_hh{suffix}").copy_(stacked("W"))
        getattr(module, f"weight_ih{suffix}").copy_(stacked("U"))
        getattr(module, f"bias_ih{suffix}").copy_(stacked("b"))
        bias_hh = getattr(module, f"bias_hh{suffix}").zero_()
        if kind == "GRU":
            bias_hh[-len(parameters["b_h"]) :] = torch.from_numpy(parameters["b_h"])


def by_autograd(
    kind: str, parameters: Parameters, x: Array, target: int, values: Mapping[str, Array]
) -> tuple[Array, float]:
    """dL/dh at every step, T×n, by autograd through torch's cell.

    `values` are the states that the recurrence went through. torch's state is put back onto them after
    each step, since a chaotic cell would take another way after some rounding; the largest step by
    which it had to be moved is the second result.
    """
    import torch

    units, inputs = parameters["V"].shape[1], x.shape[1]
    cell = getattr(torch.nn, f"{TORCH[kind]}Cell")(inputs, units, dtype=torch.float64)
    load(kind, parameters, cell)
    V = torch.from_numpy(parameters["V"])
    names = sorted(STATES[kind], reverse=True)  # h, then c: torch's order
    state = [torch.from_numpy(values[f"{name}_prev"][0].copy()) for name in names]
    hs, moved = [], 0.0
    for t, x_t in enumerate(torch.from_numpy(x)):
        after = cell(x_t, tuple(state) if len(state) > 1 else state[0])
        after = list(after) if len(state) > 1 else [after]
        for place, name in enumerate(names):
            off = torch.from_numpy(values[name][t].copy()) - after[place].detach()
            moved = max(moved, float(off.abs().max()))
            after[place] = after[place] + off
        state = after
        state[0].retain_grad()
        hs.append(state[0])
    y = torch.from_numpy(parameters["k"]) + V @ state[0]
    (torch.logsumexp(y, 0) - y[target]).backward()
    return np.stack([h.grad.numpy() for h in hs]), moved  # (T, n)
