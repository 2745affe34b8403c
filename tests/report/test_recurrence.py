"""The recurrence job: what the original printed as its results, and cells of every kind."""

from __future__ import annotations

import os
import re
import subprocess
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from analysis import recurrence
from tests.report import studies
from workings import config as settings
from workings import measurements
from workings.derive.derivation import derive
from workings.derive.recurrence import Recurrence
from workings.derive.typesetting import WIDE_WIDTH
from workings.messages import InputError
from workings.page.typeset import STYLE

ROOT = Path(__file__).parents[2]
ORIGINAL = yaml.safe_load((ROOT / "config/original.yaml").read_text(encoding="utf-8"))["rnn"]
BLOCK = settings.read_yaml(ROOT / "config/default.yaml")["recurrence"]


SHIPPED = sorted(map(str, (ROOT / "config/cells").glob("*.yaml")))


def run(folder: Path, block: dict) -> tuple[dict, dict]:
    """What the job writes: measurements and derivation."""
    outputs = SimpleNamespace(
        measurements=folder / "m.json", derivation=folder / "d.json", figure=folder / "f.pdf"
    )
    recurrence.main({"recurrence": block}, SimpleNamespace(cells=SHIPPED), outputs)
    return measurements.read(outputs.measurements), measurements.read(outputs.derivation)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[dict, dict]:
    return run(tmp_path_factory.mktemp("recurrence"), BLOCK)


def test_the_loss_and_the_update_of_the_original(recorded):
    values, update = recorded[0], recorded[0]["update"]
    assert repr(values["loss"]) == ORIGINAL["forward"]["loss"] == "9.434827012614068"
    assert repr(update["uphill"]["loss"]) == ORIGINAL["update"]["new_loss"] == "9.437563229688841"
    assert update["downhill"]["loss"] < values["loss"] < update["uphill"]["loss"]


def test_a_shipped_cell_keeps_its_meaning_where_none_is_given(recorded, tmp_path):
    block = {key: value for key, value in BLOCK.items() if key != "meaning"}
    block["cell"] = "# the same\n" + block["cell"].replace(" @ ", "@")
    assert run(tmp_path, block)[1]["names"] == recorded[1]["names"]
    block["cell"] = block["cell"].replace("tanh", "sin")
    assert run(tmp_path, block)[1]["names"] != recorded[1]["names"]


def test_a_changed_weight_is_noticed():
    block = deepcopy(BLOCK)
    block["parameters"]["W"][0][0] = "1.0000001"
    assert repr(float(Recurrence.from_config(block).forward().loss)) != ORIGINAL["forward"]["loss"]


def test_the_readings_by_steps_are_the_original_ones_forwards(recorded):
    for t in range(3):
        assert recorded[0]["lines"][f"dl_db[{t}]"] == pytest.approx(
            [float(n) for n in ORIGINAL["backpropagation"][t]["dl_db"]], abs=5e-9
        )


def printed(derivation: dict) -> list[dict]:
    """Every line that the sections print."""
    groups = ("given", "recurrences", "worked", "sums", "update", "parts")
    parts = [part for group in groups for part in derivation[group]]
    return [line for part in parts for line in (*part["lines"], *part["sums"])]


def test_every_number_is_recorded_under_its_printed_key(recorded):
    values, derivation = recorded
    rows = [row for table in derivation["tables"] for row in table["rows"]]
    cells = [cell for row in rows for cell in row["cells"] if cell]
    keys = {one["key"] for one in [*cells, *printed(derivation)]} - {None}
    assert len(keys) > 60 and keys <= set(values["lines"])
    assert len(values["lines"]) == values["lines_with_numbers"]


def test_the_sections_print_every_line(recorded):
    values, derivation = recorded
    filled = [
        studies.fill(name, None, {"recurrence": derivation}, recurrence=values)
        for name in ("recurrence", "recurrence_lines")
    ]
    names = [line["name"] for line in printed(derivation) if "rows" in line]
    for name in names:
        anchors = sum(text.count(f"\\linename{{recurrence.{name}}}") for text in filled)
        assert anchors == (name not in BLOCK["parameters"]), name  # which stand in a sentence
    assert filled[0].count("longmeasuredtable}{recurrence_") == 3
    no_lines = {**derivation, "parts": []}
    without = [
        studies.fill(name, None, {"recurrence": no_lines}, recurrence=values)
        for name in ("recurrence", "recurrence_lines")
    ]
    assert without[1].strip() == "" and "sec:recurrence_lines" not in without[0]


