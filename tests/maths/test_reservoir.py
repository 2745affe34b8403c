"""Gradients against PyTorch's autograd, reservoirs against answers known on paper."""

import numpy as np
import pytest
import torch

from analysis.maths import memory
from analysis.maths.memory import LSTM, Reservoir, Vanilla

T, B, N, M, OUTPUTS = 12, 3, 5, 4, 3
AGREED = 1e-12


def random(kind, seed=0, gain=0.9):
    generator = np.random.default_rng(seed)
    gates = 4 if issubclass(kind, LSTM) else 1
    return kind(
        W=np.concatenate([memory.random_square(N, gain, generator) for _ in range(gates)]),
        U=generator.standard_normal((gates * N, M)),
        b=generator.standard_normal(gates * N),
        V=generator.standard_normal((OUTPUTS, N)),
        c=generator.standard_normal(OUTPUTS),
    )


def drive(kind, seed=1, steps=T):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((steps, B, M))
    start = tuple(generator.uniform(-0.5, 0.5, (B, N)) for _ in range(2 if kind is LSTM else 1))
    return x, generator.integers(0, OUTPUTS, B), start


def by_autograd(cell, x, target, start):
    """dL/dh_k by lag and the parameters' gradients, from torch's own cells in float64."""
    kind = torch.nn.LSTMCell if isinstance(cell, LSTM) else torch.nn.RNNCell
    peer = kind(M, N, dtype=torch.float64)
    with torch.no_grad():
        peer.weight_hh.copy_(torch.from_numpy(cell.W))
        peer.weight_ih.copy_(torch.from_numpy(cell.U))
        peer.bias_hh.copy_(torch.from_numpy(cell.b))
        peer.bias_ih.zero_()
    V = torch.tensor(cell.V, requires_grad=True)
    c = torch.tensor(cell.c, requires_grad=True)
    state = [torch.from_numpy(part) for part in start]
    hs = []
    for x_t in torch.from_numpy(x):
        after = peer(x_t, tuple(state) if len(state) == 2 else state[0])
        state = [after] if len(state) == 1 else list(after)
        state[0].retain_grad()
        hs.append(state[0])
    o = c + hs[-1] @ V.T
    loss = torch.nn.functional.cross_entropy(o, torch.from_numpy(target), reduction="sum")
    loss.backward()
    dh = np.stack([h.grad.numpy() for h in reversed(hs)])
    return dh, {
        "W": peer.weight_hh.grad.numpy(),
        "U": peer.weight_ih.grad.numpy(),
        "b": peer.bias_hh.grad.numpy(),
        "V": V.grad.numpy(),
        "c": c.grad.numpy(),
    }


@pytest.mark.parametrize("kind", [Vanilla, LSTM])
def test_gradients_are_those_of_autograd(kind):
    cell, run = random(kind), drive(kind)
    lags = memory.follow_back(cell, *run)
    dh, expected = by_autograd(cell, *run)
    np.testing.assert_allclose(lags.dh, dh, rtol=1e-11, atol=1e-15)
    for name, gradient in expected.items():
        np.testing.assert_allclose(lags.gradient(name), gradient, rtol=1e-11, atol=1e-14)


def test_shares_are_those_of_a_network_with_its_own_weights_at_every_step():
    cell, (x, target, (h,)) = random(Vanilla), drive(Vanilla)
    Ws = [torch.tensor(cell.W, requires_grad=True) for _ in x]
    Us = [torch.tensor(cell.U, requires_grad=True) for _ in x]
    by_lag = {"W": np.zeros(T), "U": np.zeros(T)}
    for s in range(B):
        state = torch.from_numpy(h[s])
        for W, U, x_t in zip(Ws, Us, torch.from_numpy(x[:, s]), strict=True):
            state = torch.tanh(torch.from_numpy(cell.b) + W @ state + U @ x_t)
        o = torch.from_numpy(cell.c) + torch.from_numpy(cell.V) @ state
        loss = torch.logsumexp(o, 0) - o[target[s]]
        for name, copies in (("W", Ws), ("U", Us)):
            gradients = torch.autograd.grad(loss, copies, retain_graph=True)
            by_lag[name] += [float(g.norm()) for g in reversed(gradients)]
    lags = memory.follow_back(cell, x, target, (h,))
    for name, norms in by_lag.items():
        np.testing.assert_allclose(lags.share(name), norms / norms.sum(), rtol=1e-11)
        assert lags.share(name, 4).sum() == pytest.approx(1)


