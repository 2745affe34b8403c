"""Two tasks that need a memory, and the networks that are trained on them.

The adding problem (Hochreiter and Schmidhuber 1997, in the form of Arjovsky et al. 2016) and delayed
recall (Hochreiter and Schmidhuber 1997, experiment 2: a symbol, distractors, and the symbol again).
Arrays have time first: x is T×B×m.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.maths import recurrent_cells as cells
from analysis.maths.reservoir import Reservoir, fit_readout

Array = NDArray[np.floating]

# Adam's constants (Kingma and Ba 2015)
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Adding:
    """The sum of the two marked numbers among T uniform ones, one marked in each half.

    Error: the mean square. Baseline: 1/6, the variance of the sum of two numbers uniform in 0…1, which
    is the error of always answering 1.
    """

    inputs: int = 2  # the number, the mark
    outputs: int = 1
    baseline: float = 1 / 6

    def draw(self, delay: int, size: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Sequences of `delay` steps, (delay, B, 2), and their targets, (B, 1)."""
        number = generator.uniform(0, 1, (delay, size))
        mark = np.zeros((delay, size))
        mark[generator.integers(0, delay // 2, size), np.arange(size)] = 1
        mark[generator.integers(delay // 2, delay, size), np.arange(size)] = 1
        return np.stack([number, mark], axis=2), (number * mark).sum(axis=0)[:, None]

    def loss(self, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((y - target) ** 2).mean()

    def error(self, y: Array, target: Array) -> float:
        return float(((y - target) ** 2).mean())


@dataclass(frozen=True)
class Recall:
    """Which of `symbols` was shown first, after as many distractors as the delay has steps.

    Error: the share of wrong answers. Baseline: chance, 1 − 1/symbols.
    """

    symbols: int
    distractors: int

    @property
    def inputs(self) -> int:
        return self.symbols + self.distractors

    @property
    def outputs(self) -> int:
        return self.symbols

    @property
    def baseline(self) -> float:
        return 1 - 1 / self.symbols

    def draw(self, delay: int, size: int, generator: np.random.Generator) -> tuple[Array, Array]:
        """Sequences of delay + 1 one-hot symbols, and one-hot targets, (B, symbols)."""
        shown = generator.integers(self.symbols, self.inputs, (delay + 1, size))
        shown[0] = generator.integers(0, self.symbols, size)
        return np.eye(self.inputs)[shown], np.eye(self.symbols)[shown[0]]

    def loss(self, y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (torch.logsumexp(y, 1) - (target * y).sum(1)).mean()  # the cross-entropy

    def error(self, y: Array, target: Array) -> float:
        return float((y.argmax(axis=1) != target.argmax(axis=1)).mean())


Task = Adding | Recall


@dataclass(frozen=True)
class Outcome:
    """What one network came to."""

    error: float  # on sequences that it was not trained on
    updates: int  # gradient steps taken; 0 for the one fit of an echo state network
    trained: int  # weights
    multiplications: int  # of the whole training


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) on all parameters as one vector, with clipped gradients.

        m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
        θ ← θ − α m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

    torch.optim has it too, and takes 2 s to import.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], rate: float, clip: float) -> None:
        self.rate, self.clip, self.t = rate, clip, 0
        whole = torch.cat([p.detach().flatten() for p in parameters])
        self.values, self.gradient = whole, torch.zeros_like(whole)
        self.m, self.v = torch.zeros_like(whole), torch.zeros_like(whole)
        place = 0
        for p in parameters:  # each becomes a view of the one vector
            end = place + p.numel()
            p.data = whole[place:end].view_as(p)
            p.grad = self.gradient[place:end].view_as(p)
            place = end

    def step(self) -> None:
        """One step along the gradient that was added up since the last one."""
        self.t += 1
        g = self.gradient
        # Pascanu et al. (2013), algorithm 1: a longer gradient is scaled to the norm `clip`.
        norm = float(g.norm())
        if norm > self.clip:
            g.mul_(self.clip / norm)
        self.m.mul_(_BETA_1).add_(g, alpha=1 - _BETA_1)
        self.v.mul_(_BETA_2).addcmul_(g, g, value=1 - _BETA_2)
        m_hat = self.m / (1 - _BETA_1**self.t)
        v_hat = self.v / (1 - _BETA_2**self.t)
        self.values.addcdiv_(m_hat, v_hat.sqrt_().add_(_EPSILON), value=-self.rate)
        g.zero_()


class Network(torch.nn.Module):
    """One of torch's recurrent layers and a linear readout of its last state."""

    def __init__(self, kind: str, parameters: cells.Parameters) -> None:
        super().__init__()
        outputs, units = parameters["V"].shape
        inputs = next(p for name, p in parameters.items() if name[0] == "U").shape[1]
        self.layer = getattr(torch.nn, cells.TORCH[kind])(inputs, units)
        self.readout = torch.nn.Linear(units, outputs)
        cells.load(kind, parameters, self.layer, "_l0")
        with torch.no_grad():
            self.readout.weight.copy_(torch.from_numpy(parameters["V"]))
            self.readout.bias.copy_(torch.from_numpy(parameters["k"]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.readout(self.layer(x)[0][-1])  # (B, outputs)


def train(
    kind: str,
    parameters: cells.Parameters,
    task: Task,
    delay: int,
    generator: np.random.Generator,
    *,
    updates: int,
    batch: int,
    rate: float,
    clip: float,
    solved: float,
    check_every: int,
    test_sequences: int,
) -> Outcome:
    """Train by gradients through all steps, on new sequences at each update.

    Training ends early when the error is at most `solved` of the baseline on as many sequences as
    are tested on in the end; those are new again.
    """
    checked, tested = (
        _as_floats(*task.draw(delay, test_sequences, own)) for own in generator.spawn(2)
    )
    network = Network(kind, parameters)
    adam = Adam(list(network.parameters()), rate, clip)
    done = 0
    for done in range(1, updates + 1):
        x, target = _as_floats(*task.draw(delay, batch, generator))
        task.loss(network(x), target).backward()
        adam.step()
        if done % check_every == 0 and _error(network, task, *checked) <= solved * task.baseline:
            break
    units = parameters["V"].shape[1]
    weights = cells.count(kind, units, task.inputs, task.outputs)
    once = multiplications(kind, units, task.inputs, task.outputs, steps=len(checked[0]))
    # Backwards each product is met twice: for the state's gradient and for the matrix's.
    return Outcome(_error(network, task, *tested), done, weights, 3 * once * batch * done)


def multiplications(kind: str, units: int, inputs: int, outputs: int, steps: int) -> int:
    """Of the matrix products of one forward pass over one sequence."""
    return steps * len(cells.GATES[kind]) * units * (units + inputs) + units * outputs


def _as_floats(x: Array, target: Array) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(x).float(), torch.from_numpy(target).float()


def _error(network: Network, task: Task, x: torch.Tensor, target: torch.Tensor) -> float:
    with torch.no_grad():
        return task.error(network(x).numpy(), target.numpy())


def fit_echo_state(
    reservoir: Reservoir,
    task: Task,
    delay: int,
    generator: np.random.Generator,
    *,
    sequences: int,
    ridge: float,
    test_sequences: int,
) -> Outcome:
    """Fit V and k to the last states of `sequences` sequences, by ridge regression; test on others.

    Raises:
        ValueError: the states do not determine V and there is no ridge.
    """
    tested = generator.spawn(1)[0]
    x, target = task.draw(delay, sequences, generator)
    h = reservoir.last_state(x)  # (sequences, n)
    V, k = fit_readout(h, target, ridge)
    x_test, target_test = task.draw(delay, test_sequences, tested)
    y = k + reservoir.last_state(x_test) @ V.T
    n = h.shape[1]
    # The states, where a weight that is 0 costs nothing; the covariances; and the one solution.
    forward = len(x) * (int(np.count_nonzero(reservoir.W)) + n * task.inputs)
    fit = sequences * n * (n + task.outputs) + n**3 // 3 + n**2 * task.outputs
    trained = (n + 1) * task.outputs
    return Outcome(task.error(y, target_test), 0, trained, sequences * forward + fit)
