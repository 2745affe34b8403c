"""The tasks, the optimiser and the training loop."""

import numpy as np
import pytest
import torch
from torch.optim import Adam as TorchAdam

from analysis.maths import recurrent_cells as rc
from analysis.maths import training
from analysis.maths.reservoir import Reservoir, delay_line
from analysis.maths.training import Adam, Adding, Network, Recall

OPTIONS = {
    "updates": 200,
    "batch": 32,
    "rate": 0.01,
    "clip": 1.0,
    "solved": 0.03,
    "check_every": 10,
    "test_sequences": 400,
}


def test_adding_marks_one_number_in_each_half():
    x, target = Adding().draw(11, 500, np.random.default_rng(0))
    assert x.shape == (11, 500, 2) and target.shape == (500, 1)
    mark = x[:, :, 1]
    assert set(np.unique(mark)) == {0, 1}
    assert (mark[:5].sum(axis=0) == 1).all() and (mark[5:].sum(axis=0) == 1).all()
    assert mark.sum(axis=1).min() > 0  # every step is marked in some sequence
    marked = [sorted(x[mark[:, b] == 1, b, 0]) for b in range(500)]
    np.testing.assert_allclose(target[:, 0], [sum(pair) for pair in marked])


def test_recall_shows_the_symbol_once_and_distractors_after():
    task = Recall(3, 2)
    x, target = task.draw(7, 300, np.random.default_rng(0))
    assert x.shape == (8, 300, 5) and (x.sum(axis=2) == 1).all()
    assert (x[0, :, :3] == target).all()
    assert (x[1:, :, :3] == 0).all() and x[1:, :, 3:].any(axis=(0, 1)).all()


@pytest.mark.parametrize("task", [Adding(), Recall(4, 4)])
def test_the_baseline_is_the_error_of_the_best_constant_answer(task):
    _, target = task.draw(10, 200_000, np.random.default_rng(0))
    constant = np.broadcast_to(np.ones(task.outputs), target.shape)
    assert task.error(constant, target) == pytest.approx(task.baseline, rel=0.02)


def test_recall_is_scored_by_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(6, 4, generator=generator)
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    loss = Recall(4, 4).loss(y, torch.nn.functional.one_hot(labels, 4).float())
    assert float(loss) == pytest.approx(float(torch.nn.functional.cross_entropy(y, labels)))


@pytest.mark.parametrize("clip", [1e9, 0.01])
def test_adam_takes_the_steps_of_torch(clip):
    torch.manual_seed(0)
    own, peer = (torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)) for _ in "ab")
    peer.load_state_dict(own.state_dict())
    adam = Adam(list(own.parameters()), 0.05, clip)
    theirs = TorchAdam(peer.parameters(), 0.05)
    for _ in range(20):
        x = torch.randn(5, 3)
        own(x).square().mean().backward()
        adam.step()
        theirs.zero_grad()
        peer(x).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), clip)
        theirs.step()
    for a, b in zip(own.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), rtol=1e-4, atol=1e-6)


def weights(kind, task, units=12):
    return rc.draw(kind, units, task.inputs, task.outputs, 1.0, 1.0, 1.0, np.random.default_rng(0))


@pytest.mark.parametrize("kind", list(rc.CELLS))
def test_a_short_delay_is_learnt(kind):
    task = Recall(2, 2)
    outcome = training.train(
        kind, weights(kind, task), task, 2, np.random.default_rng(1), **OPTIONS
    )
    assert outcome.error <= 0.1 * task.baseline
    assert outcome.updates < OPTIONS["updates"] and outcome.updates % 10 == 0
    assert outcome.trained == rc.count(kind, 12, task.inputs, task.outputs)
    once = training.multiplications(kind, 12, task.inputs, task.outputs, steps=3)
    assert outcome.multiplications == 3 * once * 32 * outcome.updates


def test_without_its_recurrence_a_network_learns_nothing(monkeypatch):
    """A planted fault: each step sees a state of 0, so the answer cannot depend on the symbol."""

    def forgetful(network, x):
        return network.readout(network.layer(x[-1:])[0][-1])

    monkeypatch.setattr(Network, "forward", forgetful)
    task = Recall(2, 2)
    outcome = training.train(
        "GRU", weights("GRU", task), task, 2, np.random.default_rng(1), **OPTIONS
    )
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
