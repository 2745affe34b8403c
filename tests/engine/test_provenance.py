"""The line that records a measurement is found in the script's code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workings.page.provenance import line_of_key, line_of_output, recorded_at

SOURCE = '''"""rows, loss"""
def measure(images):
    spot = {"row": 1, "loss": 2}
    values = {
        "rows": images["loss"],
        "gates": {
            "loss": 3,
        },
        **{f"most_{kind}_images": 1 for kind in "ab"},
        f"{kind}_only": 2,
    }
    values["late"] = 5
    values["late"]["deep"] = 6
    seen = images["only_read"]
    return values | dict(word=7)

def update(name):
    values[name] = {"loss": 4}

def main(config, inputs, outputs):
    save(outputs.measurements)
    draw(outputs.deep)
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("rows", 5),
        ("loss", 3),
        ("gates.loss", 7),
        ("update.uphill.loss", 18),
        ("gates.0.loss.1", 7),
        ("late", 12),
        ("late.deep", 13),
        ("word", 15),
        ("only_read", None),
        ("most_test_images", 9),
        ("test_only", 10),
        ("rows.unknown_part", 5),  # the word above
        ("nowhere", None),
    ],
)
def test_the_line_is_the_one_that_shares_most_of_the_key(key, line):
    assert line_of_key(SOURCE, key) == line


def test_a_module_that_the_script_reaches_is_asked_before_a_word_above():
    sources = {"job.py": 'values = {"spot": spot(x)}\n', "maths.py": '\nfound = {"row": 1}\n'}
    assert recorded_at("spot.row", "job.py", sources) == ("maths.py", 2)
    assert recorded_at("spot.column", "job.py", sources) == ("job.py", 1)
    assert recorded_at("other", "job.py", sources) is None


def test_what_is_copied_from_a_configuration_is_recorded_where_it_is_copied():
    source = 'T = config["length"]\nvalues = {\n    **{key: config[key] for key in config},\n}\n'
    assert line_of_key(source, "length") == 3


def test_the_line_that_writes_an_output():
    assert line_of_output(SOURCE, "deep") == 22
    assert line_of_output(SOURCE, "figure") is None


def test_ten_keys_of_real_jobs_have_the_line_that_a_reader_expects(in_root):
    for key in (
        "occlusion.lowest_probability", "occlusion.label_changes", "patch_search.median",
        "classifier.test_accuracy", "atlas.classes.3.mean_drop", "recurrence.update.rate",
        "recurrence.proofs.all_hold", "gradient_check.by_hand.digits", "translation.shown",
        "originals.counts.wrong",
    ):  # fmt: skip
        job, _, rest = key.partition(".")
        script = f"analysis/{job}.py"
        text = Path(script).read_text()
        _, line = recorded_at(rest, script, {script: text})
        assert json.dumps(key.split(".")[-1]) in text.split("\n")[line - 1], (key, line)
