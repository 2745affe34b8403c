"""The derivation that prints itself: what its lines say, and that what they say is true."""

import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.engine.derive import cells
from workings.derive.cell import RecurrenceError
from workings.derive.derivation import Derivation, derive, readings
from workings.derive.recurrence import Recurrence
from workings.derive.typesetting import number_latex, symbol, typeset

ALLOWED = {
    *["frac", "tfrac", "partial", "ell", "sum", "left", "right", "operatorname", "mathrm", "mathbf", "top", "odot", "oslash", "otimes", "cdot", "times"],
    *["begin", "end", "quad", "tanh", "exp", "log", "sin", "cos", "sqrt", "sigma", "downarrow", "uparrow", "cdots", "vdots", "ddots"],
    *["Bigl", "Bigr", "hat", "tilde", "bar", "vec"],
}  # fmt: skip


@pytest.fixture(scope="module")
def derivations() -> dict[str, Derivation]:
    return {name: derive(cells.cell(name), digits=8) for name in cells.NAMES}


@pytest.fixture(scope="module")
def elman(derivations) -> dict:
    return by_name(derivations["elman"])


def by_name(derivation: Derivation) -> dict:
    """The lines that are printed, and those with numbers that a table has."""
    printed = [line for part in derivation for line in (*part.lines, *part.sums)]
    return {line.name: line for line in [*derivation.lines, *printed]}


def equation(line) -> str:
    return line.pieces[0].text


def result(line) -> str:
    return line.pieces[-1].text


def printed(latex: str) -> np.ndarray:
    """The numbers of a printed scalar, column or matrix."""
    latex = re.sub(r"(-?)\\tfrac\{(\d+)\}\{(\d+)\}", r"\1\2/\3", latex)
    scale = re.search(r"10\^\{(-?\d+)\}", latex)
    body = re.search(r"\\begin\{(?:b|small)matrix\}(.*?)\\end", latex)
    text = body[1] if body else latex.partition(r"\cdot")[0]
    rows = re.split(r"\\\\(?:\[\w+\])?", text)
    rows = [[float(Fraction(cell.strip())) for cell in row.split("&")] for row in rows]
    return np.array(rows) * (10.0 ** int(scale[1]) if scale else 1.0)


@pytest.mark.parametrize("name", cells.NAMES)
def test_every_printed_equation_gives_the_printed_result(derivations, name):
    derivation = derivations[name]
    assert sum(line.recomputed is not None for line in derivation.lines) > 50
    assert derivation.largest_residual() < 1e-14
    for line in derivation.lines:
        if result(line) != "0" and line.value.size <= 12:
            shown = printed(result(line))
            expected = np.asarray(line.value, dtype=float).reshape(shown.shape)
            np.testing.assert_allclose(
                shown, expected, atol=5.1e-4 * max(1, np.abs(expected).max())
            )


def test_a_wrong_result_would_be_noticed(derivations):
    lines = [
        replace(line, value=line.value * 1.001) if line.name == "dL_dh[1]" else line
        for line in derivations["elman"].lines
    ]
    assert Derivation({}, (), lines, ()).largest_residual() > 1e-5


@pytest.mark.parametrize("name", cells.NAMES)
def test_what_a_section_prints_has_a_unique_name_and_the_latex_that_every_renderer_knows(
    derivations, name
):
    derivation = derivations[name]
    printed = derivation.printed()
    parts = [part for group in derivation.groups for part in printed[group]]
    lines = [line for part in parts for line in part["lines"]]
    cells = [cell for table in printed["tables"] for row in table["rows"] for cell in row["cells"]]
    texts = ["".join(line["rows"]) for line in lines] + [cell["tex"] for cell in cells if cell]
    keys = {cell["key"] for cell in cells if cell} | {line["key"] for line in lines}
    assert len({line["name"] for line in lines}) == len(lines)
    assert keys - {None} <= set(derivation.values)
    assert not any("." in key for key in derivation.values)
    for line in lines:
        for row in line["rows"]:
            assert row.count("&=") + row.startswith("&") >= 1
            assert row.count(r"\left") == row.count(r"\right")  # they must meet in one row
    for text in texts:
        assert set(re.findall(r"\\([A-Za-z]+)", text)) <= ALLOWED
        assert set(re.findall(r"\\begin\{(\w+)\}", text)) <= {"bmatrix", "smallmatrix"}
        assert not re.search(r"nan|\binf|None|np\.|Fraction", text)
        assert text.count("{") == text.count("}")
        assert text.count(r"\Bigl") == text.count(r"\Bigr")


