"""What is kept of the run on all of MNIST is what the report prints, in either wording."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis import full_set
from tests.report import studies
from workings.measurements import read

KEPT = Path(__file__).parents[2] / "results/full_set.json"


@pytest.mark.parametrize("sensitive", [0, 900])
def test_the_kept_numbers_are_printed_and_decide_the_claim(tmp_path, sensitive):
    kept = json.loads(KEPT.read_text())
    kept["measurements"]["atlas"]["peaks"]["upper_right"] = sensitive
    (tmp_path / "kept.json").write_text(json.dumps(kept))
    inputs = SimpleNamespace(kept=tmp_path / "kept.json")
    outputs = SimpleNamespace(measurements=tmp_path / "full_set.json")
    full_set.main({}, inputs, outputs)
    values = read(outputs.measurements)
    assert values["training_images"] == 60_000 and len(values["commit"]) == 12
    text = studies.fill("full_set", full_set=values)
    assert "99.16" in text and ("not all verdicts" in text) is bool(sensitive)
