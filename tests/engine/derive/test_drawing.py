"""The network drawn from a cell: every name is there, at its place."""

import itertools

import numpy as np
import pytest
from matplotlib.patches import Ellipse, FancyArrowPatch

from tests.engine.derive import cells
from workings import figures
from workings.derive.drawing import parts_of, unrolled
from workings.derive.expression import names_in
from workings.derive.grammar import parse_formula
from workings.derive.recurrence import Recurrence
from workings.derive.typesetting import symbol


def texts(figure) -> list[str]:
    return [text.get_text().strip("$") for text in figure.axes[0].texts]


@pytest.mark.parametrize("name", [*cells.NAMES, *cells.MORE])
def test_every_name_is_drawn_in_the_page_and_none_on_another(name):
    cell = cells.cell(name)
    figure = unrolled(cell)
    written = texts(figure)
    last = cell.steps - 1
    for each in [*cell.lines, *cell.sequences]:
        assert written.count(symbol(each, "0")) == written.count(symbol(each, str(last))) == 1
    for state in cell.initial_state:
        assert symbol(state, "-1") in written
    known = {part for text in written for part in text.split(", ")}
    assert {symbol(p) for p in [*cell.parameters, *cell.constants]} <= known
    nodes = [patch for patch in figure.axes[0].patches if isinstance(patch, Ellipse)]
    for one, other in itertools.combinations(nodes, 2):
        apart = np.abs(np.subtract(one.center, other.center))
        assert apart[0] >= (one.width + other.width) / 2 or apart[1] > one.height
    for node in nodes:
        assert node.width / 2 <= node.center[0] <= figures.WIDTHS["wide"] - node.width / 2
    drawn = [text for text in written if text.startswith("t = ")]
    assert (r"\cdots" in written) == (len(drawn) < cell.steps)


def test_there_is_an_arrow_for_each_use_of_a_name_at_each_step():
    cell = cells.cell("elman")
    arrows = [p for p in unrolled(cell).axes[0].patches if isinstance(p, FancyArrowPatch)]
    uses = [
        leaf for f in cell.lines.values() for leaf in names_in(f) if leaf not in cell.parameters
    ]
    assert len(arrows) == cell.steps * len(uses)


@pytest.mark.parametrize(
    ("formula", "factors", "others"),
    [("b + W @ h_prev + U @ x", {"h_prev": ["W"], "x": ["U"]}, ["b"]),
     ("tanh(W @ (r * h_prev))", {"r": [], "h_prev": []}, ["W"]),
     ("(1 - b) * h_prev + b * tanh(x)", {"h_prev": ["b"], "x": ["b"]}, []),
     ("softmax(U @ x / sqrt(2))", {"x": ["U"]}, []),
     ("dot(b, h_prev)", {"h_prev": ["b"]}, [])],
)  # fmt: skip
def test_a_parameter_stands_beside_the_one_name_that_it_multiplies(formula, factors, others):
    names = ["b", "W", "U", "h_prev", "x", "r"]
    assert parts_of(parse_formula(formula, names), {"b", "W", "U"}) == (factors, others)


def test_a_function_has_one_column_without_steps():
    block = {"cell": "r = X @ w - y", "loss": "dot(r, r)", "parameters": {"w": [1, 2]},
             "constants": {"X": [[1, 2]], "y": [1]}}  # fmt: skip
    assert sorted(texts(unrolled(Recurrence.from_config(block)))) == ["L", "X, w, y", "r"]
