"""The tasks, the optimiser and the training loop."""

import numpy as np
import pytest
import torch
from torch.optim import Adam as TorchAdam

from analysis.maths import lockstep, training
from analysis.maths import recurrent_cells as rc
from analysis.maths.reservoir import Reservoir, delay_line
from analysis.maths.training import Adam, Adding, Recall, Start
from benchmarks.training import plain

OPTIONS = {
    "updates": 200,
    "batch": 32,
    "clip": 1.0,
    "solved": 0.03,
    "check_every": 10,
    "test_sequences": 400,
}


def test_adding_marks_one_number_in_each_half():
    x, target = Adding().draw(11, 500, np.random.default_rng(0))
    assert x.shape == (11, 2, 500) and target.shape == (1, 500)
    number, mark = x[:, 0], x[:, 1]
    assert set(np.unique(mark)) == {0, 1}
    assert (mark[:5].sum(axis=0) == 1).all() and (mark[5:].sum(axis=0) == 1).all()
    assert mark.sum(axis=1).min() > 0  # every step is marked in some sequence
    marked = [number[mark[:, b] == 1, b].sum() for b in range(500)]
    np.testing.assert_allclose(target[0], marked, rtol=1e-6)


def test_recall_shows_the_symbol_once_and_distractors_after():
    task = Recall(3, 2)
    x, target = task.draw(7, 300, np.random.default_rng(0))
    assert x.shape == (8, 5, 300) and (x.sum(axis=1) == 1).all()
    assert (x[0, :3] == target).all()
    assert (x[1:, :3] == 0).all() and x[1:, 3:].any(axis=(0, 2)).all()


@pytest.mark.parametrize("task", [Adding(), Recall(4, 4)])
def test_the_baseline_is_the_error_of_the_best_constant_answer(task):
    _, target = task.draw(10, 200_000, np.random.default_rng(0))
    constant = np.broadcast_to(np.ones((task.outputs, 1)), target.shape)
    assert task.error(constant, target) == pytest.approx(task.baseline, rel=0.02)


@pytest.mark.parametrize("task", [Adding(), Recall(4, 4)])
def test_the_slope_of_the_loss_is_that_of_torch(task):
    random = np.random.default_rng(0)
    y = torch.from_numpy(random.standard_normal((6, task.outputs))).requires_grad_()
    target = torch.from_numpy(task.draw(5, 6, random)[1].T.astype(float))
    if isinstance(task, Adding):
        torch.nn.functional.mse_loss(y, target).backward()
    else:
        torch.nn.functional.cross_entropy(y, target).backward()
    found = task.slope(y.detach().numpy().T[None], target.numpy().T[None])
    np.testing.assert_allclose(found[0].T, y.grad, rtol=1e-6)


@pytest.mark.parametrize("clip", [1e9, 0.01])
def test_adam_takes_the_steps_of_torch(clip):
    random = np.random.default_rng(0)
    weights = random.standard_normal((3, 20)).astype(np.float32)
    rates = [0.05, 0.01, 0.2]
    peers = [torch.nn.Parameter(torch.from_numpy(row.copy())) for row in weights]
    theirs = [TorchAdam([p], rate) for p, rate in zip(peers, rates, strict=True)]
    adam = Adam(weights, rates, clip)
    for _ in range(20):
        g = random.standard_normal((3, 20)).astype(np.float32)
        for p, other, row in zip(peers, theirs, g, strict=True):
            p.grad = torch.from_numpy(row.copy())
            torch.nn.utils.clip_grad_norm_([p], clip)
            other.step()
        adam.step(g)
    expected = np.stack([p.detach().numpy() for p in peers])
    np.testing.assert_allclose(adam.weights, expected, rtol=1e-4, atol=1e-5)


def test_a_gradient_that_is_no_number_moves_its_network_alone():
    adam = Adam(np.ones((2, 3), np.float32), [0.1, 0.1], 1.0)
    adam.step(np.array([[np.inf, 1, 1], [1, 1, 1]], np.float32))
    assert (adam.weights[0] == 1).all() and (adam.weights[1] < 1).all()


