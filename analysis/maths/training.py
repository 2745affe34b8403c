"""Two tasks that need a memory, and the networks that are trained on them.

The adding problem (Hochreiter and Schmidhuber 1997, in the form of Arjovsky et al. 2016) and delayed
recall (Hochreiter and Schmidhuber 1997, experiment 2: a symbol, distractors, and the symbol again).
Arrays have time first and
sequences last: x is T×m×B.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.maths import lockstep
from analysis.maths import recurrent_cells as cells
from analysis.maths.lockstep import Shape
from analysis.maths.reservoir import Reservoir, fit_readout

Array = NDArray[np.floating]

# Adam's constants (Kingma and Ba 2015)
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

_AHEAD = 10  # batches that are drawn at once
_WORST = 1e6  # an error that is larger, or no number, counts as this


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
        """Sequences of `delay` steps, (delay, 2, B), and their targets, (1, B)."""
        number = generator.random((delay, size), np.float32)
        mark = np.zeros((delay, size), np.float32)
        mark[generator.integers(0, delay // 2, size), np.arange(size)] = 1
        mark[generator.integers(delay // 2, delay, size), np.arange(size)] = 1
        return np.stack([number, mark], axis=1), (number * mark).sum(axis=0)[None]

    def slope(self, y: Array, target: Array) -> Array:
        """dL/dy of the mean square over B sequences, (…, 1, B)."""
        return (y - target) * np.float32(2 / y.shape[-1])

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
        """Sequences of delay + 1 one-hot symbols, and one-hot targets, (symbols, B)."""
        shown = generator.integers(self.symbols, self.inputs, (delay + 1, size), np.uint8)
        shown[0] = generator.integers(0, self.symbols, size)
        all_of_them = np.arange(self.inputs, dtype=np.uint8)[:, None]
        x = (shown[:, None] == all_of_them).astype(np.float32)  # (T, inputs, B)
        return x, x[0, : self.symbols].copy()

    def slope(self, y: Array, target: Array) -> Array:
        """dL/dy of the mean cross-entropy over B sequences, (…, symbols, B)."""
        p = np.exp(y - y.max(axis=-2, keepdims=True))
        p /= p.sum(axis=-2, keepdims=True)
        return (p - target) / np.float32(y.shape[-1])

    def error(self, y: Array, target: Array) -> float:
        return float((y.argmax(axis=0) != target.argmax(axis=0)).mean())


Task = Adding | Recall


@dataclass(frozen=True)
class Outcome:
    """What one network came to."""

    error: float  # on sequences that it was not trained on
    updates: int  # gradient steps taken; 0 for the one fit of an echo state network
    trained: int  # weights
    multiplications: int  # of the whole training
    left_before: float = 1.0  # of the gradient of the state, after all steps back; before training
    left_after: float = 1.0  # and after it


@dataclass(frozen=True)
class Start:
    """One network before its training."""

    parameters: cells.Parameters
    rate: float  # Adam's
    generator: np.random.Generator  # of its sequences


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) for the weights of R networks, R×P, with clipped gradients.

    m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
    θ ← θ − α m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)
    """

    def __init__(self, weights: Array, rates: Sequence[float], clip: float) -> None:
        self.weights, self.clip, self.t = weights, np.float32(clip), 0
        self.rates = np.array(rates, np.float32)[:, None]
        self.m, self.v = np.zeros_like(weights), np.zeros_like(weights)

    def keep(self, rows: Array) -> None:
        """Go on with some of the networks only."""
        self.weights, self.rates = self.weights[rows], self.rates[rows]
        self.m, self.v = self.m[rows], self.v[rows]

    def step(self, g: Array) -> None:
        """One step along the gradient; a gradient that is no number moves nothing."""
        self.t += 1
        # Pascanu et al. (2013), algorithm 1: a longer gradient is scaled to the norm `clip`.
        norm = np.sqrt(np.einsum("rp,rp->r", g, g))[:, None]  # (R, 1)
        g = np.where(np.isfinite(norm), g, 0) * (self.clip / np.fmax(norm, self.clip))
        self.m += (1 - _BETA_1) * (g - self.m)
        self.v += (1 - _BETA_2) * (g * g - self.v)
        m_hat = self.m / (1 - _BETA_1**self.t)
        v_hat = self.v / (1 - _BETA_2**self.t)
        self.weights -= self.rates * m_hat / (np.sqrt(v_hat) + _EPSILON)


