"""The checks of a gradient, and the faults that each of them must catch."""

import sys

import numpy as np
import pytest

from tests.engine.derive import cells
from workings.derive import checks
from workings.derive.checks import (
    TOLERANCES,
    central_differences,
    check_gradients,
    complex_step,
    conditioning,
    directions,
    error_curve,
    relative_difference,
    torch_gradients,
)
from workings.derive.expression import (
    Derivative,
    Name,
    Operation,
    from_later,
    substitute,
    total,
)
from workings.derive.linear import Diag
from workings.derive.operations import (
    Add,
    Matmul,
    Multiply,
    Subtract,
    Transpose,
    zeros,
)
from workings.derive.recurrence import Recurrence
from workings.messages import InputError

IN_FLOATS = [method for method in TOLERANCES if "precision" not in method]

# --- what is right agrees -----------------------------------------------------------------------


@pytest.mark.parametrize("name", cells.NAMES)
def test_every_cell_agrees_with_every_check(name):
    agreement = check_gradients(cells.cell(name))
    assert {row.verdict for row in agreement.rows} == {"agrees"}
    assert {row.method for row in agreement.rows} == set(TOLERANCES)
    assert agreement.least_digits("multiprecision") >= 35
    assert agreement.least_digits("central differences") >= 9


@pytest.mark.parametrize("steps", [1, 2, 30])
@pytest.mark.parametrize("name", cells.NAMES)
def test_shorter_and_longer_sequences_agree(name, steps):
    assert check_gradients(cells.stretched(name, steps), methods=IN_FLOATS).passed


def test_torch_computes_the_same_loss_and_its_absence_is_said(monkeypatch):
    for name in cells.NAMES:
        cell = cells.cell(name)
        assert torch_gradients(cell)[0] == pytest.approx(cell.forward().loss, rel=1e-14)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert check_gradients(cell, methods=["forward mode"]).passed
    with pytest.raises(InputError, match="needs torch, which is not installed"):
        check_gradients(cell)


def test_many_parameters_are_checked_along_random_directions():
    random = np.random.default_rng(2)
    n = 24
    matrices = {name: random.normal(size=(n, n)) / n**0.5 for name in "WUV"}
    cell = Recurrence.from_config(
        {"cell": "h = tanh(b + W @ h_prev + U @ x)\ny = V @ h", "loss": "dot(y - x, y - x)",
         "parameters": {"b": random.normal(size=n), **matrices}, "initial_state": {"h": np.zeros(n)},
         "inputs": random.normal(size=(4, n))}
    )  # fmt: skip
    assert cell.size > checks.MOST_SENSITIVE
    assert len(directions(cell, "W")) == checks.DIRECTIONS
    assert check_gradients(cell).passed
    gradients = dict(cell.reverse(cell.forward()).parameters)
    gradients["W"] = gradients["W"].T
    agreement = check_gradients(cell, gradients, methods=IN_FLOATS)
    assert caught_by(agreement) == {*IN_FLOATS}
    assert {row.verdict for row in agreement.of("b")} == {"agrees"}


# --- planted faults ------------------------------------------------------------------------------


def _rewrite(node, change):
    """The formula with `change` applied to every part, from the leaves up."""
    if isinstance(node, Operation):
        node = node.applied_to(*(_rewrite(argument, change) for argument in node.arguments))
    return change(node)


def _changed(change, only=None):
    """The lines with `change` applied to every part of one of them, or of all."""
    return lambda lines: {
        key: _rewrite(f, change) if only in (None, key) else f for key, f in lines.items()
    }


def _no_carry(node):
    parts = getattr(node, "arguments", ())
    kept = [part for part in parts if part not in (Name(from_later(s)) for s in "hc")]
    return kept[0] if isinstance(node, Add) and len(kept) == 1 else node


def _transposed(name):
    return _changed(lambda node: Name(name) if node == Transpose(Name(name)) else node)


def _no_diag(node):
    return node.B if isinstance(node, Matmul) and isinstance(node.A, Diag) else node


def _plus_for_minus(node):
    return Add(*node.arguments) if isinstance(node, Subtract) else node


