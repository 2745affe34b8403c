r"""How far back a recurrent network's gradient reaches, and how far back its state remembers.

**Gradients.** A cell steps a state, the last step has a loss, and the gradient is followed back
step by step (Werbos 1990, backpropagation through time). Arrays carry a batch of B sequences:
x is T×B×m, h is B×n. What the loss owes to a step is known by its *lag* t − k, the number of steps
between it and the last.

**Recall.** A reservoir (Jaeger 2001) is driven by white noise u, and a linear readout is fitted to
give back u as it was some steps ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
State = tuple[Array, ...]  # (h,) or (h, c), each B×n

# Norms within this range have squares that floating point holds in all their digits.
_SMALLEST, _LARGEST = 1e-140, 1e140


class Cell(Protocol):
    """What `follow_back` needs of a cell; V and c are the readout o = c + V h."""

    W: Array
    U: Array
    b: Array
    V: Array
    c: Array

    def step(self, before: State, x: Array) -> State: ...

    def step_back(self, before: State, after: State, x: Array, d: State) -> tuple[Array, State]: ...

    def rest(self, sequences: int) -> State: ...


@dataclass(frozen=True)
class Vanilla:
    """h_t = tanh(a_t), a_t = b + W h_{t−1} + U x_t (Goodfellow et al. 2016, eq. 10.8 and 10.9)."""

    W: Array  # (n, n)
    U: Array  # (n, m)
    b: Array  # (n,)
    V: Array  # (outputs, n)
    c: Array  # (outputs,)

    def step(self, before: State, x: Array) -> State:
        (h_prev,) = before
        return (np.tanh(self.b + h_prev @ self.W.T + x @ self.U.T),)  # (B, n)

    def step_back(self, before: State, after: State, x: Array, d: State) -> tuple[Array, State]:
        """dL/da_t and dL/dh_{t−1} from dL/dh_t.

        dL/da_t = diag(1 − h_t²) dL/dh_t,  dL/dh_{t−1} = Wᵀ dL/da_t.
        """
        (h,), (dh,) = after, d
        da = (1 - h**2) * dh  # (B, n)
        return da, (da @ self.W,)

    def slope(self, after: State) -> Array:
        """tanh′(a_t) = 1 − h_t², B×n."""
        return 1 - after[0] ** 2

    def rest(self, sequences: int) -> State:
        return (np.zeros((sequences, self.W.shape[1])),)


@dataclass(frozen=True)
class LSTM:
    """The long short-term memory with a forget gate; W, U and b stack the gates i, f, g, o.

    c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh(c_t),
    i, f, o = σ(a), g = tanh(a), a_t = b + W h_{t−1} + U x_t
    (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).
    """

    W: Array  # (4n, n)
    U: Array  # (4n, m)
    b: Array  # (4n,)
    V: Array  # (outputs, n)
    c: Array  # (outputs,)

    def gates(self, before: State, x: Array) -> tuple[Array, Array, Array, Array]:
        """i, f, g, o, each B×n."""
        a = self.b + before[0] @ self.W.T + x @ self.U.T  # (B, 4n)
        i, f, g, o = np.split(a, 4, axis=-1)
        return _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)

    def step(self, before: State, x: Array) -> State:
        i, f, g, o = self.gates(before, x)
        c = f * before[1] + i * g  # (B, n)
        return o * np.tanh(c), c

    def step_back(self, before: State, after: State, x: Array, d: State) -> tuple[Array, State]:
        """dL/da_t (B×4n) and dL/d(h_{t−1}, c_{t−1}) from dL/d(h_t, c_t) along h and c apart.

        c_t feeds h_t as well as c_{t+1}: dL/dc_t gains o ⊙ (1 − tanh²c_t) ⊙ dL/dh_t.
        """
        i, f, g, o = self.gates(before, x)
        dh, dc = d
        s = np.tanh(after[1])
        dc = dc + o * (1 - s**2) * dh  # (B, n)
        da = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * before[1] * f * (1 - f),
                dc * i * (1 - g**2),
                dh * s * o * (1 - o),
            ],
            axis=-1,
        )  # (B, 4n)
        return da, (da @ self.W, dc * f)

    def rest(self, sequences: int) -> State:
        n = self.W.shape[1]
        return np.zeros((sequences, n)), np.zeros((sequences, n))


@dataclass(frozen=True)
class Lags:
    """The gradient of the last step's loss, apart by lag; index 0 of each array is lag 0."""

    dh: Array  # (T, B, n)       dL/dh_k, along every path from h_k on
    da: Array  # (T, B, gates·n) dL/da_k
    h_prev: Array  # (T, B, n)   what W met in that step
    x: Array  # (T, B, m)        what U met
    do: Array  # (B, outputs)    dL/do of the last step, the only one whose loss counts
    h: Array  # (B, n)           what V met there

    def gradient(self, name: str) -> Array:
        """dL/dW, dL/dU, dL/db, dL/dV or dL/dc, of the losses' sum over the batch.

        dL/dW = Σ_k dL/da_k h_{k−1}ᵀ,  dL/dU = Σ_k dL/da_k x_kᵀ,  dL/dV = dL/do hᵀ.
        """
        match name:
            case "W":
                return np.einsum("tbi,tbj->ij", self.da, self.h_prev)
            case "U":
                return np.einsum("tbi,tbj->ij", self.da, self.x)
            case "b":
                return self.da.sum(axis=(0, 1))
            case "V":
                return self.do.T @ self.h
            case "c":
                return self.do.sum(axis=0)
        raise ValueError(f"no parameter '{name}'; there are W, U, b, V and c")

    def strength(self) -> Array:
        """‖dL/dh_k‖ by lag and sequence, T×B."""
        return np.linalg.norm(self.dh, axis=-1)

    def share(self, name: str, lags: int | None = None) -> Array:
        """The share of dL/dW, dL/dU or dL/db that each of the first `lags` lags gives; sum 1.

        A contribution is the outer product dL/da_k h_{k−1}ᵀ, whose Frobenius norm is the product
        of the two norms; shares are of the norms' sum, so contributions that cancel still count.
        """
        met = {"W": self.h_prev, "U": self.x, "b": np.ones((*self.da.shape[:2], 1))}
        if name not in met:
            raise ValueError(f"'{name}' has no share by lag; W, U and b have")
        norms = np.linalg.norm(self.da, axis=-1) * np.linalg.norm(met[name], axis=-1)  # (T, B)
        norms = norms[:lags]
        # Scaled first, so that a gradient near the ends of floating point keeps its shares.
        by_lag = (norms / norms.max()).sum(axis=1)
        return by_lag / by_lag.sum()


