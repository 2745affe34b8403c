"""The engine of derivatives: the modes against each other and against nudges, bad descriptions."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.derive import cells
from workings.derive.arithmetic import COMPLEX
from workings.derive.checks import check_gradients
from workings.derive.description import refusing
from workings.derive.expression import total
from workings.derive.recurrence import Recurrence, RecurrenceError
from workings.messages import InputError

# --- the modes against each other ---------------------------------------------------------------


def test_the_gradient_by_the_initial_state_is_that_of_a_nudge_to_it():
    cell = cells.cell("elman")
    gradient = cell.reverse(cell.forward()).total[total("h_prev")][0]
    for i, unit in enumerate(np.eye(2)):
        above, below = (cell.forward(initial_state={"h": s * 1e-5 * unit}).loss for s in (1, -1))
        assert abs(gradient[i] - (above - below) / 2e-5) < 1e-9


def test_matrix_states_and_every_function_are_differentiated():
    # a fast-weight memory (Ba et al. 2016): the state is a matrix that outer products add to
    random = np.random.default_rng(5)
    cell = Recurrence.from_config(
        {
            "cell": "k = tanh(K @ x)\nv = V @ x\nM = decay * M_prev + outer(v, k)\n"
            "N = transpose(M) @ (M * B) - exp(-B / 3)\n"
            "r = M @ sin(Q @ x) + softplus(M_prev @ k) * cos(v) / (1 + v**2)\n"
            "s = sqrt(1 + dot(r, r)) + relu(r[0]) + sum(sigmoid(N))\n",
            "loss": "log(s) + dot(r[0:2] - target, r[0:2] - target) + sum(concatenate(r, s)) / 7",
            "parameters": {
                "K": random.normal(size=(3, 2)),
                "V": random.normal(size=(3, 2)),
                "Q": random.normal(size=(3, 2)),
                "B": random.normal(size=(3, 3)),
                "decay": 0.75,
            },
            "initial_state": {"M": [[0, 1, 0], [0, 0, 1], [1, 0, 0]]},
            "inputs": random.normal(size=(5, 2)),
            "targets": random.normal(size=(5, 2)),
        }
    )
    assert check_gradients(cell).passed


def test_a_cell_needs_neither_input_nor_state():
    logistic = Recurrence.from_config(
        {"cell": "p = r * p_prev * (1 - p_prev)", "loss": "p", "parameters": {"r": "7/2"},
         "initial_state": {"p": "1/2"}, "steps": 3}
    )  # fmt: skip
    # p_0 = r/4, dp_0/dr = 1/4, ... by hand: p_1 = r^2/4 (1 - r/4)
    run = logistic.forward()
    assert run["p"][0] == 7 / 8
    assert run["p"][1] == pytest.approx(7 / 2 * 7 / 8 * 1 / 8)
    forward = logistic.forward_mode(run, "r")
    assert forward["p"][:2] == pytest.approx([1 / 4, 7 / 4 - 3 * 49 / 4 / 16])
    mean = Recurrence.from_config(
        {"cell": "m = p * x", "loss": "(m - target)**2", "parameters": {"p": 2},
         "inputs": [1, 2, 3], "targets": [2, 4, 5]}
    )  # fmt: skip
    assert mean.reverse(mean.forward())["p"] == 2 * 3 * (6 - 5)


def test_relu_has_no_slope_at_zero():
    cell = Recurrence.from_config(
        {"cell": "y = relu(w * x)", "loss": "y", "parameters": {"w": 1}, "inputs": [0, -1, 2]}
    )
    assert cell.reverse(cell.forward())["w"] == 2


def test_large_values_do_not_overflow_where_the_function_does_not():
    cell = Recurrence.from_config(
        {"cell": "o = w * x\ny = softmax(o)\ns = sigmoid(o) + softplus(o)",
         "loss": "log_sum_exp(o) - o[0] + y[1] + sum(s) / 1000",
         "parameters": {"w": 1}, "inputs": [[1000, 0], [-1000, 500]]}
    )  # fmt: skip
    run = cell.forward()
    assert np.isfinite(run.losses).all()
    assert np.isfinite(cell.reverse(run)["w"])
    assert cell.forward(arithmetic=COMPLEX).loss == pytest.approx(run.loss)


# --- bad descriptions ---------------------------------------------------------------------------

GOOD = {
    "cell": "a = b + W @ h_prev + U @ x\nh = tanh(a)",
    "loss": "dot(h, h)",
    "parameters": {"b": [0, 1], "W": [[1, 0], [0, 1]], "U": [[1], [2]]},
    "initial_state": {"h": [0, 0]},
    "inputs": [[1], [2]],
}


def _with(**changes):
    return {key: value for key, value in (GOOD | changes).items() if value is not None}


def _nested(depth):
    value = [1]
    for _ in range(depth):
        value = [value]
    return value


def _run(config):
    """Both passes, as the report does them; the loss."""
    cell = Recurrence.from_config(config)
    run = cell.forward()
    cell.reverse(run)
    return run.loss


BAD = [
    (_with(cell="a = b + W @ x + U @ x\nh = tanh(a) + h_prev"),
     r"line 1, column 9: the shapes do not fit in `W @ x`: `W` is a 2×2 matrix and `x` is a vector of 1"),
    (_with(cell="a = b + W @ h_prev\nh = tanh(a) + x * U"), "line 2.*2×1 matrix"),
    (_with(cell="a = b + W @ h_prev + U @ x\nh = tanh(a + c_prev)"),
     "line 2, column 14: the state `c` has no initial value"),
    (_with(inputs=[[1, 2], [3, 4]]), r"line 1, column 22.*`U` is a 2×1 matrix and `x` is a vector of 2"),
    (_with(parameters=GOOD["parameters"] | {"b": ["one", 1]}), r"parameters, b\[0\].*expected a number"),
    (_with(parameters=GOOD["parameters"] | {"b": [True, 1]}), r"parameters, b\[0\]"),
    (_with(parameters=GOOD["parameters"] | {"b": [float("nan"), 1]}), r"parameters, b\[0\]"),
    (_with(parameters=GOOD["parameters"] | {"W": [[1, 0], [0]]}),
     "W: element 0 is a vector of 2, but element 1 is a vector of 1"),
    (_with(parameters=GOOD["parameters"] | {"b": []}), "b is empty"),
    (_with(parameters=GOOD["parameters"] | {"q": 1}), "neither the cell nor the loss uses `q`"),
    (_with(cell=GOOD["cell"] + "\nq = p * h", parameters=GOOD["parameters"] | {"p": 1}),
     "the loss does not depend on `p`"),
    (_with(constants={"k": 1}), "neither the cell nor the loss uses `k`"),
    (_with(constants={"b": [1, 1]}), "both a parameter and a constant"),
    (_with(parameters=None), "`parameters` is missing"),
    (_with(parameters=[1, 2]), "parameters: expected `name: value` pairs"),
    (_with(parameters=GOOD["parameters"] | {"x": 1}), "`x` has a fixed meaning"),
    (_with(parameters=GOOD["parameters"] | {"a b": 1}), "cannot be a name"),
    (_with(parameters=GOOD["parameters"] | {"da_db": 1}), "looks like a derivative"),
    (_with(parameters=GOOD["parameters"] | {"lambda": 1}), "`lambda` is a word of the grammar.*write λ"),
    (_with(cell="in = U @ x\nh = in + W @ h_prev + b"), "line 1, column 1: `in` is a word of the grammar"),
    (_with(parameters=GOOD["parameters"] | {"L": 1}), "`L` has a fixed meaning"),
    (_with(parameters=GOOD["parameters"] | {"α": 1, "alpha": 1}), "`alpha` is there twice"),
    (_with(loss="dot(h, h) * h_t", parameters=GOOD["parameters"] | {"h_t": 1}), "`h` and `h_t` would be printed alike"),
    (_with(loss="dot(h, h) * a_0", parameters=GOOD["parameters"] | {"a_0": 1}), "`a` and `a_0` would be printed alike"),
    (_with(loss="dot(h, h) * e_1", parameters=GOOD["parameters"] | {"e_1": 1}), "`e_1` would be printed like"),
    (_with(parameters=GOOD["parameters"] | {"W": [[1] * 5000] * 5000}), "W: 25,000,000 numbers; at most 250,000"),
    (_with(loss="sum(h @ W)"), "write transpose\\(A\\) @ u for u times A in `h @ W`"),
    (_with(loss="h"), "the loss must be a scalar, but it is a vector of 2"),
    (_with(loss=None), "`loss` is missing"),
    (_with(loss="dot(h, x)"), "loss, line 1, column 1: dot wants two vectors of one length"),
    (_with(loss=["h"]), "loss: expected a formula, got"),
    (_with(loss=""), "loss: the formula is empty"),
    (_with(loss="sqrt(dot(h_prev, h_prev)) + sum(h)"),
     "loss, line 1, column 1: at step t = 0, the derivative of the loss by `h_prev` is not finite"),
    (_with(cell=GOOD["cell"] + "\nq = sqrt(b[0]) * h", loss="sum(q)"),
     "cell, line 3, column 5: the derivative of the loss by `b` is not finite"),
    (_with(inputs=[[[[1]]]]), "nested more deeply"),
    (_with(parameters=GOOD["parameters"] | {"b": _nested(600)}), "nested more deeply"),
    (_with(meaning={"hh": "a slip"}), "meaning: nothing is called `hh`"),
    (_with(forward_mode=["b", "b"]), "forward_mode: `b` is there twice"),
    (_with(forward_mode=5), "forward_mode: `5` is not a parameter"),
    (_with(update={"parameter": ["b"], "rate": 1}), "is not a parameter"),
    (_with(loss="log(h[0] - 1)"), r"loss.*at step t = 0, the logarithm of a negative number \(-0\.2"),
    (_with(loss="log(x[0] - 1)+sum(h)"), "at step t = 0, the logarithm of zero in `log"),
    (_with(loss="sqrt(3/2 - x[0])+sum(h)"), "at step t = 1, the square root of a negative number"),
    (_with(loss="(3/2 - x[0])**(1/2)+sum(h)"), "at step t = 1, a broken power of a negative number"),
    (_with(loss="(2 - x[0])**-1 + sum(h)"), "at step t = 1, division by zero"),
    (_with(loss="exp(500 * x[0]) + sum(h)"), r"at step t = 1, overflow: `exp\(500 \* x\[0\]\)`"),
    (_with(loss="h[2]"), "the index 2 is beyond the last, 1"),
    (_with(loss="sum(h[1:3])"), "the slice 1:3 is empty or beyond 2"),
    (_with(loss="W[0]"), "only a vector has elements"),
    (_with(loss="sum(softmax(W))"), "softmax wants a vector"),
    (_with(loss="h @ h"), "write dot or outer"),
    (_with(loss="2 @ h"), r"write \* for a scalar"),
    (_with(loss="sum(transpose(h))"), "transpose wants a matrix"),
    (_with(loss="sum(concatenate(W, h))"), "concatenate joins vectors"),
    (_with(initial_state={"h": [0, 0, 0]}), "line 1, column 9.*h_prev. is a vector of 3"),
    (_with(cell="a = b + U @ x\nh = tanh(a[0]) * h_prev[0]",
           parameters={"b": [0, 1], "U": [[1], [2]]}, loss="sum(h)"),
     "the state `h` is a scalar, but its initial value is a vector of 2"),
    (_with(initial_state={"h": [0, 0], "s": 0}), r"the cell has no line `s = \.\.\.`"),
    (_with(inputs=[]), "inputs is empty"),
    (_with(inputs=5), "inputs: expected a list"),
    (_with(inputs=None), "unknown name `x`|number of steps"),
    (_with(targets=[1, 2, 3]), "inputs has 2 steps, but targets has 3"),
    (_with(steps=3), "inputs has 2 steps, but steps has 3"),
    (_with(steps=0), "steps: expected a whole number from 1"),
    (_with(cell=None), "`cell` is missing"),
    (_with(cell=["a = b"]), "cell: expected text"),
    (_with(cell=GOOD["cell"] + "\nloss = sum(h)"), "line 3, column 1: `loss` has a fixed meaning"),
    (_with(cell=GOOD["cell"] + "\ndL_dh = h"), "line 3, column 1: `dL_dh` looks like a derivative"),
    (_with(cels="a = b"), "unknown key `cels`"),
    (_with(forward_mode=["q"]), "forward_mode: `q` is not a parameter"),
    (_with(update={"parameter": "q", "rate": 1}), "update: `q` is not a parameter"),
    (_with(update={"parameter": "b"}), "update: expected"),
    (_with(update={"parameter": "b", "rate": "fast"}), "update, rate"),
    ("cell", "expected a mapping"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "words"), BAD)
def test_a_bad_description_is_refused_with_its_reason(config, words):
    with pytest.raises(RecurrenceError, match=words):
        _run(config)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"cell": "h = tanh(x)"}, "net"),
        ({"cell": "h = tanh(q)"}, "net.cell"),
        ({"loss": "h"}, "net.loss"),
        ({"loss": "h[0] + exp(b[1])", "update": {"parameter": "b", "rate": 1e299}}, "net.update"),
    ],
)
def test_what_is_refused_names_the_key_of_its_own_block(change, key):
    with pytest.raises(InputError) as caught, refusing("net"):
        cell = Recurrence.from_config(_with(**change))
        run = cell.forward()
        cell.stepped(run, cell.reverse(run), "b", float(cell.update[1]))
    assert caught.value.key == key


@pytest.mark.parametrize("name", ["tau", "iota", "E", "I", "Q", "Gamma", "α", "λ", "W_β"])
def test_letters_of_any_use_elsewhere_are_names(name):
    parameters = {key if key != "W" else name: value for key, value in GOOD["parameters"].items()}
    cell = GOOD["cell"].replace("W", name)
    assert _run(_with(cell=cell, parameters=parameters)) == _run(GOOD)


def test_a_hundred_thousand_inputs_are_read():
    assert _run(_with(inputs=[[0.5], [1]] * 50_000)) > 0


def test_a_formula_may_end_with_a_line_break():
    assert _run(_with(loss="dot(h, h)\n")) == _run(GOOD)


def test_a_nested_fraction_is_differentiated_in_time():
    # brought over one denominator, its derivative would have a million terms
    deep = "1/(" * 18 + "h[0]" + "+h[1])" * 18
    cell = Recurrence.from_config(_with(loss=deep))
    gradients = cell.reverse(cell.forward())
    for name in cell.parameters:
        total = cell.forward_mode(cell.forward(), name)["loss"].sum(axis=0)
        np.testing.assert_allclose(gradients[name], total, rtol=1e-12)


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["h", "W @ h", "1/2", "a = b", "h_prev"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4) | st.sampled_from("bWUha"), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=800, deadline=None)
@given(
    st.sampled_from(sorted({*GOOD, "targets", "constants", "update", "meaning", "forward_mode"})),
    _JUNK,
)
def test_no_config_value_raises_anything_else(key, junk):
    with contextlib.suppress(RecurrenceError):
        _run(GOOD | {key: junk})