def _swapped_gates(one, other):
    names = {one: Name(other), other: Name(one)}

    def fault(lines):
        return {
            key: substitute(f, names) if key in map(total, ("c", "g", "c_prev")) else f
            for key, f in lines.items()
        }

    return fault


FAULTS = {
    "dropped carry": ("elman", _changed(_no_carry)),
    "transposed W": ("elman", _transposed("W")),
    "transposed V": ("elman", _transposed("V")),
    "omitted diag": ("elman", _changed(_no_diag, total("a"))),
    "wrong sign in tanh'": ("elman", _changed(_plus_for_minus, total("a"))),
    "dropped carry, LSTM": ("lstm", _changed(_no_carry)),
    "transposed W_f": ("lstm", _transposed("W_f")),
    "omitted diag, LSTM": ("lstm", _changed(_no_diag, total("c"))),
    "wrong sign, LSTM": ("lstm", _changed(_plus_for_minus, total("h_prev"))),
    "swapped gates": ("lstm", _swapped_gates("i", "f")),
    "dropped carry, GRU": ("gru", _changed(_no_carry)),
    "transposed W_n": ("gru", _transposed("W_n")),
}


class _Faulty(Recurrence):
    """A recurrence whose reverse program has a fault put in."""

    def adjoint_lines(self, through_time=True):
        lines = super().adjoint_lines(through_time)
        return FAULTS[self.name][1](lines) if through_time else lines


def row_of(agreement, parameter, method):
    return next(row for row in agreement.of(parameter) if row.method == method)


def caught_by(agreement):
    return {row.method for row in agreement.rows if row.verdict == "disagrees"}


def _faulty(fault, steps):
    cell = cells.stretched(FAULTS[fault][0], steps)
    values = {field: getattr(cell, field) for field in cell.__dataclass_fields__}
    return _Faulty(**{**values, "name": fault})


@pytest.mark.parametrize("steps", [3, 12])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_by_every_check(fault, steps):
    methods = IN_FLOATS if steps > 3 or "LSTM" in fault else [*IN_FLOATS, "multiprecision"]
    assert caught_by(check_gradients(_faulty(fault, steps), methods=methods)) == {*methods}


def test_a_fault_in_forward_mode_is_caught(monkeypatch):
    right = Recurrence.tangent_lines

    def wrong(self, parameter):
        lines, shapes = right(self, parameter)
        # the tangent of the last state is forgotten
        last = Derivative("h_prev", parameter)
        forget = {last: Multiply(zeros(), Name(last))}
        return {key: substitute(f, forget) for key, f in lines.items()}, shapes

    monkeypatch.setattr(Recurrence, "tangent_lines", wrong)
    agreement = check_gradients(cells.cell("elman"), methods=["forward mode", "torch autograd"])
    assert row_of(agreement, "b", "forward mode").verdict == "disagrees"
    assert row_of(agreement, "b", "torch autograd").verdict == "agrees"


def test_a_small_fault_that_looser_tolerances_would_let_pass():
    cell = cells.cell("elman")
    b = cell.reverse(cell.forward())["b"]
    for factor, method in (
        (1e-8, "central differences"), (1e-11, "torch autograd"), (1e-11, "complex step"),
    ):  # fmt: skip
        gradients = cell.reverse(cell.forward()).parameters | {"b": b * (1 + factor)}
        assert caught_by(check_gradients(cell, gradients, methods=[method])) == {method}


# --- ill-conditioned recurrences -----------------------------------------------------------------


def _chaotic(steps: int) -> Recurrence:
    """The logistic map at r = 3.9: errors grow by a factor of about 1.6 a step, and so do gradients."""
    return Recurrence.from_config(
        {"cell": "p = r * p_prev * (1 - p_prev)", "loss": "p", "parameters": {"r": "39/10"},
         "initial_state": {"p": "1/3"}, "steps": steps}
    )  # fmt: skip