@pytest.mark.parametrize("name", cells.NAMES)
def test_each_value_is_printed_in_one_line_and_stands_in_a_table(derivations, name):
    derivation = derivations[name]
    groups = derivation.groups

    def values(*names: str) -> list[tuple]:
        lines = [line for name in names for part in groups[name] for line in part.lines]
        found = [np.asarray(line.value, float) for line in lines if line.value is not None]
        return [(value.size, value.tobytes()) for value in found if value.any()]

    in_full = values("parts")
    assert len({*in_full}) == len(in_full) > 20
    assert {*in_full}.isdisjoint(values("worked", "sums", "update"))
    assert "Not repeated" in "".join(part.note for part in derivation)
    cell = cells.cell(name)
    forward, reverse, *_ = derivation.tables
    assert forward.steps == reverse.steps == (-1, *range(cell.steps))
    shown = dict(forward.rows)
    assert [*shown][: len(cell.sequences)] == [symbol(name, "t") for name in cell.sequences]
    for state in cell.initial_state:
        assert all(shown[symbol(state, "t")])  # with the initial state
    assert shown[symbol("loss", "t")][0] is None
    assert all(cells[-1] for _, cells in reverse.rows)


def test_the_worked_step_is_the_one_that_is_named():
    cell = cells.cell("elman")
    for worked, expected in ((None, 2), (0, 0), (1, 1)):
        groups = derive(replace(cell, worked_step=worked)).groups
        names = {line.name for part in groups["worked"] for line in part.lines}
        assert {f"h[{expected}]", f"dL_dh[{expected}]", f"dh_db[{expected}]"} <= names
        rest = {line.name for part in groups["parts"] for line in part.lines}
        assert rest and names.isdisjoint(rest)
    assert derive(replace(cell, full_lines=False)).groups["parts"] == []
    block = cells.block("elman")
    for wrong in (3, -1, "1", True):
        with pytest.raises(RecurrenceError, match="worked_step: expected a step from 0 to 2"):
            Recurrence.from_config({**block, "worked_step": wrong})


def test_equations_read_as_in_a_textbook(elman):
    tanh_slope = r"\operatorname{diag}\left(1 - h_{t}^{2}\right)"
    loss_slope = r"\begin{bmatrix} 2 \, y_{1,t} - 1 \\ -\frac{1}{y_{2,t}} \end{bmatrix}"
    softmax_slope = r"\left(\operatorname{diag}\left(y_{t}\right) - y_{t}\,y_{t}^{\top}\right)"
    expected = {
        "a": ("a_{t}", r"b + W \, h_{t-1} + U \, x_{t}"),
        "h": ("h_{t}", r"\tanh\left(a_{t}\right)"),
        "y": ("y_{t}", r"\operatorname{softmax}\left(o_{t}\right)"),
        "loss": (r"\ell_{t}", r"\left(y_{1,t} - \tfrac{1}{2}\right)^{2} - \log\left(y_{2,t}\right)"),
        "dL_dy": (r"\frac{dL}{dy_{t}}", loss_slope),
        "dL_do": (r"\frac{dL}{do_{t}}", softmax_slope + r" \, \frac{dL}{dy_{t}}"),
        "dL_dh": (r"\frac{dL}{dh_{t}}", r"V^{\top} \, \frac{dL}{do_{t}} + W^{\top} \, \frac{dL}{da_{t+1}}"),
        "dL_da": (r"\frac{dL}{da_{t}}", tanh_slope + r" \, \frac{dL}{dh_{t}}"),
        "sum.dL_db": (r"\frac{dL}{db}", r"\sum_{t=0}^{2} \frac{dL}{da_{t}}"),
        "sum.dL_dW": (r"\frac{dL}{dW}", r"\sum_{t=0}^{2} \frac{dL}{da_{t}} \, h_{t-1}^{\top}"),
        "da_db": (r"\frac{da_{t}}{db}", r"I_{2} + W \, \frac{dh_{t-1}}{db}"),
        "dh_db": (r"\frac{dh_{t}}{db}", tanh_slope + r" \, \frac{da_{t}}{db}"),
        "dl_db": (r"\frac{d\ell_{t}}{db}", r"\left(\frac{dy_{t}}{db}\right)^{\top} \, " + loss_slope),
        "jacobian.dh_da": (r"\frac{\partial^{+} h_{t}}{\partial a_{t}}", tanh_slope),
        "dl_da[1]": (r"\frac{\partial \ell_{1}}{\partial a_{1}}", tanh_slope.replace("t}", "1}") + r" \, \frac{\partial \ell_{1}}{\partial h_{1}}"),
    }  # fmt: skip
    assert {name: (elman[name].lhs, equation(elman[name])) for name in expected} == expected