def start(kind, task, seed=0, units=12, rate=0.01):
    weights, data = np.random.default_rng(seed).spawn(2)
    W = "identity" if kind == "relu" else 1.0
    return Start(rc.draw(kind, units, task.inputs, task.outputs, W, 1.0, 1.0, weights), rate, data)


KINDS = ["vanilla", "relu", "LSTM", "GRU"]


@pytest.mark.parametrize("task", [Adding(), Recall(2, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_becomes_what_it_becomes_alone_in_torch(kind, task):
    chosen = OPTIONS | {"updates": 30, "solved": 0.0}
    rates = [0.02, 0.005, 0.01]
    ended = training.train(
        kind, [start(kind, task, seed, rate=r) for seed, r in enumerate(rates)], task, 6, **chosen
    )
    for seed, (rate, own) in enumerate(zip(rates, ended, strict=True)):
        alone = start(kind, task, seed, rate=rate)
        tested = start(kind, task, seed).generator.spawn(2)[1]
        network = plain(kind, alone, task, 6, updates=30, batch=32, clip=1.0)
        x, target = task.draw(6, 400, tested)
        with torch.no_grad():
            y = network(torch.from_numpy(x).transpose(1, 2)).numpy().T
        # One of the 400 answers may be as near to the other symbol as rounding.
        assert own.error == pytest.approx(task.error(y, target), rel=5e-3, abs=0.003)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_does_not_depend_on_those_beside_it(kind):
    """Not even where these end earlier."""
    task, chosen = Recall(2, 2), OPTIONS | {"updates": 60, "check_every": 1}
    together = training.train(
        kind, [start(kind, task, seed) for seed in range(4)], task, 4, **chosen
    )
    assert len({own.updates for own in together}) > 1
    alone = [training.train(kind, [start(kind, task, s)], task, 4, **chosen)[0] for s in range(4)]
    assert together == alone


@pytest.mark.parametrize("kind", list(rc.CELLS))
def test_a_short_delay_is_learnt(kind):
    task = Recall(2, 2)
    (outcome,) = training.train(kind, [start(kind, task)], task, 2, **OPTIONS)
    assert outcome.error <= 0.1 * task.baseline
    assert outcome.updates < OPTIONS["updates"] and outcome.updates % 10 == 0
    assert outcome.trained == rc.count(kind, 12, task.inputs, task.outputs)
    assert outcome.left_before > 0 and outcome.left_after > 0
    once = training.multiplications(kind, 12, task.inputs, task.outputs, steps=3)
    assert outcome.multiplications == 3 * once * 32 * outcome.updates


def test_without_its_recurrence_a_network_learns_nothing(monkeypatch):
    """A planted fault: each step sees a state of 0, so the answer cannot depend on the symbol."""
    forward = lockstep.forward
    monkeypatch.setattr(lockstep, "forward", lambda shape, w, x: forward(shape, w, x[-1:]))
    task = Recall(2, 2)
    (outcome,) = training.train("GRU", [start("GRU", task)], task, 2, **OPTIONS)
    assert outcome.updates == OPTIONS["updates"] and outcome.error > 0.3


def test_multiplications_of_a_forward_pass():
    # steps × gates × (n × n for W and n × m for U), and V once
    assert training.multiplications("LSTM", 5, 3, 2, steps=7) == 7 * 4 * (25 + 15) + 10


@pytest.mark.parametrize("delay", [3, 9])
def test_a_delay_line_recalls_what_is_still_in_it(delay):
    # One line for each of the four channels, six units long: the symbol is in it for five steps.
    line = delay_line(6)
    reservoir = Reservoir(np.kron(line.W, np.eye(4)), np.kron(line.U, np.eye(4)), linear=True)
    task = Recall(2, 2)
    outcome = training.fit_echo_state(
        reservoir, task, delay, np.random.default_rng(0),
        sequences=500, ridge=1e-9, test_sequences=500,
    )  # fmt: skip
    assert outcome.updates == 0 and outcome.trained == 25 * 2
    if delay < 6:
        assert outcome.error == 0
    else:
        assert outcome.error == pytest.approx(0.5, abs=0.08)