def test_a_cell_without_update_and_forward_mode_is_derived_too(tmp_path):
    block = {
        "cell": "h = tanh(k * h_prev + x)", "loss": "h**2", "parameters": {"k": "1/2"},
        "initial_state": {"h": 0}, "inputs": [1, 2],
    }  # fmt: skip
    values, derivation = run(tmp_path, block)
    h1 = np.tanh(1.0)
    h2 = np.tanh(0.5 * h1 + 2)
    assert values["loss"] == pytest.approx(h1**2 + h2**2, rel=1e-15)
    assert values["gradients"]["k"] == pytest.approx(2 * h2 * (1 - h2**2) * h1, rel=1e-13)
    text = studies.fill("recurrence", None, {"recurrence": derivation}, recurrence=values)
    assert "Which way" not in text and "read forwards" not in text


@pytest.mark.parametrize("state", [{"h": 1}, {}])
def test_one_step_with_and_without_a_state_is_derived_and_proved(tmp_path, state):
    block = {
        "cell": f"h = tanh(k * {'h_prev' if state else 1} + x)", "loss": "(h - target)**2",
        "parameters": {"k": "1/2"}, "initial_state": state, "inputs": [1], "targets": [2],
    }  # fmt: skip
    values, _ = run(tmp_path, block)
    h = np.tanh(1.5)
    assert values["gradients"]["k"] == pytest.approx(2 * (h - 2) * (1 - h**2), rel=1e-13)
    assert values["proofs"]["proved"] == values["proofs"]["statements"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"update": {"parameter": "B", "rate": 0.01}}, "B.*there are b, W, U, V, c"),
        ({"meaning": {"hidden": "a slip"}}, "hidden"),
        ({"parameters": {**BLOCK["parameters"], "W": [[1, -1, 0], [0, 2, 0]]}}, "W"),
        ({"parameters": {**BLOCK["parameters"], "b": [-1, 1, 0]}}, "b"),
        ({"initial_state": {"h": [0, 0, 0]}}, "h_prev"),
        ({"loss": "__import__('os').system('true')"}, "loss"),
        ({"cell": BLOCK["cell"].replace("tanh(a)", "tanh(aa)")}, "aa"),
        ({"forward_mode": ["q"]}, "q"),
        ({"update": {"parameter": "c", "rate": 1e299}}, "update: a .*; a smaller rate is right"),
        ({"parameters": {**BLOCK["parameters"], "W": [[1, "x"], [0, 2]]}}, "W"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, said):
    with pytest.raises(InputError, match=rf"\b{said}\b") as caught:
        run(tmp_path, {**BLOCK, **change})
    assert caught.value.key.startswith("recurrence")
    assert list(tmp_path.iterdir()) == []


def test_the_rules_are_proved(recorded):
    proofs = recorded[0]["proofs"]
    assert proofs["rules"] > 100 and proofs["cell"] > 10
    assert proofs["proved"] == proofs["statements"] == proofs["rules"] + proofs["cell"]


def test_the_example_of_the_documents_is_derived(root):
    page = (root / "docs/cells.md").read_text(encoding="utf-8")
    block = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["recurrence"]
    assert float(Recurrence.from_config(block).forward().loss) == pytest.approx(9.4348270126)


# -- the width of what is printed ------------------------------------------------------------------

