"""How many networks are trained in a CPU-second, against one after the other in PyTorch.

    python benchmarks/training.py

One thread, CPU time, medians of interleaved repetitions. The peer trains each network alone: a loop of
updates with PyTorch's own layer, autograd and Adam. Ours trains as many as the report's block
`training` asks for in lockstep, the same networks on the same sequences. Nothing stops early.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analysis.maths import recurrent_cells as cells
from analysis.maths import training
from analysis.maths.training import Adding, Recall, Start, Task
from workings.config import read_yaml

ROOT = Path(__file__).resolve().parents[1]
UPDATES = 20
REPETITIONS = 5


def plain(
    kind: str, start: Start, task: Task, delay: int, *, updates: int, batch: int, clip: float
) -> torch.nn.Module:
    """One network trained alone, as a person would write it in PyTorch."""
    network = Network(kind, start.parameters)
    # Of PyTorch's two biases one is fixed; the GRU's second has a part of its own.
    second = network.layer.bias_hh_l0
    fixed = second.clone().fill_(0)
    if kind == "GRU":
        fixed[-network.layer.hidden_size :] = 1
    else:
        second.requires_grad_(False)
    trained = [p for p in network.parameters() if p.requires_grad]
    adam = torch.optim.Adam(trained, start.rate)
    draws = training.batches(task, delay, batch, start.generator)
    for _ in range(updates):
        x, target = (torch.from_numpy(np.ascontiguousarray(a)) for a in next(draws))
        y = network(x.transpose(1, 2))  # (B, outputs)
        if isinstance(task, Adding):
            loss = ((y - target.T) ** 2).mean()
        else:
            loss = torch.nn.functional.cross_entropy(y, target.T)
        adam.zero_grad(set_to_none=False)
        loss.backward()
        if kind == "GRU":
            second.grad *= fixed
        torch.nn.utils.clip_grad_norm_(trained, clip)
        adam.step()
    return network


class Network(torch.nn.Module):
    """One of PyTorch's recurrent layers and a linear readout of its last state."""

    def __init__(self, kind: str, parameters: cells.Parameters) -> None:
        super().__init__()
        outputs, units = parameters["V"].shape
        inputs = next(p for name, p in parameters.items() if name[0] == "U").shape[1]
        options = {"nonlinearity": "relu"} if kind == "relu" else {}
        self.layer = getattr(torch.nn, cells.TORCH[kind])(inputs, units, **options)
        self.readout = torch.nn.Linear(units, outputs)
        cells.load(kind, parameters, self.layer, "_l0")
        with torch.no_grad():
            self.readout.weight.copy_(torch.from_numpy(parameters["V"]))
            self.readout.bias.copy_(torch.from_numpy(parameters["k"]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.readout(self.layer(x)[0][-1])


def starts(kind: str, task: Task, config: dict, count: int) -> list[Start]:
    units = cells.units_for(kind, config["parameters"], task.inputs, task.outputs)
    found = []
    for repeat in range(count):
        weights, data = np.random.default_rng(repeat).spawn(2)
        parameters = cells.draw(kind, units, task.inputs, task.outputs, 1.0, 1.0, 1.0, weights)
        found.append(Start(parameters, config["rates"][0], data))
    return found


def seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    torch.set_num_threads(1)
    config = read_yaml(ROOT / "config/default.yaml")["training"]
    count = config["repeats"]
    chosen = {"updates": UPDATES, "batch": config["batch"], "clip": config["clip"]}
    rest = {"solved": 0.0, "check_every": UPDATES + 1, "test_sequences": 10}
    print(f"{count} networks, ms of CPU for an update of one\n")
    print(
        "| task | delay | cell | one by one | in lockstep | ratio |\n|---|---:|---|---:|---:|---:|"
    )
    totals = np.zeros(2)
    for task in (Adding(), Recall(config["symbols"], config["distractors"])):
        for delay in config["delays"]:
            for kind in ("vanilla", "LSTM", "GRU"):

                def one_by_one(kind=kind, task=task, delay=delay) -> None:
                    plain(kind, starts(kind, task, config, 1)[0], task, delay, **chosen)

                def in_lockstep(kind=kind, task=task, delay=delay) -> None:
                    own = starts(kind, task, config, count)
                    training.train(kind, own, task, delay, **chosen, **rest)

                pairs = [
                    (seconds(one_by_one), seconds(in_lockstep)) for _ in range(REPETITIONS + 1)
                ]
                alone, beside = (statistics.median(times) for times in zip(*pairs[1:], strict=True))
                each = np.array([alone, beside / count]) / UPDATES * 1000
                totals += each
                print(
                    f"| {type(task).__name__.lower()} | {delay} | {kind} | {each[0]:.2f} | "
                    f"{each[1]:.2f} | {each[0] / each[1]:.1f} |",
                    flush=True,
                )
    print(f"| all | | | {totals[0]:.2f} | {totals[1]:.2f} | {totals[0] / totals[1]:.1f} |")


if __name__ == "__main__":
    main()