@pytest.mark.parametrize("gain", [0.25, 1.0, 1.75])
def test_rate_of_a_scaled_rotation_is_its_gain(gain):
    # Without input the state rests at 0, where the slope of tanh is 1: dL/dh_k = (gain Q)ᵀ…
    Q, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((N, N)))
    cell = Vanilla(gain * Q, np.zeros((N, M)), np.zeros(N), np.ones((OUTPUTS, N)), np.arange(3.0))
    cell.V[0] = -1
    lags = memory.follow_back(cell, np.zeros((T, B, M)), np.array([0, 1, 2]), cell.rest(B))
    assert memory.rate_per_step(lags.strength(), 0) == pytest.approx(gain, rel=1e-12)
    assert memory.spectral_radius(cell.W) == pytest.approx(gain)


def test_random_square_has_its_radius():
    W = memory.random_square(20, 1.3, np.random.default_rng(0))
    assert memory.spectral_radius(W) == pytest.approx(1.3)


class Detached(Vanilla):
    """A planted fault: the recurrence is cut, as by h.detach() in the training loop."""

    def step_back(self, before, after, x, d):
        da, (dh,) = super().step_back(before, after, x, d)
        return da, (np.zeros_like(dh),)


class Flat(Vanilla):
    """A planted fault: the gradient walks back without meeting W."""

    def step_back(self, before, after, x, d):
        da, _ = super().step_back(before, after, x, d)
        return da, d


class Transposed(Vanilla):
    """A planted fault: W in place of its transpose."""

    def step_back(self, before, after, x, d):
        da, _ = super().step_back(before, after, x, d)
        return da, (da @ self.W.T,)


class Ungated(LSTM):
    """A planted fault: the path along c forgets to pass through the forget gate."""

    def step_back(self, before, after, x, d):
        da, (dh, _) = super().step_back(before, after, x, d)
        return da, (dh, d[1])


@pytest.mark.parametrize("kind", [Vanilla, LSTM])
@pytest.mark.parametrize("gain", [0.3, 1.0, 4.0])
def test_both_derivations_agree(kind, gain):
    cell, run = random(kind, gain=gain), drive(kind, steps=60)
    lags = memory.follow_back(cell, *run)
    found = memory.disagreement(cell, *run, lags, np.random.default_rng(5))
    assert found < AGREED


@pytest.mark.parametrize("fault", [Detached, Flat, Transposed, Ungated])
def test_a_planted_fault_is_caught(fault):
    kind = fault.__mro__[1]
    cell, run = random(fault), drive(kind)
    lags = memory.follow_back(cell, *run)
    assert memory.disagreement(cell, *run, lags, np.random.default_rng(5)) > 1e-3
    dh, _ = by_autograd(cell, *run)
    assert not np.allclose(lags.dh, dh)


def test_a_detached_recurrence_flattens_the_curve():
    run = drive(Vanilla)
    whole = memory.follow_back(random(Vanilla), *run).strength()
    assert (whole > 0).all()
    cut = memory.follow_back(random(Detached), *run).strength()
    assert (cut[0] > 0).all() and (cut[1:] == 0).all()
    assert memory.usable(cut) == 1
    flat = memory.follow_back(random(Flat), *run).strength()
    assert memory.rate_per_step(flat, 0) == pytest.approx(1)
    assert abs(memory.rate_per_step(whole, 0) - 1) > 0.1


def test_a_fault_in_a_tiny_gradient_is_caught():
    cell, run = random(Vanilla, gain=0.05), drive(Vanilla, steps=80)
    lags = memory.follow_back(cell, *run)
    assert lags.strength()[70:].max() < 1e-80
    assert memory.disagreement(cell, *run, lags, np.random.default_rng(5)) < AGREED
    lags.dh[70:] *= 1 + 1e-6
    assert memory.disagreement(cell, *run, lags, np.random.default_rng(5)) > 1e-9