def follow_back(cell: Cell, x: Array, target: NDArray[np.integer], start: State) -> Lags:
    """The gradient of the last step's cross-entropy, followed back to the first step.

    Args:
        x: inputs, T×B×m.
        target: the right class of each sequence, B.
        start: the state before the first step; it is held fixed.
    """
    states = [start]
    for x_t in x:
        states.append(cell.step(states[-1], x_t))
    h = states[-1][0]
    do = softmax(cell.c + h @ cell.V.T)  # (B, outputs)
    do[np.arange(len(target)), target] -= 1  # dL/do = y − target
    d = (do @ cell.V, *(np.zeros_like(part) for part in states[-1][1:]))
    dh, da = [], []
    for k in reversed(range(len(x))):
        dh.append(d[0])
        da_k, d = cell.step_back(states[k], states[k + 1], x[k], d)
        da.append(da_k)
    h_prev = np.stack([state[0] for state in states[-2::-1]])
    return Lags(np.stack(dh), np.stack(da), h_prev, x[::-1], do, h)


def loss(cell: Cell, x: Array, target: NDArray[np.integer], start: State) -> Array:
    """The last step's cross-entropy of each sequence, B; complex arrays pass through."""
    state = start
    for x_t in x:
        state = cell.step(state, x_t)
    o = cell.c + state[0] @ cell.V.T  # (B, outputs)
    o = o - o.real.max(axis=-1, keepdims=True)
    return np.log(np.exp(o).sum(axis=-1)) - o[np.arange(len(target)), target]


