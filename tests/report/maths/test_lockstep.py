"""Networks in lockstep: against PyTorch's layers, and one beside many against one alone."""

import numpy as np
import pytest
import torch

from analysis.maths import lockstep
from analysis.maths import recurrent_cells as rc
from analysis.maths.lockstep import Shape

KINDS = ["vanilla", "relu", "LSTM", "GRU"]
N, M, OUT, T, B = 5, 3, 2, 7, 16


def drawn(kind: str, seed: int) -> rc.Parameters:
    generator = np.random.default_rng(seed)
    start = "orthogonal" if seed % 2 else 1.2
    parameters = rc.draw(kind, N, M, OUT, start, 1.0, 1.0, generator)
    return {name: p + 0.1 * generator.standard_normal(p.shape) for name, p in parameters.items()}


def layer(kind: str, parameters: rc.Parameters) -> torch.nn.Module:
    """PyTorch's own layer with these weights; its second bias is fixed where a cell has one only."""
    options = {"nonlinearity": "relu"} if kind == "relu" else {}
    module = getattr(torch.nn, rc.TORCH[kind])(M, N, **options)
    rc.load(kind, parameters, module, "_l0")
    return module


@pytest.mark.parametrize("replicas", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_and_gradients_are_those_of_torch(kind, replicas):
    random = np.random.default_rng(9)
    parameters = [drawn(kind, seed) for seed in range(replicas)]
    shape = Shape(kind, N, M, OUT)
    weights = np.stack([shape.pack(p) for p in parameters])
    x = random.standard_normal((T, replicas, M, B)).astype(np.float32)
    dy = random.standard_normal((replicas, OUT, B)).astype(np.float32)
    before = weights.copy()
    y, run = lockstep.forward(shape, weights, x)
    total, dh = lockstep.gradient(shape, weights, run, dy)
    assert (weights == before).all()
    for r, own in enumerate(parameters):
        module, V = layer(kind, own), torch.nn.Linear(N, OUT)
        with torch.no_grad():
            V.weight.copy_(torch.from_numpy(own["V"]))
            V.bias.copy_(torch.from_numpy(own["k"]))
        rest = torch.zeros(1, B, N, requires_grad=True)
        state = (rest, torch.zeros(1, B, N)) if kind == "LSTM" else rest
        theirs = V(module(torch.from_numpy(x[:, r].swapaxes(1, 2).copy()), state)[0][-1])
        np.testing.assert_allclose(y[r].T, theirs.detach(), rtol=1e-4, atol=1e-5)
        (theirs * torch.from_numpy(dy[r].T.copy())).sum().backward()
        np.testing.assert_allclose(dh[r].T, rest.grad[0], rtol=1e-3, atol=1e-5)
        grads = {"V": V.weight.grad, "k": V.bias.grad}
        for letter, name in (("W", "weight_hh_l0"), ("U", "weight_ih_l0"), ("b", "bias_ih_l0")):
            parts = getattr(module, name).grad.chunk(len(rc.GATES[kind]))
            grads |= {letter + gate: p for gate, p in zip(rc.GATES[kind], parts, strict=True)}
        if kind == "GRU":
            grads["b_h"] = module.bias_hh_l0.grad[-N:]
        expected = shape.pack({name: g.numpy() for name, g in grads.items()})
        np.testing.assert_allclose(total[r], expected, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("sequences", [32, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_no_network_depends_on_those_beside_it(kind, sequences):
    """Bit for bit, so that results do not depend on how networks are stacked."""
    random = np.random.default_rng(3)
    shape = Shape(kind, N, M, OUT)
    weights = np.stack([shape.pack(drawn(kind, seed)) for seed in range(5)])
    x = random.standard_normal((T, 5, M, sequences)).astype(np.float32)
    dy = random.standard_normal((5, OUT, sequences)).astype(np.float32)
    y, run = lockstep.forward(shape, weights, x)
    total, _ = lockstep.gradient(shape, weights, run, dy)
    for r in range(5):
        one = slice(r, r + 1)
        alone, run = lockstep.forward(shape, weights[one], x[:, one])
        assert (alone[0] == y[r]).all()
        assert (lockstep.gradient(shape, weights[one], run, dy[one])[0][0] == total[r]).all()