def test_what_leaves_floating_point_is_left_out():
    strength = np.array([[1.0, 1.0], [1e-130, 1e-100], [1e-150, 1e-100], [0.0, 1e-290]])
    assert memory.usable(strength) == 2
    assert memory.usable(strength[:2]) == 2
    assert memory.usable(np.array([[1.0], [1e150]])) == 1
    with pytest.raises(ValueError, match="three lags"):
        memory.rate_per_step(strength[:2], 0)


def test_a_parameter_without_a_share_is_refused():
    lags = memory.follow_back(random(Vanilla), *drive(Vanilla))
    with pytest.raises(ValueError, match="no share by lag"):
        lags.share("V")
    with pytest.raises(ValueError, match="no parameter 'Q'"):
        lags.gradient("Q")


# Recall.


@pytest.mark.parametrize("n", [1, 7, 30])
def test_a_delay_line_recalls_exactly_its_length(n):
    u = np.random.default_rng(0).uniform(-1, 1, 6000)
    past, fitted, longest = 100, 3000, n + 20
    r2 = memory.recall(memory.delay_line(n).run(u)[past:], u, range(longest + 1), fitted, ridge=0.0)
    judged = len(u) - past - fitted
    # Delays 0…n−1 are in the state, so they come back to rounding; no later one left a trace, and
    # its r² is that of unrelated noise: 1/judged on the mean, 30/judged with probability 1e-7.
    np.testing.assert_allclose(r2[:n], 1, atol=1e-12)
    assert r2[n:].max() < 30 / judged
    assert memory.capacity(r2[:n]) == pytest.approx(n, abs=1e-10)


def test_a_delay_line_with_a_broken_link_remembers_only_up_to_it():
    line = memory.delay_line(10)
    line.W[6, 5] = 0
    u = np.random.default_rng(0).uniform(-1, 1, 4000)
    r2 = memory.recall(line.run(u)[50:], u, range(20), 2000, ridge=1e-9)
    assert memory.capacity(r2) == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("leak", [0.3, 0.8])
def test_one_leaky_unit_has_a_capacity_of_one(leak):
    # h_t = α Σ_d (1 − α)^d u_{t−d}, so r²(d) = (1 − (1 − α)²) (1 − α)^{2d}, which sums to 1.
    unit = Reservoir(W=np.zeros((1, 1)), U=np.ones(1), leak=leak, linear=True)
    u = np.random.default_rng(1).uniform(-1, 1, 60_000)
    delays = np.arange(40)
    r2 = memory.recall(unit.run(u)[100:], u, delays, 20_000, ridge=0.0)
    np.testing.assert_allclose(r2, (1 - (1 - leak) ** 2) * (1 - leak) ** (2 * delays), atol=0.02)
    assert memory.capacity(r2) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.2])
def test_no_reservoir_exceeds_its_size(radius):
    generator = np.random.default_rng(4)
    reservoir = Reservoir(memory.random_square(12, radius, generator), generator.uniform(-1, 1, 12))
    u = generator.uniform(-1, 1, 8000)
    r2 = memory.recall(reservoir.run(u)[60:], u, range(41), 4000, ridge=1e-8)
    assert 1 < memory.capacity(r2) < 12


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_readout_is_the_least_squares_solution(ridge):
    generator = np.random.default_rng(3)
    h, y = generator.standard_normal((200, 6)) + 2, generator.standard_normal((200, 2)) - 5
    V, c = memory.fit_readout(h, y, ridge)
    # The penalty as further rows, and c as a column that they leave alone.
    rows = np.vstack([np.c_[h, np.ones(200)], np.sqrt(200 * ridge) * np.eye(6, 7)])
    expected, *_ = np.linalg.lstsq(rows, np.vstack([y, np.zeros((6, 2))]), rcond=None)
    np.testing.assert_allclose(np.c_[V, c].T, expected, rtol=1e-10)


def test_states_that_do_not_determine_the_readout_are_refused():
    h = np.random.default_rng(0).standard_normal((50, 3))
    h[:, 1] = 0
    with pytest.raises(ValueError, match="ridge above 0"):
        memory.fit_readout(h, h[:, :1], 0.0)


def test_a_delay_without_a_past_is_refused():
    with pytest.raises(ValueError, match="there are 5"):
        memory.recall(np.zeros((95, 2)), np.zeros(100), range(8), 50, 1.0)
