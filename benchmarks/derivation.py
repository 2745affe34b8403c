"""How the derivation engine scales, against peers measured in the same run.

    pip install --group benchmark          # Tensorgrad and jax; without them, their columns are empty
    python benchmarks/derivation.py

One thread, double precision, CPU time. Everybody is given the same cell, the same numbers and the loss
of every step, and gives the loss and the gradient of every parameter; the gradients are compared.

The first table has a vanilla cell of 8 units over T steps, each contestant and T in a process of its own:

    derive      from the formulas, or the description, to something that can be run
    first run   with what is compiled, or built, only then
    a run       the median of the runs after it

The second is the ratio of a run to that of a Python loop of torch operations with autograd, for other
cells. The third is what Tensorgrad and we print for the gradient of one step.

Tensorgrad 0.3.0 wants torch's named tensors, which torch 2.13 has no longer: they are given back
without names, which Tensorgrad takes as the order of the axes. Its graphs are unrolled, as sympy's are.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import importlib.util
import multiprocessing
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
from workings.derive.derivation import derive
from workings.derive.operations import X
from workings.derive.recurrence import Recurrence

torch.set_num_threads(1)

LENGTHS = (1, 10, 100, 1_000, 10_000)  # T
LIMIT = 120  # seconds of the clock for one contestant and T
Gradients = dict[str, np.ndarray]

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


def torch_loop(kind: str, cell: Recurrence) -> Callable[[], Gradients]:
    """The same cell as a person would write it in torch, each step a few operations."""
    p = {k: torch.tensor(v, requires_grad=True) for k, v in cell.parameters.items()}
    xs, targets = torch.tensor(cell.inputs), torch.tensor(cell.targets)
    n = cell.shape("h")[0]

    def gate(name: str, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.addmv(p["b" + name], p["W" + name], h) + p["U" + name] @ x

    def run() -> Gradients:
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

        def ours(cell: Recurrence = cell) -> Gradients:
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


# --- one cell, five ways: each function derives, and returns what runs ---------------------------


def ours(cell: Recurrence) -> Callable[[], Gradients]:
    fresh = Recurrence(**{k: getattr(cell, k) for k in cell.__dataclass_fields__})
    fresh.adjoint_lines()
    return lambda: fresh.reverse(fresh.forward()).parameters


def torch_autograd(cell: Recurrence) -> Callable[[], Gradients]:
    return torch_loop("RNN", cell)


SYMPY = Arithmetic(
    object,
    lambda value: sympy.Rational(value.numerator, value.denominator),
    lambda f: np.frompyfunc(lambda u: f.f.subs(X, u), 1, 1),
    lambda u: 0,
)


def unrolled_sympy(cell: Recurrence) -> Callable[[], Gradients]:
    named = {
        name: np.reshape(sympy.symbols(f"{name}_:{a.size}"), a.shape)
        for name, a in cell.parameters.items()
    }
    symbols = [s for array in named.values() for s in array.flat]
    loss = cell.forward(named, SYMPY).loss
    run = sympy.lambdify(symbols, [sympy.diff(loss, s) for s in symbols], cse=True)
    given = np.concatenate([a.ravel() for a in cell.parameters.values()])

    def gradients() -> Gradients:
        flat = iter(run(*given))
        return {
            name: np.reshape([next(flat) for _ in range(a.size)], a.shape)
            for name, a in cell.parameters.items()
        }

    return gradients


def tensorgrad(cell: Recurrence) -> Callable[[], Gradients]:
    import tensorgrad as tg
    import tensorgrad.functions as F
    from tensorgrad.compiler import compile_to_callable

    give_back_names()
    size = sympy.Symbol("n")
    parameters = {
        "b": tg.Variable("b", size),
        "W": tg.Variable("W", size, m=size),
        "U": tg.Variable("U", size, m=size),
    }
    h = tg.Variable("h", size)
    values, loss = {h: torch.zeros(cell.shape("h"), dtype=torch.float64)}, None
    for t, (x_t, target_t) in enumerate(zip(cell.inputs, cell.targets, strict=True)):
        x, target = tg.Variable(f"x{t}", size), tg.Variable(f"y{t}", size)
        values |= {x: torch.tensor(x_t), target: torch.tensor(target_t)}
        h, step = tensorgrad_step(F, parameters, h, x, target)
        loss = step if loss is None else loss + step
    values |= {parameters[k]: torch.tensor(v) for k, v in cell.parameters.items()}
    run = compile_to_callable(loss, *(loss.grad(p) for p in parameters.values()))

    def gradients() -> Gradients:
        _, *found = run(values, {size: cell.shape("h")[0]})
        return {name: g.numpy() for name, g in zip(parameters, found, strict=True)}

    return gradients


def tensorgrad_step(F, p: dict, h, x, target) -> tuple:
    """The next state, and the loss of the step."""
    h = F.tanh(p["b"] + p["W"] @ h.rename(n="m") + p["U"] @ x.rename(n="m"))
    return h, F.log(F.sum(F.exp(h))) - F.dot(target, h, dim="n")


def give_back_names() -> None:
    if not hasattr(torch.Tensor, "names"):
        torch.Tensor.names = property(lambda self: (None,) * self.dim())
        torch.Tensor.rename = torch.Tensor.refine_names = lambda self, *names: self


def jax_scan(cell: Recurrence) -> Callable[[], Gradients]:
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss(p: dict, xs: np.ndarray, targets: np.ndarray) -> jax.Array:
        def step(h: jax.Array, given: tuple) -> tuple:
            x, target = given
            h = jnp.tanh(p["b"] + p["W"] @ h + p["U"] @ x)
            return h, jax.nn.logsumexp(h) - target @ h

        return jax.lax.scan(step, jnp.zeros(cell.shape("h")), (xs, targets))[1].sum()

    given = (cell.parameters, cell.inputs, cell.targets)
    lowered = jax.jit(jax.value_and_grad(loss)).lower(*given)
    compiled: list = []  # by the first run

    def gradients() -> Gradients:
        if not compiled:
            compiled.append(lowered.compile())
        return {k: np.asarray(v) for k, v in compiled[0](*given)[1].items()}

    return gradients


CONTESTANTS = {
    "ours": ours, "Tensorgrad": tensorgrad, "jax, scan": jax_scan, "torch loop": torch_autograd,
    "sympy": unrolled_sympy,
}  # fmt: skip
NEEDS = {"Tensorgrad": "tensorgrad", "jax, scan": "jax"}


def timed(name: str, steps: int, sent: multiprocessing.Queue) -> None:
    """Send the times of a contestant, and how far its gradients are from ours; the imports are free."""
    for module in filter(None, [NEEDS.get(name)]):
        importlib.import_module(module)
    sys.setrecursionlimit(100_000)
    cell = problem("RNN", 8, steps)
    start = time.process_time()
    run = CONTESTANTS[name](cell)
    derived = time.process_time()
    found = run()
    times = [derived - start, time.process_time() - derived]
    runs = []
    while len(runs) < 3 or (len(runs) < 50 and sum(runs) < 1):
        start = time.process_time()
        run()
        runs.append(time.process_time() - start)
    right = ours(cell)()
    gap = max(np.abs(found[k] - right[k]).max() / np.abs(right[k]).max() for k in right)
    sent.put([*times, statistics.median(runs), float(gap)])


def measured(name: str, steps: int) -> list[float] | str:
    """The times of a contestant in a process of its own, or why there are none."""
    if name in NEEDS and not importlib.util.find_spec(NEEDS[name]):
        return "not installed"
    context = multiprocessing.get_context("spawn")
    sent = context.Queue()
    process = context.Process(target=timed, args=(name, steps, sent))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        return f"over {LIMIT} s"
    return sent.get() if process.exitcode == 0 else "failed"


def rivals() -> None:
    print(
        "| T | | derive, s | first run, s | a run, ms | from ours |\n|---:|---|---:|---:|---:|---:|"
    )
    stopped: dict[str, str] = {}
    for steps in LENGTHS:
        for name in CONTESTANTS:
            found = stopped.get(name) or measured(name, steps)
            if isinstance(found, str):
                stopped[name] = found
                print(f"| {steps:,} | {name} | {found} | | | |", flush=True)
                continue
            derive, first, run, gap = found
            row = f"{derive:.3f} | {first:.3f} | {1000 * run:.3f} | {gap:.0e}"
            print(f"| {steps:,} | {name} | {row} |", flush=True)


def printed() -> None:
    """What is printed for the gradient by b of one step."""
    print("\nwhat is printed for the gradient by b of one step:\n\nours")
    derivation = derive(problem("RNN", 2, 1))
    for part in derivation.groups["recurrences"][1:]:
        for line in (*part.lines, *part.sums):
            if line.name in ("dL_dh", "sum.dL_db"):
                print(f"  {line.printed()['whole']}")
    if not importlib.util.find_spec("tensorgrad"):
        return
    import tensorgrad as tg
    import tensorgrad.functions as F
    from tensorgrad.extras.to_latex import to_latex

    n = sympy.Symbol("n")
    p = {k: tg.Variable(k, n, **({"m": n} if k != "b" else {})) for k in ("b", "W", "U")}
    h, x, target = (tg.Variable(name, n) for name in ("h", "x", "y"))
    _, loss = tensorgrad_step(F, p, h, x, target)
    print(f"Tensorgrad\n  {to_latex(loss.grad(p['b']).full_simplify())}")


if __name__ == "__main__":
    rivals()
    against_torch()
    printed()
