"""Cells of several kinds for the tests of this folder, and longer problems made from them."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np

from workings.derive.recurrence import Recurrence

# A number stands for the length of a vector to draw, a pair for the size of a matrix.
CELLS = {
    "elman": {
        "cell": "a = b + W @ h_prev + U @ x\nh = tanh(a)\no = c + V @ h\ny = softmax(o)",
        "loss": "(y[0] - 1/2)**2 - log(y[1])",
        "parameters": {"b": ["1/4", -1], "W": [[1, -1], [0, "1/2"]], "U": [[-1, 0], [1, -2]],
                       "V": [[-2, 1], [-1, 0]], "c": ["1/2", "-1/2"]},
        "initial_state": {"h": [0, 0]},
        "inputs": [[1, 0], ["1/2", "1/4"], [0, 1]],
        "forward_mode": ["b"],
        "update": {"parameter": "b", "rate": 0.01},
        "meaning": {"h": "what is remembered", "y": "two probabilities"},
    },
    "lstm": {
        "cell": "i = sigmoid(b_i + W_i @ h_prev + U_i @ x)\nf = sigmoid(b_f + W_f @ h_prev + U_f @ x)\n"
        "g = tanh(b_g + W_g @ h_prev + U_g @ x)\no = sigmoid(b_o + W_o @ h_prev + U_o @ x)\n"
        "c = f * c_prev + i * g\nh = o * tanh(c)\ny = softmax(k + V @ h)",
        "loss": "-dot(target, log(y))",
        "parameters": {f"b_{gate}": 2 for gate in "ifgo"} | {"k": 2, "V": (2, 2)}
        | {f"{letter}_{gate}": (2, 2) for letter in "WU" for gate in "ifgo"},
        "initial_state": {"c": [0, 0], "h": [0, 0]},
        "inputs": (4, 2),
        "targets": [[1, 0], [0, 1], [0, 1], [1, 0]],
        "forward_mode": ["b_f"],
        "update": {"parameter": "b_f", "rate": 0.1},
    },
    "gru": {
        "cell": "z = sigmoid(b_z + W_z @ h_prev + U_z @ x)\nr = sigmoid(b_r + W_r @ h_prev + U_r @ x)\n"
        "n = tanh(b_n + W_n @ (r * h_prev) + U_n @ x)\nh = (1 - z) * n + z * h_prev\no = c + V @ h",
        "loss": "log_sum_exp(o) - dot(target, o)",
        "parameters": {f"b_{gate}": 2 for gate in "zrn"} | {"c": 3, "V": (3, 2)}
        | {f"{letter}_{gate}": (2, 2) for letter in "WU" for gate in "zrn"},
        "initial_state": {"h": [0, 0]},
        "inputs": (4, 2),
        "targets": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]],
        "forward_mode": ["b_z"],
    },
    "leaky": {  # with numbers that are not learnt, and an input that is a scalar
        "cell": "a = W @ h_prev + U * x\nh = (1 - leak) * h_prev + leak * tanh(a)\ny = c + dot(V, h)",
        "loss": "(y - target)**2 / 2",
        "constants": {"leak": 0.3, "W": (3, 3), "U": 3},
        "parameters": {"V": 3, "c": 0.5},
        "initial_state": {"h": [0, 0, 0]},
        "inputs": [0, 0.5, 0.8, 0.9],
        "targets": [0.5, 0.8, 0.9, 0.6],
        "forward_mode": ["V"],
        "update": {"parameter": "V", "rate": 0.1},
    },
    "layers": {  # of different sizes, one above the other
        "cell": "h1 = tanh(b1 + W1 @ h1_prev + U1 @ x)\nh2 = tanh(b2 + W2 @ h2_prev + U2 @ h1)\n"
        "y = c + V @ concatenate(h1, h2)",
        "loss": "dot(y - target, y - target) / 2 + dot(h2, h2) / 100",
        "parameters": {"b1": 2, "W1": (2, 2), "U1": (2, 1), "b2": 3, "W2": (3, 3), "U2": (3, 2),
                       "V": (2, 5), "c": 2},
        "initial_state": {"h1": [0, 0], "h2": [0, 0, 0]},
        "inputs": [[1], ["1/2"], [-1], ["1/4"]],
        "targets": [[1, 0], ["1/2", "1/2"], [0, 1], ["1/4", "-1/4"]],
        "forward_mode": ["b1"],
    },
}  # fmt: skip
NAMES = list(CELLS)

# Of other kinds, with what the grammar has: a formula of each, on two inputs at each of four steps.
_MORE = {
    "relu": ("h = relu(b + W @ h_prev + U @ x)", "sum((h - target)**2) / 2"),
    "attention": ("q = W @ h_prev + U @ x\np = softmax(K @ q / sqrt(2))\nh = tanh(transpose(M) @ p)",
                  "-log(softmax(h)[0])"),
    "powers": ("a = b + W @ h_prev + U @ x\nh = a / (2 + a**2)**(3/2)", "log(1 + (h[0] - h[1])**2)"),
    "quotients": ("s = h_prev / 2 + exp(-b * x)\nh = log(1 + s**2) / (1 + s)", "1 / (3 + sum(h))"),
    "peephole": ("i = sigmoid(b + W @ h_prev + U @ x + p * c_prev)\nf = sigmoid(W_f @ h_prev + q * c_prev)\n"
                 "c = f * c_prev + i * tanh(W_g @ h_prev + U_g @ x)\n"
                 "h = sigmoid(U_o @ x + r * c) * tanh(c)", "dot(h - target, h - target)"),
    "minimal gated": ("f = sigmoid(b + W @ h_prev + U @ x)\nn = tanh(W_n @ (f * h_prev) + U_n @ x)\n"
                      "h = (1 - f) * h_prev + f * n", "log_sum_exp(h) - dot(target, h)"),
    "bilinear": ("h = tanh((W @ h_prev) * (U @ x) + b)", "dot(h, W @ target)"),
    "scalar": ("k = s * h_prev[0] + b[0] * x[1]\nh = k * U @ x", "sin(k) * cos(k)"),
    "matrix state": ("v = tanh(W @ x)\nN = s * N_prev + outer(v, U @ x)\nh = N @ h_prev + transpose(N) @ b",
                     "sum(N * N) / 9 + sqrt(1 + dot(h, h))"),
    "skip": ("h = tanh(b + W @ h_prev + U @ x)\ng = softplus(W_g @ g_prev + U_g @ h) + h",
             "sum(concatenate(g, h[0:1])**2)"),
    "masked": ("e = W @ h_prev + U @ x\nh = mask * max(e, e / 8 - b) + (1 - mask) * h_prev",
               "-log(softmax(h + 9 * mask)[1])"),
}  # fmt: skip
MORE = [*_MORE, "long", "wide"]


def eighths(shape: int | tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Exact numbers between -1 and 1."""
    drawn = np.random.default_rng(seed).integers(-8, 9, shape)
    return np.vectorize(lambda k: Fraction(int(k), 8), otypes=[object])(drawn)


