"""The derivation that prints itself: what its lines say, and that what they say is true."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.engine.derive import cells
from workings.derive.derivation import (
    LINE_WIDTH,
    Derivation,
    derive,
    matrix_latex,
    number_latex,
    readings,
    symbol,
)
from workings.derive.recurrence import Recurrence

ALLOWED = {
    *["frac", "tfrac", "partial", "ell", "sum", "left", "right", "operatorname", "mathrm", "mathbf", "top", "odot", "oslash", "otimes", "cdot", "times"],
    *["begin", "end", "quad", "tanh", "exp", "log", "sin", "cos", "sqrt", "sigma", "tau", "downarrow", "uparrow", "cdots", "vdots", "ddots"],
    *["Bigl", "Bigr", "hat", "tilde", "bar"],
}  # fmt: skip


@pytest.fixture(scope="module")
def original() -> Derivation:
    return cells.cell("vanilla").derivation(digits=8)


def _printed_matrix(latex: str) -> np.ndarray:
    """The numbers of a printed matrix."""
    body = re.search(r"\\begin\{(?:b|small)matrix\}(.*?)\\end", latex)[1]
    rows = [[float(_plain_number(entry)) for entry in row.split("&")] for row in body.split(r"\\")]
    scale = re.match(r"10\^\{(-?\d+)\}", latex)
    return np.array(rows) * (10.0 ** int(scale[1]) if scale else 1.0)


def _plain_number(text: str) -> Fraction:
    match = re.fullmatch(r"\s*(-?)\\tfrac\{(\d+)\}\{(\d+)\}\s*", text)
    return (
        Fraction(int(f"{match[1]}{match[2]}"), int(match[3])) if match else Fraction(text.strip())
    )


@pytest.mark.parametrize("name", cells.NAMES)
def test_every_printed_equation_gives_the_printed_result(name):
    derivation = derive(cells.cell(name))
    numeric = [line for line in derivation.lines if line.recomputed is not None]
    assert len(numeric) > 50
    assert derivation.largest_residual() < 1e-14


def test_a_wrong_result_would_be_noticed(original):
    part = original.part("reverse")
    k = next(k for k, line in enumerate(part.lines) if line.name == "dL_dh[1]")
    wrong = replace(part.lines[k], value=part.lines[k].value * 1.001)
    tampered = replace(part, lines=(*part.lines[:k], wrong, *part.lines[k + 1 :]))
    assert Derivation((tampered,), original.names).largest_residual() > 1e-4


@pytest.mark.parametrize("name", cells.NAMES)
def test_names_of_lines_are_unique_and_find_their_line(name):
    derivation = derive(cells.cell(name))
    names = [line.name for line in derivation.lines]
    assert len(names) == len(set(names))
    assert all(derivation.line(name).name == name for name in names)
    with pytest.raises(KeyError, match="no line `nothing`"):
        derivation.line("nothing")
    with pytest.raises(KeyError, match="no part `nothing`"):
        derivation.part("nothing")


def test_the_equations_of_the_original_read_as_in_a_textbook(original):
    equations = {name: (original.line(name).lhs, original.line(name).equation) for name in
                 ("a", "h", "y", "loss", "dL_dy", "dL_do", "dL_dh", "dL_da", "dL_db", "dL_dW", "da_db",
                  "dh_db", "dl_db", "jacobian.dh_da", "dl_da")}  # fmt: skip
    assert equations == {
        "a": ("a_{t}", r"b + W \, h_{t-1} + U \, x_{t}"),
        "h": ("h_{t}", r"\tanh\left(a_{t}\right)"),
        "y": ("y_{t}", r"\operatorname{softmax}\left(o_{t}\right)"),
        "loss": (
            r"\ell_{t}",
            r"\left(y_{1,t} - \tfrac{1}{2}\right)^{2} - \log\left(y_{2,t}\right)",
        ),
        "dL_dy": (
            r"\frac{dL}{dy_{t}}",
            r"\begin{bmatrix} 2 \, y_{1,t} - 1 \\ -\frac{1}{y_{2,t}} \end{bmatrix}",
        ),
        "dL_do": (
            r"\frac{dL}{do_{t}}",
            r"\left(\operatorname{diag}\left(y_{t}\right) - y_{t}\,y_{t}^{\top}\right) \, "
            r"\frac{dL}{dy_{t}}",
        ),
        "dL_dh": (
            r"\frac{dL}{dh_{t}}",
            r"V^{\top} \, \frac{dL}{do_{t}} + W^{\top} \, \frac{dL}{da_{t+1}}",
        ),
        "dL_da": (
            r"\frac{dL}{da_{t}}",
            r"\operatorname{diag}\left(1 - h_{t}^{2}\right) \, \frac{dL}{dh_{t}}",
        ),
        "dL_db": (r"\frac{dL}{db}", r"\sum_{t=0}^{2} \frac{dL}{da_{t}}"),
        "dL_dW": (r"\frac{dL}{dW}", r"\sum_{t=0}^{2} \frac{dL}{da_{t}} \, h_{t-1}^{\top}"),
        "da_db": (r"\frac{da_{t}}{db}", r"I_{2} + W \, \frac{dh_{t-1}}{db}"),
        "dh_db": (
            r"\frac{dh_{t}}{db}",
            r"\operatorname{diag}\left(1 - h_{t}^{2}\right) \, \frac{da_{t}}{db}",
        ),
        "dl_db": (
            r"\frac{d\ell_{t}}{db}",
            r"\left(\frac{dy_{t}}{db}\right)^{\top} \, "
            r"\begin{bmatrix} 2 \, y_{1,t} - 1 \\ -\frac{1}{y_{2,t}} \end{bmatrix}",
        ),
        "jacobian.dh_da": (
            r"\frac{\partial^{+} h_{t}}{\partial a_{t}}",
            r"\operatorname{diag}\left(1 - h_{t}^{2}\right)",
        ),
        "dl_da": (
            r"\frac{\partial \ell_{t}}{\partial a_{t}}",
            r"\operatorname{diag}\left(1 - h_{t}^{2}\right) \, \frac{\partial \ell_{t}}{\partial h_{t}}",
        ),
    }


def test_steps_carry_their_numbers(original):
    line = original.line("dL_dh[1]")
    assert line.lhs == r"\frac{dL}{dh_{1}}"
    assert line.equation.endswith(r"W^{\top} \, \frac{dL}{da_{2}}")
    assert r"\begin{bmatrix} -2 & 1 \\ -1 & 0 \end{bmatrix}^{\top}" in line.substituted
    # at the last step nothing comes back from the next
    assert "W" not in original.line("dL_dh[2]").equation
    assert original.line("a[0]").equation == r"b + W \, h_{-1} + U \, x_{0}"
    assert original.line("dL_dh_prev[0]").lhs == r"\frac{dL}{dh_{-1}}"


@pytest.mark.parametrize(
    ("line", "printed"),
    [("dL_db", [[-0.08455436], [0.51733425]]), ("dl_db[1]", [[-0.00447027], [0.0132016]]),
     ("da_db[2]", [[1.00450011, -0.01328971], [0, 1.02598552]]),
     ("y[0]", [[0.94921601], [0.05078399]]), ("b_up", [[-1.00084554], [1.00517334]]),
     ("dL_db.forwards", [[-0.08455436], [0.51733425]]),
     ("jacobian.dy_do[1]", [[0.04549712, -0.04549712], [-0.04549712, 0.04549712]])],
)  # fmt: skip
def test_the_printed_results_are_those_of_the_original(original, line, printed):
    np.testing.assert_allclose(_printed_matrix(original.line(line).result), printed, atol=1e-12)


def test_losses_and_updates_are_printed(original):
    assert original.line("L").result == "9.43482701"
    assert original.line("L_up_b").result == "9.43756323"
    assert original.line("L_down_b").value < 9.4348
    assert original.line("W").result == r"\begin{bmatrix} 1 & -1 \\ 0 & 2 \end{bmatrix}"
    assert (
        original.line("c").result == r"\begin{bmatrix} \tfrac{1}{2} \\ -\tfrac{1}{2} \end{bmatrix}"
    )


@pytest.mark.parametrize("name", cells.NAMES)
def test_only_the_latex_that_every_renderer_knows(name):
    latex = derive(cells.cell(name)).latex()
    assert set(re.findall(r"\\([A-Za-z]+)", latex)) <= ALLOWED | {"vec"}
    environments = set(re.findall(r"\\begin\{(\w+)\}", latex))
    assert environments <= {"aligned", "bmatrix", "smallmatrix"}
    for word in ("nan", "inf", "None", "np.", "Fraction"):
        assert word not in latex.replace(r"\operatorname", "")
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    assert latex.count(r"\Bigl") == latex.count(r"\Bigr")
    for line in derive(cells.cell(name)).lines:
        assert line.latex().count(r"\begin{aligned}") == 1
        assert all(row.count("&=") + row.startswith("&") >= 1 for row in line.rows())
        for row in line.rows():  # \left and \right must meet in one row
            assert row.count(r"\left") == row.count(r"\right")


def test_long_lines_are_broken_and_short_ones_are_not():
    derivation = derive(cells.cell("lstm"))
    long, short = derivation.line("dL_dh[1]"), derivation.line("y[1]")
    assert len(long.rows()) > len(short.rows()) >= 1
    assert len(long.rows(left=-1000)) == 1
    assert LINE_WIDTH < 1000


def test_every_name_is_explained():
    for name in cells.NAMES:
        cell = cells.cell(name)
        names = dict(derive(cell).names)
        for own in [*cell.parameters, *cell.constants]:
            assert names[symbol(own)]
        for own in cell.lines:
            assert names[symbol(own, "t")]
        for own, words in cell.meaning.items():
            assert any(words in text for text in names.values()), own


def test_long_sequences_and_wide_matrices_are_elided_and_say_so():
    derivation = derive(cells.stretched("lstm", 30))
    names = {line.name for line in derivation.lines}
    assert {"h[0]", "h[1]", "h[28]", "h[29]"} <= names
    assert "h[2]" not in names
    assert "h[27]" not in names
    assert derivation.notes
    assert all("Steps 2 to 27" in note for note in derivation.notes)
    assert r"\cdots" in derivation.line("dL_db_i").substituted
    assert derivation.largest_residual() < 1e-13
    assert not derive(cells.cell("lstm")).notes

    n = 9
    wide = Recurrence.from_config(
        {"cell": "h = tanh(W @ h_prev + x)", "loss": "dot(h, h)",
         "parameters": {"W": (np.arange(n * n).reshape(n, n) / 100).tolist()},
         "initial_state": {"h": [0] * n}, "inputs": np.eye(n)[:3].tolist()}
    )  # fmt: skip
    derivation = derive(wide)
    assert r"\ddots" in derivation.line("W").result
    assert r"\vdots" in derivation.line("h[1]").result
    assert all("too large for the page" in part.note for part in derivation.parts)


def test_forward_mode_by_a_matrix_is_by_its_vec():
    cell = cells.cell("vanilla")
    derivation = derive(cell, forward_parameters=["W"])
    assert derivation.line("da_dW").lhs == r"\frac{da_{t}}{d\operatorname{vec}(W)}"
    assert r"I_{2} \otimes h_{t-1}^{\top}" in derivation.line("da_dW").equation
    value = derivation.line("dL_dW.forwards").value
    reverse = cell.reverse(cell.forward())["W"]
    np.testing.assert_allclose(value, reverse.ravel(), rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "digits", "printed"),
    [(Fraction(3), 4, "3"), (Fraction(-1, 2), 4, r"-\tfrac{1}{2}"), (Fraction(3, 10), 4, "0.3"),
     (Fraction(1, 3), 4, r"\tfrac{1}{3}"), (Fraction(1, 1000), 4, "0.001"),
     (Fraction(12345, 9973), 4, "1.2378"), (0.5, 4, "0.5000"), (-0.00001, 4, "0.0000"), (0.0, 4, "0"),
     (-1.23456, 2, "-1.23")],
)  # fmt: skip
def test_numbers(value, digits, printed):
    assert number_latex(value, digits) == printed


def test_matrices():
    assert matrix_latex(np.array([1.0, -2.5]), 1) == r"\begin{bmatrix} 1.0 \\ -2.5 \end{bmatrix}"
    assert (
        matrix_latex(np.array([2e-7, 0.0]), 2) == r"10^{-7} \begin{bmatrix} 2.00 \\ 0 \end{bmatrix}"
    )
    assert matrix_latex(np.float64(3e-9), 2) == r"3.00 \cdot 10^{-9}"
    assert "smallmatrix" in matrix_latex(np.ones((2, 8)) / 3)


@pytest.mark.parametrize(
    ("name", "t", "latex"),
    [("h", "t", "h_{t}"), ("W_f", None, "W_{f}"), ("c_f", "t", "c_{f,t}"), ("h1", "t", "h^{(1)}_{t}"),
     ("alpha", None, r"\alpha"), ("leak", None, r"\mathrm{leak}"), ("y_hat", "t", r"\hat{y}_{t}"),
     ("target", "t", r"\tau_{t}"), ("loss", "t", r"\ell_{t}")],
)  # fmt: skip
def test_symbols(name, t, latex):
    assert symbol(name, t) == latex


def test_the_two_readings_are_told_apart():
    cell = cells.cell("vanilla")
    both = readings(cell, cell.forward(), "b")
    derivation = derive(cell)
    np.testing.assert_array_equal(both["forward"][1], derivation.line("dl_db[1]").value)
    np.testing.assert_array_equal(both["reverse"][1], derivation.line("dL_da[1]").value)
    assert not np.allclose(both["forward"], both["reverse"], atol=1e-3)