def disagreement(
    cell: Cell,
    x: Array,
    target: NDArray[np.integer],
    start: State,
    lags: Lags,
    generator: np.random.Generator,
) -> float:
    """How far `lags.dh` is from a forward derivation: the complex step (Squire and Trapp 1998).

    At each lag a small imaginary part is added to h_k in a random direction v and carried through
    the steps after it: Im L(h_k + iεv) / ε = ⟨dL/dh_k, v⟩ without any subtraction, so that even a
    gradient of 1e-100 is met in all its digits. Every lag is a copy of the batch of its own, so
    that all of them run at once. At each step the real part is set back to the known trajectory
    (a chaotic cell would take another one after some rounding) and the imaginary part to the size
    ε (or an exploding gradient would make it large, where tanh is not linear in it). Returns the
    largest difference over sequences and lags within the range of floating point, relative to
    ‖dL/dh_k‖ ‖v‖.
    """
    epsilon = 1e-30
    T, B, n = lags.dh.shape
    v = generator.standard_normal((T, B, n))  # of lag 0 first
    state = start
    nudged = tuple(np.tile(part, (T, 1)) + 0j for part in start)  # (T·B, n)
    log_growth = np.zeros(T * B)
    for k, x_k in enumerate(x):
        state = cell.step(state, x_k)
        carried = [part.imag for part in cell.step(nudged, np.tile(x_k, (T, 1)))]
        size = np.linalg.norm(np.concatenate(carried, axis=-1), axis=-1)  # (T·B,)
        growth = np.where(size > 0, size / epsilon, 1.0)
        log_growth += np.log(growth)
        here = slice((T - 1 - k) * B, (T - k) * B)  # the copies whose lag this step is
        nudged = tuple(
            np.tile(part, (T, 1)) + 1j * (imaginary / growth[:, None])
            for part, imaginary in zip(state, carried, strict=True)
        )
        nudged[0][here] += 1j * epsilon * v[T - 1 - k]
    found = loss(cell, x[:0], np.tile(target, T), nudged).imag.reshape(T, B) / epsilon
    scale = lags.strength() * np.linalg.norm(v, axis=-1)  # (T, B)
    log_growth = log_growth.reshape(T, B)
    known = (found != 0) & (log_growth + np.log(np.abs(found) + 1e-300) > np.log(_SMALLEST))
    if np.any(known & ~lags.dh.any(axis=-1)):
        return 1.0  # a gradient of exactly 0, and the complex step finds another
    compared = (scale > _SMALLEST) & (scale < _LARGEST)
    expected = (lags.dh * v).sum(axis=-1)[compared] / scale[compared]
    relative = np.exp(log_growth[compared] - np.log(scale[compared]))
    return float(np.abs(found[compared] * relative - expected).max(initial=0.0))


def usable(strength: Array) -> int:
    """How many lags, from 0 on, have a gradient within the range of floating point.

    `strength` is lags × sequences; it is kept where the squares within a norm keep their digits.
    """
    inside = np.all((strength > _SMALLEST) & (strength < _LARGEST), axis=1)
    return len(inside) if inside.all() else int(np.argmin(inside))


def rate_per_step(strength: Array, first: int) -> float:
    """The factor by which the gradient changes with each further step back.

    The slope of the line through the mean logarithm of ‖dL/dh_k‖ over the lags from `first` on
    (least squares), as a factor: 1 keeps the gradient, less loses it, more makes it explode.

    Raises:
        ValueError: fewer than three lags remain.
    """
    usual = np.log(strength[first:]).mean(axis=1)  # (lags,)
    if len(usual) < 3:
        raise ValueError(f"a rate needs three lags or more; there are {len(usual)}")
    return float(np.exp(np.polyfit(np.arange(len(usual)), usual, 1)[0]))


def spectral_radius(W: Array) -> float:
    """The largest absolute eigenvalue of W."""
    return float(np.abs(np.linalg.eigvals(W)).max())


def random_square(n: int, radius: float, generator: np.random.Generator) -> Array:
    """A Gaussian n×n matrix scaled to the spectral radius `radius`."""
    W = generator.standard_normal((n, n))
    return W * (radius / spectral_radius(W))


