"""The original's printed numbers are held against recomputed ones, and a planted slip is found."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis import originals
from analysis.recurrence import measure as measure_recurrence
from tests.report import studies
from workings import config as settings
from workings import measurements
from workings.derive.derivation import derive
from workings.derive.recurrence import Recurrence
from workings.messages import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def original() -> dict:
    return settings.read_yaml(ROOT / "config/original.yaml")["rnn"]


@pytest.fixture(scope="module")
def config() -> dict:
    return settings.read_yaml(ROOT / "config/default.yaml")


@pytest.fixture(scope="module")
def recomputed(config, original) -> tuple[dict, originals.Exact]:
    cell = Recurrence.from_config(config["recurrence"])
    run = cell.forward()
    gradients = cell.reverse(run)
    values = measure_recurrence(cell, run, gradients, derive(cell, run))
    plain = json.loads(json.dumps(values, default=lambda a: np.asarray(a).tolist()))
    return plain, originals.exactly(original, config["recurrence"])


@pytest.fixture(scope="module")
def values(original, recomputed) -> dict:
    return originals.measure(original, *recomputed)


def test_the_clean_numbers_agree_and_the_damaged_ones_are_named(values):
    expected = {
        "compared": 94,
        "agree": 88,
        "rounding": 2,
        "damaged": 3,
        "misprints": 1,
        "wrong": 0,
        "lost": 3,
    }
    assert expected.items() <= values["counts"].items()
    slips = {(n["symbol"], n["printed"], n["should"]) for n in values["departures"] if n["slip"]}
    assert (r"d\ell_{1}/da_{1}", "0.07065082", "-0.00417528") in slips
    assert (r"dh_{0}/db", "0.7065082", "0.07065082") in slips
    assert (r"dy_{2}/do_{2}", None, "0.05639011") in slips
    # In many digits L(b_2 + ε) is …07849: the original's …078 is right, and a double's …079 is not.
    sides = {n["symbol"]: n for n in values["numbers"] if n["symbol"].startswith("L(b")}
    assert {n["verdict"] for n in sides.values()} == {"agrees"} and len(sides) == 4
    rounding = {
        n["symbol"]: n["should"] for n in values["departures"] if n["verdict"] == "rounding"
    }
    assert rounding[r"\Delta L/\Delta b_2"] == "0.5173342543302058"
    assert values["update"]["change"] > 0 and values["results_agree"] is True
    assert {m["symbol"] for m in values["damaged_matrices"]} >= {
        r"dy_{1}/do_{1}", r"dy_{2}/do_{2}", r"da_{1}/db", r"dh_{0}/db",
    }  # fmt: skip


def test_every_number_of_the_file_is_compared(original, values):
    def texts(node) -> list[str]:
        if isinstance(node, dict):
            return [t for key, inner in node.items() if key not in CHOSEN for t in texts(inner)]
        if isinstance(node, list):
            return [t for inner in node for t in texts(inner)]
        return [node] if isinstance(node, str) else []

    problem = ("parameters", "inputs", "initial_state", "cell", "loss_per_step")
    CHOSEN = {"epsilon", "parameter", "rate", *problem}
    assert sorted(texts(original)) == sorted(
        n["printed"] for n in values["numbers"] if n["printed"]
    )


@pytest.mark.parametrize(
    ("planted", "verdict", "slip"),
    [
        ("-9.434827012614068", "misprint", "sign"),
        ("9.434827012614", "agrees", ""),
        ("9.434827013614068", "wrong", ""),
    ],
)
def test_a_planted_slip_is_found(original, recomputed, planted, verdict, slip):
    changed = copy.deepcopy(original)
    changed["forward"]["loss"] = planted
    numbers = originals.measure(changed, *recomputed)["numbers"]
    loss = next(n for n in numbers if n["symbol"] == "L")
    assert (loss["verdict"], loss["slip"]) == (verdict, slip)


def test_a_planted_downhill_update_is_seen(original, recomputed):
    changed = copy.deepcopy(original)
    changed["update"]["new_loss"] = "9.432067491382448"
    values = originals.measure(changed, *recomputed)
    assert values["update"]["change"] < 0 and values["counts"]["wrong"] == 1


def test_what_is_no_printed_number_is_refused(original, recomputed):
    changed = copy.deepcopy(original)
    changed["forward"]["loss"] = 9.43
    with pytest.raises(InputError, match=r"config/original.yaml: L: 9.43 is not a printed number"):
        originals.measure(changed, *recomputed)


def test_the_default_settings_are_the_originals_and_others_are_named(original, config):
    assert originals.differences(original, config) == []
    changed = copy.deepcopy(config)
    changed["recurrence"]["parameters"]["c"] = ["0.5", -0.5]  # 1/2 written otherwise
    assert originals.differences(original, changed) == []
    changed["recurrence"]["update"]["rate"] = 0.02
    changed["recurrence"]["cell"] += "# a comment\n"
    assert originals.differences(original, changed) == ["recurrence.update"]


@pytest.mark.parametrize("cell", ["lstm", "gru", "leaky_esn", "two_layer"])
def test_another_cell_leaves_nothing_to_compare_and_says_so(tmp_path, config, cell):
    other = config | settings.read_yaml(ROOT / f"config/cells/{cell}.yaml")
    inputs = SimpleNamespace(original=ROOT / "config/original.yaml")
    outputs = SimpleNamespace(measurements=tmp_path / "originals.json")
    originals.main(other, inputs, outputs)
    values = measurements.read(outputs.measurements)
    assert list(values) == ["settings_that_differ", "parts"] and values["settings_that_differ"]
    text = studies.fill("originals", originals=values)
    assert "differ. So there is nothing here to compare" in text and "table" not in text


def test_the_section_prints_every_departure(values, recomputed):
    measured = {"settings_that_differ": [], **values}
    text = studies.fill("originals", originals=measured, recurrence=recomputed[0])
    for number in values["departures"]:
        assert (number["printed"] or "").lstrip("-") in text
        assert (number["should"] or "").lstrip("-") in text
    assert text.count(r"\claim{") == text.count("}{holds}{") == 2
