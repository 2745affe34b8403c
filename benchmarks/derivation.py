"""How the derivation engine scales, as ratios against peers measured in the same run.

    python benchmarks/derivation.py

One thread, CPU time, medians of interleaved repetitions. The peer of the first table is a Python loop
of torch operations with autograd, in double precision, over the same cell and numbers; ours is the
forward pass and reverse mode with the gradient of every parameter. Ratios under 1 are faster than torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sympy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workings.derive.arithmetic import Arithmetic
from workings.derive.operations import X
from workings.derive.recurrence import Recurrence

torch.set_num_threads(1)

CELLS = {
    "RNN": "h = tanh(b + W @ h_prev + U @ x)",
    "LSTM": """\
i = sigmoid(b_i + W_i @ h_prev + U_i @ x)
f = sigmoid(b_f + W_f @ h_prev + U_f @ x)
g = tanh(b_g + W_g @ h_prev + U_g @ x)
o = sigmoid(b_o + W_o @ h_prev + U_o @ x)
c = f * c_prev + i * g
h = o * tanh(c)""",
    "GRU": """\
z = sigmoid(b_z + W_z @ h_prev + U_z @ x)
r = sigmoid(b_r + W_r @ h_prev + U_r @ x)
n = tanh(b_n + W_n @ (r * h_prev) + U_n @ x)
h = (1 - z) * n + z * h_prev""",
}
GATES = {"RNN": [""], "LSTM": ["_i", "_f", "_g", "_o"], "GRU": ["_z", "_r", "_n"]}


def problem(kind: str, n: int, steps: int) -> Recurrence:
    """A cell of n units with random numbers; the loss is the cross-entropy of n classes."""
    random = np.random.default_rng(0)
    parameters = {}
    for gate in GATES[kind]:
        parameters["b" + gate] = random.normal(size=n) / 4
        parameters["W" + gate] = random.normal(size=(n, n)) / n**0.5
        parameters["U" + gate] = random.normal(size=(n, n)) / n**0.5
    return Recurrence.from_config(
        {
            "cell": CELLS[kind],
            "loss": "log_sum_exp(h) - dot(target, h)",
            "parameters": parameters,
            "initial_state": {s: np.zeros(n) for s in (("c", "h") if kind == "LSTM" else ("h",))},
            "inputs": random.normal(size=(steps, n)),
            "targets": np.eye(n)[random.integers(n, size=steps)],
        }
    )


def torch_loop(kind: str, cell: Recurrence) -> Callable[[], dict[str, np.ndarray]]:
    """The same cell as a person would write it in torch, each step a few operations."""
    p = {k: torch.tensor(v, requires_grad=True) for k, v in cell.parameters.items()}
    xs, targets = torch.tensor(cell.inputs), torch.tensor(cell.targets)
    n = cell.shape("h")[0]

    def gate(name: str, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.addmv(p["b" + name], p["W" + name], h) + p["U" + name] @ x

    def run() -> dict[str, np.ndarray]:
        for value in p.values():
            value.grad = None
        h = c = torch.zeros(n, dtype=torch.float64)
        loss = torch.zeros((), dtype=torch.float64)
        for x, target in zip(xs, targets, strict=True):
            if kind == "RNN":
                h = torch.tanh(gate("", h, x))
            elif kind == "LSTM":
                i, f = torch.sigmoid(gate("_i", h, x)), torch.sigmoid(gate("_f", h, x))
                g, o = torch.tanh(gate("_g", h, x)), torch.sigmoid(gate("_o", h, x))
                c = f * c + i * g
                h = o * torch.tanh(c)
            else:
                z, r = torch.sigmoid(gate("_z", h, x)), torch.sigmoid(gate("_r", h, x))
                new = torch.tanh(torch.addmv(p["b_n"], p["W_n"], r * h) + p["U_n"] @ x)
                h = (1 - z) * new + z * h
            loss = loss + torch.logsumexp(h, 0) - target @ h
        loss.backward()
        return {k: v.grad.numpy() for k, v in p.items()}

    return run


def torch_whole(cell: Recurrence) -> Callable[[], None]:
    """torch.nn.LSTM over the whole sequence: its own loop in C++, gates stacked."""
    n = cell.shape("h")[0]
    lstm = torch.nn.LSTM(n, n, dtype=torch.float64)
    xs, targets = torch.tensor(cell.inputs), torch.tensor(cell.targets)

    def run() -> None:
        lstm.zero_grad()
        h, _ = lstm(xs)
        (torch.logsumexp(h, 1).sum() - (targets * h).sum()).backward()

    return run


def cpu_times(functions: list[Callable], repetitions: int) -> list[list[float]]:
    """CPU seconds of each function, the functions taking turns."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repetitions):
        for function, taken in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            taken.append(time.process_time() - start)
    return times