def test_steps_carry_their_numbers(elman):
    line = elman["dL_dh[1]"]
    assert line.lhs == r"\frac{dL}{dh_{1}}"
    assert equation(line).endswith(r"W^{\top} \, \frac{dL}{da_{2}}")
    assert r"\begin{bmatrix} -2 & 1 \\ -1 & 0 \end{bmatrix}^{\top}" in line.pieces[1].text
    # at the last step nothing comes back from the next
    assert "W" not in equation(elman["dL_dh[2]"])
    assert equation(elman["a[0]"]) == r"b + W \, h_{-1} + U \, x_{0}"
    assert elman["dL_dh_prev[0]"].lhs == r"\frac{dL}{dh_{-1}}"
    assert elman["b_down"].lhs == r"b^{\downarrow}"


def test_a_negative_term_of_a_sum_has_one_sign(derivations):
    line = by_name(derivations["leaky"])["dL_dc"]
    assert "-" in line.pieces[0].text and "+ -" not in line.pieces[0].text


def test_long_lines_are_broken_and_short_ones_are_not(derivations):
    lines = by_name(derivations["lstm"])
    assert len(lines["dL_dh[1]"].rows(left=8)) > len(lines["y[1]"].rows(left=8)) >= 1
    assert len(lines["dL_dh[1]"].rows(left=-1000)) == 1


@pytest.mark.parametrize("name", cells.NAMES)
def test_every_name_is_explained(derivations, name):
    cell, names = cells.cell(name), dict(derivations[name].names)
    assert all(names[symbol(own)] for own in [*cell.parameters, *cell.constants])
    assert all(names[symbol(own, "t")] for own in cell.lines)
    for own, words in cell.meaning.items():
        assert names[symbol(own, "t")].startswith(words)


def test_long_sequences_and_wide_matrices_are_elided_and_say_so(derivations):
    derivation = derive(cells.stretched("lstm", 30))
    lines = by_name(derivation)
    assert {"h[0]", "h[1]", "h[28]", "h[29]"} <= set(lines)
    assert lines.keys().isdisjoint({"h[2]", "h[27]"})
    notes = [part.note for part in derivation.groups["parts"]]
    assert notes and all("Steps 2 to 27 are left out" in note for note in notes)
    assert all(table.steps[2:4] == (1, None) for table in derivation.tables[:2])
    assert all("are left out" in table.caption for table in derivation.tables)
    assert r"\cdots" in lines["dL_db_i"].pieces[0].text
    assert derivation.largest_residual() < 1e-13
    assert not any("left out" in part.note for part in derivations["lstm"])

    n = 9
    wide = Recurrence.from_config(
        {"cell": "h = tanh(W @ h_prev + x)", "loss": "dot(h, h)",
         "parameters": {"W": (np.arange(n * n).reshape(n, n) / 100).tolist()},
         "initial_state": {"h": [0] * n}, "inputs": np.eye(n)[:3].tolist()}
    )  # fmt: skip
    derivation = derive(wide)
    assert r"\ddots" in result(by_name(derivation)["W"])
    assert r"\vdots" in result(by_name(derivation)["h[1]"])
    assert all("too large for the page" in part.note for part in derivation.groups["worked"])
    assert all("too large for the page" in table.caption for table in derivation.tables)


def test_forward_mode_by_a_matrix_is_by_its_vec():
    cell = replace(cells.cell("elman"), forward_parameters=("W",))
    lines = by_name(derive(cell))
    assert lines["da_dW"].lhs == r"\frac{da_{t}}{d\operatorname{vec}(W)}"
    assert r"I_{2} \otimes h_{t-1}^{\top}" in equation(lines["da_dW"])
    reverse = cell.reverse(cell.forward())["W"]
    forwards = sum(lines[f"dl_dW[{t}]"].value for t in range(cell.steps))
    np.testing.assert_allclose(forwards, reverse.ravel(), rtol=1e-12)


