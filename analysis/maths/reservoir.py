"""Echo state networks: fixed recurrent weights, a fitted readout, and how much they remember.

A reservoir (Jaeger 2001) is driven by a signal, and a linear readout is fitted to its states. Its
memory is measured with white noise u, which the readout is asked to give back as it was some steps
ago.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def spectral_radius(W: Array) -> float:
    """The largest absolute eigenvalue of W."""
    return float(np.abs(np.linalg.eigvals(W)).max())


def random_square(
    n: int, radius: float, generator: np.random.Generator, density: float = 1.0
) -> Array:
    """A Gaussian n×n matrix, of which the share `density` is not 0, of spectral radius `radius`.

    Raises:
        ValueError: it is so sparse that no eigenvalue is left to scale.
    """
    W = generator.standard_normal((n, n))
    if density < 1:
        W *= generator.random((n, n)) < density
    own = spectral_radius(W)
    if own < 1e-6:
        raise ValueError(f"{n} units with a density of {density:g} leave no recurrence to scale")
    return W * (radius / own)


@dataclass(frozen=True)
class Reservoir:
    """h_t = (1 − α) h_{t−1} + α f(W h_{t−1} + U x_t), with f = tanh, or the identity if `linear`.

    The echo state network with leaky units (Jaeger 2001); W, U and the leaking rate α stay fixed.
    """

    W: Array  # (n, n)
    U: Array  # (n, m)
    leak: float = 1.0
    linear: bool = False

    @classmethod
    def draw(
        cls,
        units: int,
        inputs: int,
        generator: np.random.Generator,
        *,
        spectral_radius: float,
        leak: float,
        input_scaling: float,
        density: float = 1.0,
    ) -> Self:
        """A random reservoir; U is uniform between −`input_scaling` and `input_scaling`."""
        W = random_square(units, spectral_radius, generator, density)
        U = generator.uniform(-1, 1, (units, inputs)) * input_scaling
        return cls(W, U, leak)

    def step(self, h: Array, x: Array) -> Array:
        """The next state, (…, n), after the input x, (…, m)."""
        a = h @ self.W.T + x @ self.U.T  # (…, n)
        new = a if self.linear else np.tanh(a)
        return new if self.leak == 1 else (1 - self.leak) * h + self.leak * new

    def run(self, u: Array, start: Array | None = None) -> Array:
        """The states that the single signal `u` (length T) drives it through, T×n."""
        states = np.empty((len(u), len(self.W)))
        h = np.zeros(len(self.W)) if start is None else start
        for t, u_t in enumerate(u):
            h = states[t] = self.step(h, u_t[None])
        return states

    def last_state(self, x: Array) -> Array:
        """Where B sequences x (T×B×m) leave it, starting from rest, B×n, in the precision of x."""
        own = replace(self, W=self.W.astype(x.dtype), U=self.U.astype(x.dtype))
        h = np.zeros((x.shape[1], len(self.W)), x.dtype)
        for x_t in x:
            h = own.step(h, x_t)
        return h


def delay_line(n: int) -> Reservoir:
    """The linear reservoir whose unit j holds u_{t−j}: each unit hands its value to the next."""
    return Reservoir(W=np.eye(n, k=-1), U=np.eye(n)[:, :1], linear=True)


def fit_readout(states: Array, targets: Array, ridge: float) -> tuple[Array, Array]:
    """V (outputs×n) and k (outputs) of the readout k + V h, by ridge regression.

    V = S_yh (S_hh + λ 1)⁻¹ with the covariances S over the T steps, k = mean(y) − V mean(h); the
    penalty λ does not grow with T and leaves k free.

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
    V, k = fit_readout(states[:fitted], targets[:fitted], ridge)
    given, wanted = k + states[fitted:] @ V.T, targets[fitted:]  # (steps, delays)
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