AWKWARD = {
    "long names and large numbers": {
        "cell": "h = 9/10 * h_prev + 1/10 * tanh(bias_of_all + W_hidden @ h_prev + U_input @ x)\n"
        "y = Psi_long_name_here @ h",
        "loss": "sum((y - x)**2)",
        "parameters": {
            "bias_of_all": [0, 0.25, -3, 98765.4321],
            "W_hidden": [[0.123456789, -1, 0, 7], [0, 2, 1, 1], [1, 1, -1, 0], [1e7, 0, 0, 1e-9]],
            "U_input": [[-1, 0], [1, -2], [100, 0.001], [12345.678, 1]],
            "Psi_long_name_here": [[-2, 1, 3, 98765.4321], [-1, 0, 0, 1]],
        },
        "initial_state": {"h": [0, 0, 1, 1]},
        "inputs": [[1, 0], [0.5, 0.25], [0, 1], [2, 2], [1, 1]],
        "forward_mode": ["W_hidden", "bias_of_all"],
        "update": {"parameter": "W_hidden", "rate": 0.001234},
    },
    "a long sum over a fraction": {
        "cell": "g = sigmoid(W @ h_prev + U @ x + b)\n"
        "h = g * h_prev + (1 - g) * sin(W @ h_prev) - exp(-(U @ x)**2)/3",
        "loss": "dot(h, h) - 3*sum(h)/7",
        "parameters": {
            "W": [[1, -0.25], [0.5, 2]],
            "U": [["1/3", -1, 0.24405203, 1e-5, 0], [1e-9, 1, 2, -2.982, -0.388]],
            "b": [0.1, -0.2],
        },
        "initial_state": {"h": [0.5, -0.5]},
        "inputs": [[1, 0, 2, 1, "1/7"], [-0.5, 2.915, -0.868, "2/7", -2.034]],
        "forward_mode": ["U"],
    },
}


def too_wide(folder: Path, parts: list[tuple[str, list[list[str]]]]) -> list[str]:
    """What TeX finds too wide of the lines of parts, each with its environment."""
    shown = []
    for environment, rows in parts:
        lines = " \\\\\n".join(" \\\\\n".join(line) for line in rows)
        text = f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"
        begin, end = (f"\\{word}{{{environment}}}" * bool(environment) for word in ("begin", "end"))
        shown.append(f"{begin}\n{text}\n{end}")
    return overfull(folder, "\n".join(shown))


def overfull(folder: Path, text: str) -> list[str]:
    """The widths, in points, of what TeX finds too wide by more than one."""
    (folder / "wide.tex").write_text(
        "\\documentclass[fontsize=10.5pt]{scrartcl}\n\\usepackage{workings,workings-house}\n"
        f"\\begin{{document}}\n{text}\n\\end{{document}}\n"
    )
    ran = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "wide.tex"],
        cwd=folder, env=os.environ | {"TEXINPUTS": f"{STYLE}:"}, capture_output=True,
        text=True, errors="replace",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:]
    found = re.findall(r"Overfull .hbox \(([\d.]+)pt", ran.stdout)
    return [width for width in found if float(width) > 1]


@pytest.mark.parametrize("name", AWKWARD)
def test_every_row_fits_the_text_column(tmp_path, name):
    cell = Recurrence.from_config(AWKWARD[name])
    derivation = derive(cell, digits=recurrence.DIGITS, width=WIDE_WIDTH)
    assert (
        too_wide(tmp_path, [("", part.rows()) for part in derivation.groups["recurrences"]]) == []
    )
    groups = ("worked", "sums", "update", "parts")
    wide = [part for group in groups for part in derivation.groups[group]]
    assert too_wide(tmp_path, [("widelines", part.rows()) for part in wide]) == []
    unbroken = [("widelines", [line.rows(left=-1000) for line in part.lines]) for part in wide]
    assert len(too_wide(tmp_path, unbroken)) > 3  # the check can fail


@pytest.mark.parametrize("name", AWKWARD)
def test_every_table_fits_the_page(tmp_path, name):
    block = {**AWKWARD[name], "inputs": AWKWARD[name]["inputs"] * 3}
    values, derivation = run(tmp_path, block)
    text = studies.fill("recurrence", None, {"recurrence": derivation}, recurrence=values)
    tables = re.findall(
        r"\\begin\{longmeasuredtable\}.*?\\end\{longmeasuredtable\}", text, re.DOTALL
    )
    assert len(tables) == 2 + len(block["forward_mode"])
    assert overfull(tmp_path, "\n\n".join(tables)) == []
    wider = re.sub(r"(?<=\d)\.(\d+)", r".\1\1\1\1", "\n\n".join(tables))
    assert overfull(tmp_path, wider) != []  # the check can fail