def test_lost_digits_are_reported_and_doubled_precision_decides():
    cell = _chaotic(50)
    agreement = check_gradients(
        cell, methods=["torch autograd", "doubled precision", "multiprecision"]
    )
    assert agreement.passed
    row = row_of(agreement, "r", "doubled precision")
    assert row.verdict == "agrees, ill-conditioned"
    assert row.digits < row.required
    assert row.lost > 2
    assert row_of(agreement, "r", "multiprecision").verdict == "agrees"
    # all float64 means share one rounded trajectory: they agree with each other, not with the truth
    assert row_of(agreement, "r", "torch autograd").verdict == "agrees"
    # central differences need a far smaller step, and lose more
    central = check_gradients(cell, methods=["central differences"]).rows[0]
    assert central.verdict == "agrees, ill-conditioned" and 0.5 < central.digits < row.digits
    # and a fault is still a fault there
    gradients = dict(cell.reverse(cell.forward()).parameters)
    gradients["r"] = gradients["r"] * 1.01
    agreement = check_gradients(cell, gradients, methods=["torch autograd"])
    assert [row.verdict for row in agreement.rows] == ["disagrees"]


def test_where_no_digit_is_left_the_many_digits_decide():
    agreement = check_gradients(_chaotic(100))
    assert agreement.passed
    for method in ("central differences", "doubled precision"):
        row = row_of(agreement, "r", method)
        assert row.verdict == "not run" and row.lost > 15
    assert row_of(agreement, "r", "multiprecision").verdict == "agrees"


def test_a_fault_shows_in_central_differences_of_a_cell_that_loses_digits():
    cell = _chaotic(20)
    gradients = dict(cell.reverse(cell.forward()).parameters)
    gradients["r"] = gradients["r"] * (1 + 1e-5)
    row = check_gradients(cell, gradients, methods=["central differences"]).rows[0]
    assert row.verdict == "disagrees"


def test_conditioning_is_near_one_unit_of_rounding_for_a_tame_cell():
    moved = conditioning(cells.cell("elman"))
    assert all(1e-18 < value < 1e-13 for value in moved.values())


# --- the parts -----------------------------------------------------------------------------------


def test_complex_step_and_differences_of_a_known_function():
    # L = sum_t exp(p x_t), dL/dp = sum_t x_t exp(p x_t)
    cell = Recurrence.from_config(
        {"cell": "y = exp(p * x)", "loss": "y", "parameters": {"p": "1/3"}, "inputs": [1, 2, -1]}
    )
    x = np.array([1, 2, -1])
    exact = (x * np.exp(x / 3)).sum()
    along = directions(cell, "p")
    assert complex_step(cell, "p", along) == pytest.approx([exact], rel=1e-15)
    # the errors of the formulas: eps^2 L'''/6 for three points, eps^4 L^(5)/30 for five
    third, fifth = ((x**k * np.exp(x / 3)).sum() for k in (3, 5))
    eps = 1e-2
    three = central_differences(cell, "p", along, eps, points=3)[0] - exact
    five = central_differences(cell, "p", along, eps, points=5)[0] - exact
    assert three == pytest.approx(eps**2 * third / 6, rel=1e-3)
    assert five == pytest.approx(-4 * eps**4 * fifth / 120, rel=1e-2)


def test_the_error_curve_falls_and_rises_again():
    cell = cells.cell("elman")
    epsilons = 10.0 ** (-np.arange(4, 49) / 4)
    curve = error_curve(cell, "b", cell.reverse(cell.forward())["b"], epsilons)
    steps, errors = np.array(curve).T
    best = errors.argmin()
    assert 1e-6 < steps[best] < 1e-4
    assert errors[best] < 1e-9
    slope = np.polyfit(np.log10(steps[4:10]), np.log10(errors[4:10]), 1)[0]
    assert slope == pytest.approx(2, abs=0.1)  # truncation, eps^2
    slope = np.polyfit(np.log10(steps[best + 4 :]), np.log10(errors[best + 4 :]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.2)  # rounding, 1/eps


@pytest.mark.parametrize(
    ("a", "b", "gap"),
    [([1, 2], [1, 4], 0.5), ([0], [0], 0), ([1], [0], np.inf), ([np.nan], [1], np.inf)],
)
def test_relative_difference(a, b, gap):
    assert relative_difference(a, b) == gap


def test_what_cannot_be_run_says_so_and_is_no_pass():
    cell = cells.stretched("elman", 20_000)
    agreement = check_gradients(cell, methods=["multiprecision"])
    assert {row.verdict for row in agreement.rows} == {"not run"}
    assert not agreement.passed