def softmax(o: Array) -> Array:
    """exp(o) over its sum along the last axis."""
    e = np.exp(o - o.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _sigmoid(a: Array) -> Array:
    # Through tanh: it never overflows, and takes complex arguments too.
    return (1 + np.tanh(a / 2)) / 2


# Recall.


@dataclass(frozen=True)
class Reservoir:
    """h_t = (1 − α) h_{t−1} + α f(W h_{t−1} + U u_t), with f = tanh, or the identity if `linear`.

    The echo state network with leaky units (Jaeger 2001); W, U and the leaking rate α stay fixed.
    """

    W: Array  # (n, n)
    U: Array  # (n,)
    leak: float = 1.0
    linear: bool = False

    def run(self, u: Array, start: Array | None = None) -> Array:
        """The states that the signal `u` (length T) drives it through, T×n."""
        states = np.empty((len(u), len(self.U)))
        h = np.zeros(len(self.U)) if start is None else start
        for t, u_t in enumerate(u):
            a = self.W @ h + self.U * u_t  # (n,)
            h = (1 - self.leak) * h + self.leak * (a if self.linear else np.tanh(a))
            states[t] = h
        return states


def delay_line(n: int) -> Reservoir:
    """The linear reservoir whose unit j holds u_{t−j}: each unit hands its value to the next."""
    return Reservoir(W=np.eye(n, k=-1), U=np.eye(n)[0], linear=True)


def fit_readout(states: Array, targets: Array, ridge: float) -> tuple[Array, Array]:
    """V (outputs×n) and c (outputs) of the readout c + V h, by ridge regression.

    V = S_yh (S_hh + λ 1)⁻¹ with the covariances S over the T steps, c = mean(y) − V mean(h); the
    penalty λ does not grow with T and leaves c free.

    Args:
        states: T×n.
        targets: T×outputs.

    Raises:
        ValueError: without a penalty, and the states do not determine V.
    """
    h_mean, y_mean = states.mean(axis=0), targets.mean(axis=0)
    h, y = states - h_mean, targets - y_mean
    S_hh = h.T @ h / len(h) + ridge * np.eye(h.shape[1])  # (n, n)
    S_hy = h.T @ y / len(h)  # (n, outputs)
    try:
        V = np.linalg.solve(S_hh, S_hy).T  # (outputs, n)
    except np.linalg.LinAlgError:
        raise ValueError(
            "the reservoir's states are linearly dependent, so a readout needs a ridge above 0"
        ) from None
    return V, y_mean - V @ h_mean


def recall(states: Array, u: Array, delays: Sequence[int], fitted: int, ridge: float) -> Array:
    """r² between u_{t−d} and its recall from h_t, for each delay d in `delays`.

    The readout of each delay is fitted on the first `fitted` steps and judged on the others. Of a
    delay that left no trace, r² expects one over the number of steps it is judged on.

    Args:
        states: T×n, from the step on at which every delay has a past.
        u: the signal, with max(delays) steps before the first state.
    """
    past = len(u) - len(states)
    if past < max(delays):
        raise ValueError(f"a delay of {max(delays)} needs as many steps before; there are {past}")
    targets = np.stack([u[past - d : len(u) - d] for d in delays], axis=1)  # (T, delays)
    V, c = fit_readout(states[:fitted], targets[:fitted], ridge)
    given, wanted = c + states[fitted:] @ V.T, targets[fitted:]  # (steps, delays)
    given, wanted = given - given.mean(axis=0), wanted - wanted.mean(axis=0)
    size = (given**2).sum(axis=0) * (wanted**2).sum(axis=0)
    together = (given * wanted).sum(axis=0) ** 2
    return np.divide(together, size, out=np.zeros_like(size), where=size > 0)


def capacity(r2: Array) -> float:
    """The memory capacity: the sum of r² over the delays, 0 included (Jaeger 2001).

    White noise at different delays is uncorrelated, and a readout sees only n signals, so the
    capacity cannot exceed n, whatever W, U and f. A delay line reaches n.
    """
    return float(r2.sum())
