"""Reservoirs against answers known on paper."""

import numpy as np
import pytest

from analysis.maths import reservoir as esn
from analysis.maths.reservoir import Reservoir


def test_random_square_has_its_radius():
    W = esn.random_square(20, 1.3, np.random.default_rng(0))
    assert esn.spectral_radius(W) == pytest.approx(1.3)
    sparse = esn.random_square(60, 0.7, np.random.default_rng(0), density=0.2)
    assert esn.spectral_radius(sparse) == pytest.approx(0.7)
    assert 0.15 < np.count_nonzero(sparse) / sparse.size < 0.25


def test_a_matrix_too_sparse_to_recur_is_refused():
    with pytest.raises(ValueError, match="no recurrence"):
        esn.random_square(5, 0.9, np.random.default_rng(0), density=1e-9)


def test_the_last_state_is_that_of_each_sequence_alone():
    generator = np.random.default_rng(0)
    reservoir = Reservoir.draw(
        8, 1, generator, spectral_radius=0.9, leak=0.7, input_scaling=0.5, density=0.6
    )
    x = generator.standard_normal((15, 4, 1))
    expected = [reservoir.run(x[:, b, 0])[-1] for b in range(4)]
    np.testing.assert_allclose(reservoir.last_state(x), expected, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 7, 30])
def test_a_delay_line_recalls_exactly_its_length(n):
    u = np.random.default_rng(0).uniform(-1, 1, 6000)
    past, fitted, longest = 100, 3000, n + 20
    r2 = esn.recall(esn.delay_line(n).run(u)[past:], u, range(longest + 1), fitted, ridge=0.0)
    judged = len(u) - past - fitted
    # Delays 0…n−1 are in the state, so they come back to rounding; no later one left a trace, and
    # its r² is that of unrelated noise: 1/judged on the mean, 30/judged with probability 1e-7.
    np.testing.assert_allclose(r2[:n], 1, atol=1e-12)
    assert r2[n:].max() < 30 / judged
    assert esn.capacity(r2[:n]) == pytest.approx(n, abs=1e-10)


def test_a_delay_line_with_a_broken_link_remembers_only_up_to_it():
    line = esn.delay_line(10)
    line.W[6, 5] = 0
    u = np.random.default_rng(0).uniform(-1, 1, 4000)
    r2 = esn.recall(line.run(u)[50:], u, range(20), 2000, ridge=1e-9)
    assert esn.capacity(r2) == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("leak", [0.3, 0.8])
def test_one_leaky_unit_has_a_capacity_of_one(leak):
    # h_t = α Σ_d (1 − α)^d u_{t−d}, so r²(d) = (1 − (1 − α)²) (1 − α)^{2d}, which sums to 1.
    unit = Reservoir(W=np.zeros((1, 1)), U=np.ones((1, 1)), leak=leak, linear=True)
    u = np.random.default_rng(1).uniform(-1, 1, 60_000)
    delays = np.arange(40)
    r2 = esn.recall(unit.run(u)[100:], u, delays, 20_000, ridge=0.0)
    np.testing.assert_allclose(r2, (1 - (1 - leak) ** 2) * (1 - leak) ** (2 * delays), atol=0.02)
    assert esn.capacity(r2) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("radius", [0.5, 0.9, 1.2])
def test_no_reservoir_exceeds_its_size(radius):
    generator = np.random.default_rng(4)
    reservoir = Reservoir(
        esn.random_square(12, radius, generator), generator.uniform(-1, 1, (12, 1))
    )
    u = generator.uniform(-1, 1, 8000)
    r2 = esn.recall(reservoir.run(u)[60:], u, range(41), 4000, ridge=1e-8)
    assert 1 < esn.capacity(r2) < 12


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_readout_is_the_least_squares_solution(ridge):
    generator = np.random.default_rng(3)
    h, y = generator.standard_normal((200, 6)) + 2, generator.standard_normal((200, 2)) - 5
    V, k = esn.fit_readout(h, y, ridge)
    # The penalty as further rows, and k as a column that they leave alone.
    rows = np.vstack([np.c_[h, np.ones(200)], np.sqrt(200 * ridge) * np.eye(6, 7)])
    expected, *_ = np.linalg.lstsq(rows, np.vstack([y, np.zeros((6, 2))]), rcond=None)
    np.testing.assert_allclose(np.c_[V, k].T, expected, rtol=1e-10)


def test_states_that_do_not_determine_the_readout_are_refused():
    h = np.random.default_rng(0).standard_normal((50, 3))
    h[:, 1] = 0
    with pytest.raises(ValueError, match="ridge above 0"):
        esn.fit_readout(h, h[:, :1], 0.0)


def test_a_delay_without_a_past_is_refused():
    with pytest.raises(ValueError, match="there are 5"):
        esn.recall(np.zeros((95, 2)), np.zeros(100), range(8), 50, 1.0)