@pytest.mark.parametrize(
    ("value", "digits", "latex"),
    [(Fraction(3), 4, "3"), (Fraction(-1, 2), 4, r"-\tfrac{1}{2}"), (Fraction(3, 10), 4, "0.3"),
     (Fraction(1, 3), 4, r"\tfrac{1}{3}"), (Fraction(1, 1000), 4, "0.001"),
     (Fraction(12345, 9973), 4, "1.2378"), (0.5, 4, "0.5000"), (-0.00001, 4, "0.0000"), (0.0, 4, "0"),
     (-1.23456, 2, "-1.23")],
)  # fmt: skip
def test_numbers(value, digits, latex):
    assert number_latex(value, digits) == latex


@pytest.mark.parametrize(
    ("values", "digits", "latex"),
    [([1.0, -2.5], 1, r"\begin{bmatrix} 1.0 \\ -2.5 \end{bmatrix}"),
     ([Fraction(1, 2), Fraction(3)], 1, r"\begin{bmatrix} \tfrac{1}{2} \\[3pt] 3 \end{bmatrix}"),
     ([2e-7, 0.0], 2, r"10^{-7} \begin{bmatrix} 2.00 \\ 0 \end{bmatrix}"),
     (3e-9, 2, r"3.00 \cdot 10^{-9}")],
)  # fmt: skip
def test_matrices(values, digits, latex):
    assert typeset(np.array(values), digits).text == latex
    assert "smallmatrix" in typeset(np.ones((2, 8)) / 3, 4).text


@pytest.mark.parametrize(
    ("name", "t", "latex"),
    [("h", "t", "h_{t}"), ("W_f", None, "W_{f}"), ("c_f", "t", "c_{f,t}"), ("h1", "t", "h^{(1)}_{t}"),
     ("alpha", None, r"\alpha"), ("leak", None, r"\mathrm{leak}"), ("y_hat", "t", r"\hat{y}_{t}"),
     ("target", "t", "y^{*}_{t}"), ("tau", "t", r"\tau_{t}"), ("upsilon", None, r"\upsilon"), ("loss", "t", r"\ell_{t}")],
)  # fmt: skip
def test_symbols(name, t, latex):
    assert symbol(name, t) == latex


def test_the_two_readings_have_one_sum_and_other_rows(elman):
    cell = cells.cell("elman")
    both = readings(cell, cell.forward(), "b")
    np.testing.assert_array_equal(both["forward"][1], elman["dl_db[1]"].value)
    np.testing.assert_array_equal(both["reverse"][1], elman["dL_da[1]"].value)
    for reading in ("forward", "reverse"):
        np.testing.assert_allclose(both[reading].sum(axis=0), both["total"], rtol=1e-13)
    assert not np.allclose(both["forward"], both["reverse"], atol=1e-3)


def test_what_has_one_step_and_no_state_is_a_function():
    cell = Recurrence.from_config(
        {"cell": "r = X @ w + b - y", "loss": "dot(r, r) / 4", "parameters": {"w": [2, "1/2"], "b": 1},
         "constants": {"X": [[1, 2], [3, 4], [5, 6], [7, 8]], "y": [1, 2, 3, 4]}, "forward_mode": ["w"],
         "update": {"parameter": "w", "rate": 0.01}}
    )  # fmt: skip
    derivation = derive(cell)
    lines = by_name(derivation)
    assert (lines["loss"].lhs, equation(lines["loss"])) == ("L", r"\frac{r^{\top} \, r}{4}")
    assert equation(lines["dL_dw"]) == r"X^{\top} \, \frac{dL}{dr}"
    assert equation(lines["dL_dr"]) == r"\tfrac{1}{2} \, r"
    assert lines["dL_dw"].value.tolist() == lines["dl_dw"].value.tolist() == [92, 110]
    assert derivation.largest_residual() == 0
    text = str(derivation.printed())
    assert not re.search(r"_\{t\}|step|ell|_\{0\}|\[0\]|time", text.replace("One step in", ""))
