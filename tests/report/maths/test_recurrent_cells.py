"""The cells of the study against PyTorch's own, and against the cells that the project ships."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from analysis.maths import recurrent_cells as rc
from analysis.maths.reservoir import spectral_radius
from workings.derive.recurrence import Recurrence

ROOT = Path(__file__).parents[3]
T, N, M, OUTPUTS = 12, 5, 4, 3
AGREED = 1e-12
KINDS = list(rc.CELLS)


def shipped(name):
    """A cell of config/cells."""
    text = (ROOT / f"config/cells/{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["recurrence"]


def drawn(kind, seed=0, bias=0.7):
    """Random weights with biases that are not 0."""
    generator = np.random.default_rng(seed)
    parameters = rc.draw(kind, N, M, OUTPUTS, 1.1, bias, 0.8, generator)
    for name in parameters:
        if name[0] in "bk":
            parameters[name] = parameters[name] + generator.standard_normal(len(parameters[name]))
    return parameters, generator.standard_normal((T, M))


def states_of_torch(kind, parameters, x):
    units, inputs = parameters["V"].shape[1], x.shape[1]
    layer = getattr(torch.nn, rc.TORCH[kind])(inputs, units, dtype=torch.float64)
    rc.load(kind, parameters, layer, "_l0")
    with torch.no_grad():
        return layer(torch.from_numpy(x))[0].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_torch_steps_through_the_same_states(kind):
    parameters, x = drawn(kind)
    run = rc.recurrence(kind, parameters, x, 1).forward()
    np.testing.assert_allclose(run["h"], states_of_torch(kind, parameters, x), atol=AGREED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_weight_is_seen(kind):
    parameters, x = drawn(kind)
    run = rc.recurrence(kind, parameters, x, 1).forward()
    gate = rc.GATES[kind][-1]
    parameters[f"W{gate}"] = parameters[f"W{gate}"].T
    assert np.abs(run["h"] - states_of_torch(kind, parameters, x)).max() > 1e-3


@pytest.mark.parametrize(("kind", "file"), [("vanilla", "vanilla"), ("LSTM", "lstm")])
def test_the_lines_are_those_of_the_shipped_cell(kind, file):
    own, theirs = (
        [line.strip() for line in text.strip().splitlines()]
        for text in (rc.CELLS[kind], shipped(file)["cell"])
    )
    up_to_the_state = [line.startswith("h =") for line in own].index(True) + 1
    assert own[:up_to_the_state] == theirs[:up_to_the_state]


def test_torch_is_the_shipped_lstm():
    cell = Recurrence.from_config(shipped("lstm"))
    parameters = {name: value.astype(float) for name, value in cell.parameters.items()}
    x = cell.inputs.astype(float)
    expected = states_of_torch("LSTM", parameters, x)
    np.testing.assert_allclose(cell.forward()["h"], expected, atol=AGREED)


def test_torch_is_the_shipped_gru_where_its_reset_gate_may_come_late():
    # W (r * h) = r * (W h) for a diagonal W: then both places of the reset gate are one.
    cell = Recurrence.from_config(shipped("gru"))
    parameters = {name: value.astype(float) for name, value in cell.parameters.items()}
    parameters["W_n"] = np.diag([1.0, 0.75])
    x = cell.inputs.astype(float)
    own = cell.forward(parameters)["h"]
    late = parameters | {"b_h": np.zeros(2)}
    np.testing.assert_allclose(own, states_of_torch("GRU", late, x), atol=AGREED)
    late["W_n"] = parameters["W_n"] + [[0.0, 0.5], [0.0, 0.0]]
    full = cell.forward(parameters | {"W_n": late["W_n"]})["h"]
    assert np.abs(full - states_of_torch("GRU", late, x)).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_radius_at_rest_is_that_of_the_whole_jacobian(kind, bias):
    parameters = rc.draw(kind, N, M, OUTPUTS, 1.3, bias, 0.5, np.random.default_rng(3))
    cell = getattr(torch.nn, f"{rc.TORCH[kind]}Cell")(M, N, dtype=torch.float64)
    rc.load(kind, parameters, cell)
    x = torch.zeros(M, dtype=torch.float64)

    def step(state):
        if kind == "LSTM":
            return torch.cat(cell(x, (state[:N], state[N:])))
        return cell(x, state)

    rest = torch.zeros(2 * N if kind == "LSTM" else N, dtype=torch.float64)
    J = torch.autograd.functional.jacobian(step, rest).numpy()
    assert rc.radius_at_rest(kind, parameters) == pytest.approx(spectral_radius(J), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_is_counted_and_the_nearest_number_of_units_taken(kind):
    used = rc.draw(kind, N, M, OUTPUTS, 1.0, 1.0, 1.0, np.random.default_rng(0))
    assert rc.count(kind, N, M, OUTPUTS) == sum(p.size for p in used.values())
    units = rc.units_for(kind, 1000, M, OUTPUTS)
    off = [abs(rc.count(kind, units + more, M, OUTPUTS) - 1000) for more in (-1, 0, 1)]
    assert off[1] == min(off)


@pytest.mark.parametrize("kind", KINDS)
def test_draw_has_the_gain_and_the_bias(kind):
    parameters = rc.draw(kind, N, M, OUTPUTS, 0.6, 2.0, 0.5, np.random.default_rng(0))
    for gate in rc.GATES[kind]:
        assert spectral_radius(parameters[f"W{gate}"]) == pytest.approx(0.6)
    biases = {name: value for name, value in parameters.items() if name[0] == "b"}
    assert [name for name, value in biases.items() if (value == 2).all()] == (
        [rc.KEEPS[kind]] if kind in rc.KEEPS else []
    )


def test_the_loss_is_the_last_steps_cross_entropy():
    parameters, x = drawn("vanilla")
    cell = rc.recurrence("vanilla", parameters, x, 2)
    assert isinstance(cell, Recurrence)
    run = cell.forward()
    expected = torch.nn.functional.cross_entropy(torch.tensor(run["y"][-1]), torch.tensor(2))
    assert run.loss == pytest.approx(float(expected), rel=1e-12)
    assert (run.losses[:-1] == 0).all()


def test_the_other_starts():
    shape = "vanilla", N, M, OUTPUTS
    orthogonal, identity = (
        rc.draw(*shape, start, 0.0, 1.0, np.random.default_rng(0))["W"]
        for start in ("orthogonal", "identity")
    )
    np.testing.assert_allclose(orthogonal @ orthogonal.T, np.eye(N), atol=1e-12)
    assert (identity == np.eye(N)).all()
