"""The gradient check passes the derived gradients, and no others."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pypdf
import pytest

from analysis import gradient_check, recurrence
from tests.report import studies
from workings import config as settings
from workings import measurements
from workings.derive.checks import check_gradients
from workings.derive.expression import alone
from workings.derive.proofs import PROVED, REFUTED, TRIED, Proof, prove_cell
from workings.derive.recurrence import Recurrence
from workings.messages import InputError

ROOT = Path(__file__).parents[2]
DEFAULT = settings.read_yaml(ROOT / "config/default.yaml")
CONFIG = {
    "recurrence": DEFAULT["recurrence"],
    "gradient_check": {**DEFAULT["gradient_check"], "points": 12},
}


@pytest.fixture(scope="module")
def gradients() -> dict[str, np.ndarray]:
    cell = Recurrence.from_config(CONFIG["recurrence"])
    derived = cell.reverse(cell.forward())
    return {name: np.array(derived[name], dtype=float) for name in cell.parameters}


def run(folder, gradients, config=CONFIG) -> dict:
    measurements.write(folder / "recurrence.json", {"gradients": gradients})
    outputs = SimpleNamespace(measurements=folder / "m.json", figure=folder / "f.pdf")
    gradient_check.main(config, SimpleNamespace(recurrence=folder / "recurrence.json"), outputs)
    return measurements.read(outputs.measurements)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, gradients) -> tuple[dict, pypdf.PdfReader]:
    folder = tmp_path_factory.mktemp("gradient_check")
    return run(folder, gradients), pypdf.PdfReader(folder / "f.pdf")


def test_the_derived_gradients_pass(recorded):
    values, figure = recorded
    assert values["agreeing"] == values["comparisons"] == 5 * len(values["methods"])
    assert [row["symbol"] for row in values["rows"]] == ["b", "W", "U", "V", "c"]
    assert {row["verdict"] for row in values["rows"]} == {"agrees"}
    for column, method in enumerate(values["methods"]):
        digits = [row["digits"][column] for row in values["rows"]]
        assert method["fewest"] == min(digits) >= method["required"]
    assert float(figure.pages[0].mediabox.width) == pytest.approx(112 / 25.4 * 72, abs=0.1)


def test_by_hand_is_the_quotient_of_a_known_function():
    block = {"cell": "h = k**3", "loss": "h", "parameters": {"k": 2}, "steps": 1}
    table = gradient_check.by_hand(Recurrence.from_config(block), "k", 0.5)
    # ((2 + ε)³ − (2 − ε)³) / 2ε = 12 + ε²
    assert table["gradient"] == pytest.approx(12.25, rel=1e-14)
    assert table["components"][0]["plus"] == pytest.approx(2.5**3)
    assert table["components"][0]["minus"] == pytest.approx(1.5**3)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "config/cells").glob("*.yaml")), ids=lambda f: f.stem
)
def test_every_shipped_cell_is_proved_and_passes_its_checks(file):
    cell = Recurrence.from_config(settings.read_yaml(file)["recurrence"])
    assert {row.verdict for row in check_gradients(cell).rows} == {"agrees"}
    assert {proof.verdict for proof in prove_cell(cell)} == {PROVED}


@pytest.mark.parametrize("parameter", ["b", "W", "U", "V", "c"])
def test_a_planted_error_in_the_seventh_digit_is_caught(tmp_path, gradients, parameter):
    wrong = {name: value.copy() for name, value in gradients.items()}
    wrong[parameter].flat[0] *= 1 + 1e-6
    with pytest.raises(InputError, match="the derived gradients do not pass") as caught:
        run(tmp_path, wrong)
    assert f"dL/d{parameter} against " in str(caught.value)
    assert not any(f"dL/d{p} " in str(caught.value) for p in gradients if p != parameter)
    assert not (tmp_path / "m.json").exists()


def test_a_gradient_cut_off_after_one_step_is_caught(tmp_path, gradients):
    # Truncated backpropagation: what each step's loss says of that step's own b alone.
    cell = Recurrence.from_config(CONFIG["recurrence"])
    immediate = cell.reverse(cell.forward()).immediate[alone("a")].sum(axis=0)
    with pytest.raises(InputError, match="dL/db against"):
        run(tmp_path, {**gradients, "b": immediate})


def test_a_curve_that_ends_before_it_begins_is_refused(tmp_path, gradients):
    block = {**CONFIG["gradient_check"], "smallest_epsilon": 0.1, "largest_epsilon": 0.1}
    with pytest.raises(InputError, match="must be below gradient_check") as caught:
        run(tmp_path, gradients, {**CONFIG, "gradient_check": block})
    assert caught.value.key == "gradient_check.smallest_epsilon"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (PROVED, "Every statement is proved"),
        (REFUTED, r"claim 'recurrence_rules' does not hold.* 47 == 48"),
        (TRIED, "are not proved"),
    ],
)
def test_what_is_not_proved_is_not_called_proved(recorded, monkeypatch, verdict, said):
    checked = recorded[0]
    monkeypatch.setattr(recurrence, "prove_operations", lambda: [Proof("u + v by u", verdict)])
    cell = Recurrence.from_config(CONFIG["recurrence"])
    values = {"proofs": recurrence.proofs(cell)}
    refused = pytest.raises(InputError, match=said) if verdict == REFUTED else nullcontext()
    with refused:
        text = studies.fill("gradient_check", recurrence=values, gradient_check=checked)
        assert said in text
