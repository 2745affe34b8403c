"""Measurements are recorded raw and looked up by key."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workings import measurements
from workings.measurements import Measurements
from workings.messages import InputError

numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_what_is_written_is_read_bit_for_bit(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("m") / "job.json"
    measurements.write(path, values)
    assert repr(measurements.read(path)) == repr(values)  # -0.0 and 1 against 1.0 count


def test_arrays_and_their_numbers_become_plain(tmp_path):
    path = tmp_path / "job.json"
    measurements.write(
        path,
        {
            "matrix": np.arange(4.0).reshape(2, 2),
            "count": np.int64(3),
            "share": np.float32(0.5),
            "holds": np.bool_(True),
            "tensor": torch.tensor([1.5, -2.0], dtype=torch.float64),
            "nested": {"list": [np.float64(0.1), (1, 2)]},
        },
    )
    assert measurements.read(path) == {
        "matrix": [[0.0, 1.0], [2.0, 3.0]],
        "count": 3,
        "share": 0.5,
        "holds": True,
        "tensor": [1.5, -2.0],
        "nested": {"list": [0.1, [1, 2]]},
    }


def test_a_person_can_read_the_file(tmp_path):
    path = tmp_path / "job.json"
    measurements.write(path, {"W": [[1, -1.5], [0, 2]], "words": ["a [1,\n 2]", "b"]})
    text = path.read_text()
    assert "[1, -1.5]" in text and "[0, 2]" in text
    assert json.loads(text)["words"] == ["a [1,\n 2]", "b"]


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"loss": math.nan}, "loss"),
        ({"steps": [{"loss": 1.0}, {"loss": math.inf}]}, "steps.1.loss"),
        ({"W": np.array([[0.0, 1.0], [-math.inf, 0.0]])}, "W.1.0"),
    ],
)
def test_what_is_not_finite_is_refused_with_its_key(tmp_path, values, key):
    with pytest.raises(InputError, match=rf"'{key}' came out as (nan|-?inf)"):
        measurements.write(tmp_path / "job.json", values)
    assert not (tmp_path / "job.json").exists()


@pytest.mark.parametrize("value", [{1, 2}, 1j, b"x", object()])
def test_what_json_cannot_hold_is_refused_with_its_key(tmp_path, value):
    with pytest.raises(TypeError, match=r"'a\.b' is a (set|complex|bytes|object)"):
        measurements.write(tmp_path / "job.json", {"a": {"b": value}})


@pytest.mark.parametrize("content", [b'{"loss": 9.4348', b"", b'{"a": "\xff"}'])
def test_a_file_that_is_not_whole_is_named(tmp_path, content):
    (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(InputError, match=r"job\.json: not a whole JSON file"):
        measurements.read(tmp_path / "job.json")


@pytest.fixture
def measured() -> Measurements:
    return Measurements(
        {"occlusion": {"lowest": 0.25, "labels": [{"label": 4}, {"label": 0}], "spot": {}}}
    )


def test_a_key_walks_through_mappings_and_lists(measured):
    assert measured["occlusion.lowest"] == 0.25
    assert measured["occlusion.labels.1.label"] == 0
    assert "occlusion.labels.1" in measured
    assert "occlusion.labels.2" not in measured


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("occlusion.lowset", "did you mean 'lowest'? 'occlusion' has lowest, labels, spot"),
        ("oclusion.lowest", "did you mean 'occlusion'? this section's measurements has occlusion"),
        ("occlusion.labels.2", "'occlusion.labels' is a list of 2 items, counted from 0"),
        ("occlusion.labels.-1", "'occlusion.labels' is a list of 2 items, counted from 0"),
        ("occlusion.lowest.row", "'occlusion.lowest' is the single value 0.25"),
        ("occlusion.spot.row", "'occlusion.spot' has nothing"),
    ],
)
def test_a_missing_key_names_what_there_is(measured, key, hint):
    with pytest.raises(InputError) as caught:
        measured[key]
    assert str(caught.value) == f"no measurement '{key}': {hint}"


def test_the_files_name_the_jobs(tmp_path):
    for job, loss in (("recurrence", 9.4), ("classifier", 0.1)):
        measurements.write(tmp_path / f"{job}.json", {"loss": loss})
    both = Measurements.of_files(sorted(tmp_path.iterdir()))
    assert (both["recurrence.loss"], both["classifier.loss"]) == (9.4, 0.1)