@np.errstate(over="ignore", invalid="ignore")  # of a network that diverges
def train(
    kind: str,
    starts: Sequence[Start],
    task: Task,
    delay: int,
    *,
    updates: int,
    batch: int,
    clip: float,
    solved: float,
    check_every: int,
    test_sequences: int,
) -> list[Outcome]:
    """Train networks of one kind and size in lockstep, by gradients through all steps.

    Each draws sequences of its own, new ones at each update, and nothing of it depends on the others.
    A network's training ends early when its error is at most `solved` of the baseline, on as many
    sequences as it is tested on in the end; those are new again.
    """
    first = starts[0].parameters["V"]
    shape = Shape(kind, first.shape[1], task.inputs, task.outputs)
    weights = np.stack([shape.pack(start.parameters) for start in starts])  # (R, P)
    held = [start.generator.spawn(2) for start in starts]
    checked, tested = (
        [task.draw(delay, test_sequences, own[place]) for own in held] for place in range(2)
    )
    drawn = [batches(task, delay, batch, start.generator) for start in starts]
    before = [
        _left(shape, w, task, *sequences) for w, sequences in zip(weights, tested, strict=True)
    ]
    adam = Adam(weights.copy(), [start.rate for start in starts], clip)
    running, ended = np.arange(len(starts)), np.full(len(starts), updates)
    for done in range(1, updates + 1):
        x, target = zip(*(next(drawn[r]) for r in running), strict=True)
        y, run = lockstep.forward(shape, adam.weights, np.stack(x, axis=1))
        adam.step(lockstep.gradient(shape, adam.weights, run, task.slope(y, np.stack(target)))[0])
        if done % check_every and done < updates:
            continue
        weights[running] = adam.weights
        errors = np.array([_error(shape, weights[r], task, *checked[r]) for r in running])
        learnt = errors <= solved * task.baseline
        ended[running[learnt]] = done
        running = running[~learnt]
        if not len(running):
            break
        adam.keep(~learnt)
    once = multiplications(kind, shape.units, task.inputs, task.outputs, steps=len(checked[0][0]))
    return [
        Outcome(
            _error(shape, weights[r], task, *tested[r]),
            int(ended[r]),
            cells.count(kind, shape.units, task.inputs, task.outputs),
            # Backwards each product is met twice: for the state's gradient and for the matrix's.
            3 * once * batch * int(ended[r]),
            before[r],
            _left(shape, weights[r], task, *tested[r]),
        )
        for r in range(len(starts))
    ]


def multiplications(kind: str, units: int, inputs: int, outputs: int, steps: int) -> int:
    """Of the matrix products of one forward pass over one sequence."""
    return steps * len(cells.GATES[kind]) * units * (units + inputs) + units * outputs


def batches(
    task: Task, delay: int, batch: int, generator: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """New sequences, again and again."""
    while True:
        x, target = task.draw(delay, batch * _AHEAD, generator)
        for n in range(0, batch * _AHEAD, batch):
            yield x[:, :, n : n + batch], target[:, n : n + batch]


def _error(shape: Shape, weights: Array, task: Task, x: Array, target: Array) -> float:
    y, _ = lockstep.forward(shape, weights[None], x[:, None])
    error = task.error(y[0], target)
    return min(error, _WORST) if np.isfinite(error) else _WORST


def _left(shape: Shape, weights: Array, task: Task, x: Array, target: Array) -> float:
    """What is left of the gradient of the state after all steps back: ‖dL/dh_0‖ / ‖dL/dh_T‖."""
    few = slice(0, 100)  # sequences are enough
    x, target = x[:, None, :, few], target[None, :, few]
    y, run = lockstep.forward(shape, weights[None], x)
    dy = task.slope(y, target)
    _, dh = lockstep.gradient(shape, weights[None], run, dy)
    _, K = shape.views(weights[None])
    last = np.linalg.norm(K[:, :, :-1].swapaxes(1, 2) @ dy)
    return float(np.linalg.norm(dh) / last) if last > 0 and np.isfinite(dh).all() else 0.0


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
    h = reservoir.last_state(x.swapaxes(1, 2)).astype(float)  # (sequences, n)
    V, k = fit_readout(h, target.T.astype(float), ridge)
    x_test, target_test = task.draw(delay, test_sequences, tested)
    y = k[:, None] + V @ reservoir.last_state(x_test.swapaxes(1, 2)).T
    n = h.shape[1]
    # The states, where a weight that is 0 costs nothing; the covariances; and the one solution.
    forward = len(x) * (int(np.count_nonzero(reservoir.W)) + n * task.inputs)
    fit = sequences * n * (n + task.outputs) + n**3 // 3 + n**2 * task.outputs
    trained = (n + 1) * task.outputs
    return Outcome(task.error(y, target_test), 0, trained, sequences * forward + fit)