def _more(name: str) -> dict:
    """A cell of other kinds, with exact numbers; `long` is of 200 steps, `wide` of 20 components."""
    steps, n = (200 if name == "long" else 4), (20 if name == "wide" else 2)
    cell, loss = _MORE.get(name, _MORE["minimal gated"])
    words = set(re.findall(r"\w+", f"{cell} {loss}"))
    shapes = {word: (n, n) if word[0] in "WUKM" else n for word in words - {"h", "x"}
              if re.fullmatch(r"[WUKM](_\w)?|[bpqr]", word) and f"{word} =" not in cell}  # fmt: skip
    parameters = {
        word: eighths(shape, sum(word.encode())) for word, shape in sorted(shapes.items())
    }
    states = sorted(word.removesuffix("_prev") for word in words if word.endswith("_prev"))
    return {
        "cell": cell,
        "loss": loss,
        "parameters": parameters | ({"s": "3/4"} if "s" in words and "s =" not in cell else {}),
        "constants": {"mask": [1, 0]} if "mask" in words else {},
        "initial_state": {s: eighths((n, n) if s == "N" else n, 1) for s in states},
        "inputs": eighths((steps, n), 2),
        "targets": eighths((steps, n), 3) if "target" in words else None,
    }


def block(name: str) -> dict:
    """A cell as a config describes it."""
    if name in MORE:
        return _more(name)
    drawn = {**CELLS[name]}
    for group in ("parameters", "constants"):
        drawn[group] = {
            key: eighths(value, sum(key.encode())) if isinstance(value, int | tuple) else value
            for key, value in drawn.get(group, {}).items()
        }
    if isinstance(drawn["inputs"], tuple):
        drawn["inputs"] = eighths(drawn["inputs"])
    return drawn


def cell(name: str) -> Recurrence:
    return Recurrence.from_config(block(name))


def stretched(name: str, steps: int) -> Recurrence:
    """A cell on a longer sequence: inputs at random, its targets in turn."""
    short = cell(name)
    targets = None
    if short.targets is not None:
        targets = np.array([short.targets[t % short.steps] for t in range(steps)])
    inputs = eighths((steps, *short.inputs.shape[1:]))
    return replace(short, inputs=inputs, targets=targets, steps=steps)
