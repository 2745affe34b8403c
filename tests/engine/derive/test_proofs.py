"""The proofs of the rules and of the cells, and the wrong rules that they must not let pass."""

import numpy as np
import pytest
import sympy

from tests.engine.derive import cells
from workings.derive import exact, proofs
from workings.derive.expression import Operation, Shapes, names_in, total
from workings.derive.grammar import parse_formula
from workings.derive.operations import (
    FUNCTIONS,
    Exp,
    Index,
    Matmul,
    Negative,
    Sigmoid,
    Tanh,
    minus,
)
from workings.derive.proofs import PROVED, REFUTED, TRIED, UNTRIED
from workings.derive.recurrence import Recurrence

ALL = [*cells.NAMES, *cells.MORE]


def verdicts(found):
    return {proof.verdict for proof in found}


@pytest.mark.parametrize("case", proofs.CASES)
def test_the_rules_of_every_operation_are_proved(case):
    assert verdicts(proofs.prove_operations((case,))) == {PROVED}


def test_every_function_of_the_language_is_among_the_cases():
    text = " ".join(proofs.CASES)
    assert [name for name in FUNCTIONS if f"{name}(" not in text] == []


@pytest.mark.parametrize("name", ALL)
def test_every_formula_of_every_cell_is_proved(name):
    found = proofs.prove_cell(cells.cell(name))
    assert len({proof.statement for proof in found}) == len(found) > 10
    # 20 components run out of the budget in the large matrices
    assert verdicts(found) == ({PROVED, TRIED} if name == "wide" else {PROVED})


def operations(node):
    """The kinds of the operations of a formula on what has a gradient."""
    if isinstance(node, Operation) and {*names_in(node)} - {"x", "target", "mask"}:
        return [type(node), *(kind for part in node.arguments for kind in operations(part))]
    return []


def reverse(cell):
    names = [*cell.lines, *cell.states, *cell.parameters]
    return proofs._reverse(cell, total, [name for name in names if name != "loss"])


@pytest.mark.parametrize(("name", "budget"), [("elman", None), *((name, 0) for name in ALL)])
def test_a_wrong_sign_in_any_operation_of_a_cell_is_refuted(name, budget, monkeypatch):
    if budget is not None:  # only at points, which is quicker
        monkeypatch.setattr(proofs, "BUDGET", budget)
    cell = cells.cell(name)
    assert REFUTED not in verdicts(reverse(cell))
    kinds = {kind for line in cell.lines.values() for kind in operations(line)} - {Index}
    for kind in {Matmul} if name == "wide" else kinds:
        right = kind.pullback
        with monkeypatch.context() as patch:
            patch.setattr(
                kind, "pullback", lambda *a, right=right: [p and minus(p) for p in right(*a)]
            )
            assert REFUTED in verdicts(reverse(cell)), kind


def test_a_wrong_tangent_is_refuted(monkeypatch):
    right = Matmul.push
    monkeypatch.setattr(Matmul, "push", lambda *given: minus(right(*given)))
    statements = {
        p.statement for p in proofs.prove_cell(cells.cell("elman")) if p.verdict == REFUTED
    }
    assert statements >= {"a by h_prev", "da_db"} and "h by a" not in statements


@pytest.mark.parametrize("function", [Tanh, Sigmoid, Exp])
def test_a_wrong_slope_is_refuted(function, monkeypatch):
    right = function.slope
    monkeypatch.setattr(function, "slope", lambda self, z: Negative(right(self, z)))
    assert REFUTED in verdicts(proofs.prove_operations((f"{function.kind}(u)",)))
    assert verdicts(proofs.prove_operations(("cos(u)",))) == {PROVED}


def test_what_runs_out_of_its_budget_is_not_called_proved(monkeypatch):
    monkeypatch.setattr(proofs, "BUDGET", 0)
    assert verdicts(proofs.prove_cell(cells.cell("elman"))) == {TRIED}
    monkeypatch.setattr(proofs, "MOST_AT_A_POINT", 0)
    assert verdicts(proofs.prove_cell(cells.cell("elman"))) == {UNTRIED}


@pytest.mark.parametrize(
    "loss",
    ["tanh(" * 30 + "sum(h)" + ")" * 30, "(sum(W * W) + h[0] + h[1])**40", "sum(((h + 1)**20)**20)",
     "1/(" * 18 + "h[0]" + "+h[1])" * 18, "sum(" + "W@(" * 30 + "h" + ")" * 31],
)  # fmt: skip
def test_no_formula_takes_more_than_the_budget(loss):
    block = {"cell": "h = tanh(W @ h_prev)", "loss": loss, "parameters": {"W": [[0.3, 0.2], [0.1, 0.4]]},
             "initial_state": {"h": [0.1, 0.2]}, "steps": 2}  # fmt: skip
    assert REFUTED not in verdicts(proofs.prove_cell(Recurrence.from_config(block)))


def test_dual_numbers_differentiate_as_sympy_does():
    shapes = Shapes({"u": (2,), "s": ()})
    formula = parse_formula("dot(u, u**3) / (1 + s*u[0]) - (2 + u[1])**(-2)", shapes.names)
    numbers = exact._exact(sympy.Rational, lambda name, n: list(sympy.symbols(f"{name}:{n}")), abs)
    values = {name: numbers.unknowns(name, shape) for name, shape in shapes.names.items()}
    (a, b), s = values["u"], values["s"].item()
    value = (a**4 + b**4) / (1 + s * a) - (2 + b) ** -2
    for name, d in (("u", np.array([3, -2])), ("s", np.array(5))):
        expected = sum(
            sympy.diff(value, x) * k for x, k in zip(values[name].flat, d.flat, strict=True)
        )
        found = exact.along(formula, values, {name: d}, shapes, numbers)[0]
        assert sympy.simplify(found - expected) == 0


def test_polynomials_are_those_of_sympy():
    numbers = exact.symbols(10_000)
    x, y, z = numbers.named("x", 3)
    assert not ((x + y) ** 3 - (x**3 + 3 * x * x * y + 3 * x * y * y + y**3)).terms
    assert not ((x * x) / (x * y) - x / y).terms
    assert not (z / (x + y) ** 2 - z / (x + y) / (x + y)).terms
    assert ((x + y) ** 2 - x * x - y * y).terms
    with pytest.raises(exact.OutOfBudget):
        (x + y + z) ** 60


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("long", "wide")])
def test_the_whole_gradient_is_exact_at_a_random_point(name):
    # all steps of the program that is run, in residues: <dL/dp, d> is what dual numbers give along d
    cell, numbers = cells.cell(name), exact.at_point(7)
    values = {p: numbers.unknowns(p, cell.shape(p)) for p in cell.parameters}
    gradients = cell.reverse(cell.forward(values, numbers))
    for p in cell.parameters:
        d = numbers.unknowns(f"d {p}", cell.shape(p))
        moved = {
            q: np.asarray(np.frompyfunc(exact.Dual, 2, 1)(values[q], d if q == p else 0))
            for q in values
        }
        loss = cell.forward(moved, exact.dual(numbers)).loss
        assert (np.sum(gradients[p] * d) - loss.b).n == 0
