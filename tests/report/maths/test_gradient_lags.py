"""Gradients by lag against PyTorch's autograd; rates against answers known on paper."""

import numpy as np
import pytest
import torch

from analysis.maths import gradient_lags as lags
from analysis.maths import recurrent_cells as rc
from tests.report.maths.test_recurrent_cells import KINDS, M, N, T, drawn
from workings.derive.recurrence import Recurrence

OUTPUTS = 3


def followed(kind, parameters, x, target=1):
    cell = rc.recurrence(kind, parameters, x, target)
    run = cell.forward()
    return run, lags.follow_back(cell, run, cell.reverse(run), len(x))


def unrolled(kind, parameters, x, target=1):
    """dL/dh, and the gradient of every step's own copy of torch's cell, lag 0 first."""
    copies = []
    state = torch.zeros(N, dtype=torch.float64)
    memory = torch.zeros(N, dtype=torch.float64)
    hs = []
    for x_t in torch.from_numpy(x):
        cell = getattr(torch.nn, f"{rc.TORCH[kind]}Cell")(M, N, dtype=torch.float64)
        rc.load(kind, parameters, cell)
        if kind == "LSTM":
            state, memory = cell(x_t, (state, memory))
        else:
            state = cell(x_t, state)
        state.retain_grad()
        copies.append(cell)
        hs.append(state)
    y = torch.from_numpy(parameters["k"]) + torch.from_numpy(parameters["V"]) @ state
    torch.nn.functional.cross_entropy(y, torch.tensor(target)).backward()

    def bias(cell):
        # torch adds b_ih and b_hh, but for the GRU's candidate, where b_hh is a bias of its own
        own = [cell.bias_ih.grad, *([cell.bias_hh.grad[-N:]] if kind == "GRU" else [])]
        return torch.cat(own)

    norms = {
        "W": [float(cell.weight_hh.grad.norm()) for cell in copies],
        "U": [float(cell.weight_ih.grad.norm()) for cell in copies],
        "b": [float(bias(cell).norm()) for cell in copies],
    }
    dh = np.stack([h.grad.numpy() for h in hs])[::-1]
    return dh, {letter: np.array(values)[::-1] for letter, values in norms.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_lags_are_those_of_autograd(kind):
    parameters, x = drawn(kind)
    _, found = followed(kind, parameters, x)
    dh, terms = unrolled(kind, parameters, x)
    np.testing.assert_allclose(found.dh, dh, rtol=1e-10, atol=1e-15)
    for letter, norms in terms.items():
        np.testing.assert_allclose(found.terms[letter], norms, rtol=1e-10, atol=1e-15)
    assert "V" not in found.terms


@pytest.mark.parametrize("kind", KINDS)
def test_along_the_same_states_autograd_finds_the_same(kind):
    parameters, x = drawn(kind)
    run, found = followed(kind, parameters, x)
    dh, moved = rc.by_autograd(kind, parameters, x, 1, run.values)
    np.testing.assert_allclose(found.dh, dh[::-1], rtol=1e-10, atol=1e-15)
    assert moved < 1e-14


def detach(monkeypatch, kept=0):
    """A planted fault: the gradient doesn't pass the recurrence (as by h.detach() in a training
    loop), or passes it as if it were not there."""
    honest = Recurrence.immediate_pulls

    def detached(cell, name, g):
        pulls = honest(cell, name, g)
        for previous in cell.states:
            pulls.pop(previous, None)
        if kept and name == "h":
            pulls["h_prev"] = g
        return pulls

    monkeypatch.setattr(Recurrence, "immediate_pulls", detached)


@pytest.mark.parametrize("kind", KINDS)
def test_a_detached_recurrence_flattens_the_curve(kind, monkeypatch):
    parameters, x = drawn(kind)
    _, honest = followed(kind, parameters, x)
    assert (honest.strength > 0).all()
    assert abs(lags.log_rate(honest.strength[None], 3)) > 0.02
    with monkeypatch.context() as patch:
        detach(patch)
        _, cut = followed(kind, parameters, x)
    assert cut.strength[0] > 0 and (cut.strength[1:] == 0).all()
    assert lags.usable(cut.strength[None]) == 1
    with monkeypatch.context() as patch:
        detach(patch, kept=1)
        _, flat = followed(kind, parameters, x)
    assert lags.log_rate(flat.strength[None], 0) == pytest.approx(0, abs=1e-12)
    dh, _ = unrolled(kind, parameters, x)
    for fault in (cut, flat):
        assert not np.allclose(fault.dh, dh, atol=1e-6)


@pytest.mark.parametrize("gain", [0.25, 1.0, 1.75])
def test_rate_of_a_scaled_rotation_is_its_gain(gain):
    # Without input the state rests at 0, where the slope of tanh is 1: dL/dh_k = (gain Q)ᵀ…
    parameters, _ = drawn("vanilla")
    Q, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((N, N)))
    parameters |= {"W": gain * Q, "b": np.zeros(N)}
    _, found = followed("vanilla", parameters, np.zeros((T, M)))
    assert np.exp(lags.log_rate(found.strength[None], 0)) == pytest.approx(gain, rel=1e-12)
    assert rc.radius_at_rest("vanilla", parameters) == pytest.approx(gain)


@pytest.mark.parametrize("kind", KINDS)
def test_near_rest_the_rate_is_the_spectral_radius(kind):
    # The theory's own case: a symmetric W, whose eigenvectors are at right angles, and little input.
    generator = np.random.default_rng(4)
    parameters = rc.draw(kind, N, M, OUTPUTS, 0.9, 1.0, 1e-6, generator)
    for gate in rc.GATES[kind]:
        W = parameters[f"W{gate}"]
        W = W + W.T
        parameters[f"W{gate}"] = W * 0.9 / np.linalg.eigvalsh(W).max()
    _, found = followed(kind, parameters, generator.standard_normal((150, M)))
    rate = np.exp(lags.log_rate(found.strength[None], 110))
    assert rate == pytest.approx(rc.radius_at_rest(kind, parameters), rel=0.01)


def test_what_leaves_floating_point_is_left_out():
    strength = np.array([[1.0, 1e-130, 1e-150, 0.0], [1.0, 1e-100, 1e-100, 1e-290]])
    assert lags.usable(strength) == 2
    assert lags.usable(strength[:, :2]) == 2
    assert lags.usable(np.array([[1.0, 1e150]])) == 1
    with pytest.raises(ValueError, match="three lags"):
        lags.log_rate(strength[:, :2], 0)


def test_shares_sum_to_one_near_the_ends_of_floating_point():
    assert lags.shares(np.array([3e-300, 1e-300])) == pytest.approx([0.75, 0.25])


def test_interval_is_students():
    # t of 7 degrees of freedom at 97.5 %, from any table: 2.365; of 1 degree: 12.706
    sample = np.array([1.0, 2, 3, 4, 5, 6, 7, 8])
    low, high = lags.mean_interval(sample, 0.95)
    half = 2.3646 * sample.std(ddof=1) / np.sqrt(8)
    assert (low, high) == pytest.approx((4.5 - half, 4.5 + half), rel=1e-4)
    low, high = lags.mean_interval([0.0, 2.0], 0.95)
    assert (low, high) == pytest.approx((1 - 12.7062, 1 + 12.7062), rel=1e-4)
