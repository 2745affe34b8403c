"""What is kept of the full study is what the report prints, in either wording, and what `workings diff` reads."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis import full_set
from tests.report import studies
from workings.commands.diff import compare
from workings.measurements import read

KEPT = Path(__file__).parents[2] / "results/full_set"


@pytest.mark.parametrize("sensitive", [0, 9000])
def test_the_kept_numbers_are_printed_and_decide_the_claim(tmp_path, sensitive):
    for path in (KEPT / "measurements").glob("*.json"):
        found = json.loads(path.read_text())
        if path.stem == "atlas":
            found["peaks"]["upper_right"] = sensitive
        (tmp_path / path.name).write_text(json.dumps(found))
    inputs = SimpleNamespace(commit=KEPT / "commit", kept=sorted(map(str, tmp_path.glob("*.json"))))
    outputs = SimpleNamespace(measurements=tmp_path / "out.json")
    full_set.main({}, inputs, outputs)
    values = read(outputs.measurements)
    assert values["training_images"] == 60_000 and len(values["commit"]) == 12
    text = studies.fill("full_set", full_set=values)
    assert f"{100 * values['test_accuracy']:.2f}" in text
    assert ("not all verdicts" in text) is bool(sensitive)


def test_the_kept_folder_can_be_compared(tmp_path):
    found = compare(KEPT, KEPT)
    assert not found["moved"] and not found["gone"]
    assert len(found["seeds"]) > 5