def against_torch(repetitions: int = 5) -> None:
    print("forward + reverse mode / torch Python loop with autograd")
    cases = [("RNN", 8, 10_000), ("LSTM", 8, 10_000), ("GRU", 8, 10_000), ("LSTM", 128, 300)]
    for kind, n, steps in cases:
        cell = problem(kind, n, steps)
        loop = torch_loop(kind, cell)

        def ours(cell: Recurrence = cell) -> dict[str, np.ndarray]:
            return cell.reverse(cell.forward()).parameters

        a, b = ours(), loop()
        gap = max(np.abs(a[k] - b[k]).max() / np.abs(b[k]).max() for k in a)
        functions = [ours, loop, *([torch_whole(cell)] if kind == "LSTM" else [])]
        own, peer, *whole = cpu_times(functions, repetitions)
        ratio = statistics.median(x / y for x, y in zip(own, peer, strict=True))
        extra = ""
        if whole:
            against = statistics.median(x / y for x, y in zip(own, whole[0], strict=True))
            extra = f", {against:.2f} of torch.nn.LSTM"
        print(
            f"  {kind:4} n = {n:3}, T = {steps:5}, {cell.size:7,} parameters: "
            f"{ratio:.2f} of the loop{extra}; max-norm difference {gap:.0e}"
        )


def growth(repetitions: int = 5) -> None:
    print("growth of the time of one step from T = 10 to T = 10,000 (1.00: linear)")
    for kind in CELLS:
        lengths = (10, 100, 1_000, 10_000)
        cells = [problem(kind, 8, steps) for steps in lengths]

        def several(cell: Recurrence) -> None:
            for _ in range(max(1, 1_000 // cell.steps)):
                cell.reverse(cell.forward())

        functions = [lambda cell=cell: several(cell) for cell in cells]
        for function in functions:
            function()
        medians = [statistics.median(t) for t in cpu_times(functions, repetitions)]
        steps = [t / max(1_000, cell.steps) for t, cell in zip(medians, cells, strict=True)]
        row = ", ".join(
            f"T = {c.steps}: {s / steps[0]:.2f}" for c, s in zip(cells, steps, strict=True)
        )
        print(f"  {kind:4} n = 8: {row}")


SYMPY = Arithmetic(
    object,
    lambda value: sympy.Rational(value.numerator, value.denominator),
    lambda f: np.frompyfunc(lambda u: f.f.subs(X, u), 1, 1),
    lambda u: 0,
)


def against_sympy() -> None:
    print("derivation and gradient in numbers / unrolled sympy.diff by every parameter, RNN, n = 2")
    for steps in range(1, 6):
        cell = problem("RNN", 2, steps)
        named = {
            name: np.reshape(sympy.symbols(f"{name}_:{a.size}"), a.shape)
            for name, a in cell.parameters.items()
        }

        def unrolled(cell: Recurrence = cell, named: dict = named) -> list:
            loss = cell.forward(named, SYMPY).loss
            return [sympy.diff(loss, s) for array in named.values() for s in array.flat]

        def ours(cell: Recurrence = cell) -> None:
            fresh = Recurrence(**{k: getattr(cell, k) for k in cell.__dataclass_fields__})
            fresh.adjoint_lines()
            fresh.reverse(fresh.forward())

        (own, peer) = cpu_times([ours, unrolled], 1 if steps > 2 else 3)
        ratio = statistics.median(own) / statistics.median(peer)
        sympy.core.cache.clear_cache()
        print(f"  T = {steps}: {ratio:.4f} (sympy {1 / ratio:,.0f} times ours)", flush=True)


if __name__ == "__main__":
    against_torch()
    growth()
    against_sympy()
