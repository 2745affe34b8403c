"""Measurements are recorded raw, and know where they were put in."""

from __future__ import annotations

import copy
import importlib.util
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workings import measurements
from workings.measurements import Record, line_of, origin_of, origins, record
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


def test_arrays_and_their_numbers_become_plain_and_a_person_can_read_the_file(tmp_path):
    path = tmp_path / "job.json"
    measurements.write(path, {
        "matrix": np.arange(4.0).reshape(2, 2), "count": np.int64(3), "share": np.float32(0.5),
        "holds": np.bool_(True), "nested": {"list": [np.float64(0.1), (1, -1.5)]},
        "words": ["a [1,\n 2]", "b"],
    })  # fmt: skip
    assert measurements.read(path) == {
        "matrix": [[0.0, 1.0], [2.0, 3.0]], "count": 3, "share": 0.5, "holds": True,
        "nested": {"list": [0.1, [1, -1.5]]}, "words": ["a [1,\n 2]", "b"],
    }  # fmt: skip
    assert "[0.0, 1.0]" in path.read_text() and "[1, -1.5]" in path.read_text()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"loss": math.nan}, "'loss' came out as nan"),
        ({"steps": [{"loss": 1.0}, {"loss": math.inf}]}, "'steps.1.loss' came out as inf"),
        ({"W": np.array([[0.0, 1.0], [-math.inf, 0.0]])}, "'W.1.0' came out as -inf"),
        ({"a": {"b": {1, 2}}}, "'a.b' is a set"),
        ({"a": {"b": 1j}}, "'a.b' is a complex"),
        ({"a": {"b": b"x"}}, "'a.b' is a bytes"),
    ],
)
def test_what_is_not_finite_or_not_of_json_is_refused_with_its_key(tmp_path, values, said):
    with pytest.raises((InputError, TypeError), match=said):
        measurements.write(tmp_path / "job.json", values)
    assert not (tmp_path / "job.json").exists()


@pytest.mark.parametrize("content", [b'{"loss": 9.4348', b"", b'{"a": "\xff"}'])
def test_a_file_that_is_not_whole_is_named(tmp_path, content):
    (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(InputError, match=r"job\.json: not a whole JSON file"):
        measurements.read(tmp_path / "job.json")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_becomes_its_rows(tmp_path, library):
    frames = pytest.importorskip(library)
    path = tmp_path / "job.json"
    frame = frames.DataFrame({"species": ["Adelie", "Gentoo"], "mean": [38.8, 47.5]})
    rows = [{"species": "Adelie", "mean": 38.8}, {"species": "Gentoo", "mean": 47.5}]
    measurements.write(path, record(lengths=frame, birds=frame["species"]))
    assert measurements.read(path) == {"lengths": rows, "birds": ["Adelie", "Gentoo"]}
    if library == "pandas":
        measurements.write(path, {"lengths": frame.set_index("species")})
        assert measurements.read(path) == {"lengths": rows}
        with pytest.raises(InputError, match="two columns of the data frame have one name"):
            measurements.write(path, {"lengths": frame.set_axis(["a", "a"], axis=1)})
    wrong = frames.DataFrame({"mean": [38.8, math.nan]})
    with pytest.raises(InputError, match=r"'lengths\.1\.mean' came out as nan"):
        measurements.write(path, {"lengths": wrong})


# A script that records; a comment ends each line in which the values of its keys are put in.
SCRIPT = """
from workings.measurements import record


def measure(others):
    values = record(
        loss=1.5,  # loss
        gates=record(
            kept=1, lost=2,  # gates.lost
        ),
        plain={  # plain plain.inner plain.list.0
            "inner": 3, "list": [4],
        },
        **others,  # share count
    )
    for name in ("W", "U"):
        values[f"d{name}"] = len(name)  # dW dU
    values["steps"] = [  # steps steps.1
        record(t=t, loss=t / 2)  # steps.0.t steps.1.loss
        for t in range(2)
    ]
    values["gates"]["kept"] += 1  # gates.kept
    values["ü"] = values["two"] = {"a": 1}  # ü two two.a
    values.update({"late": 1})  # late
    values.update(
        later=2,  # later
    )
    values |= {"last": 3}  # last
    values |= record(own=4)  # own
    return record(  # who
        {"who": "me"},
        joined(values),
        top=1,  # top
    )


def joined(values):
    '''A docstring is no code.'''
    return values | {"joined": (  # joined
        1)}
"""


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> dict:
    """What the script measures, run from the folder that it lies in."""
    monkeypatch.chdir(tmp_path)
    Path("job.py").write_text(SCRIPT, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("job", "job.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure({"share": 0.5, "count": 7})


def lines(values: dict, script: str = SCRIPT, file: str = "job.py") -> dict[str, int]:
    """The line of `script` that each of its marked keys is said to come from."""
    places, found = origins(values), {}
    for key in marked(script):
        place = origin_of(key, places)
        assert place[0] == file
        found[key] = line_of(place, script)
    return found


def marked(script: str) -> dict[str, int]:
    """The line that each key is put in, as the script's comments say."""
    return {
        key: number
        for number, line in enumerate(script.splitlines(), 1)
        for key in line.partition("  #")[2].split()
    }


def test_a_record_is_a_dictionary_that_knows_the_line_of_each_value(recorded):
    assert recorded["steps"] == [{"t": 0, "loss": 0.0}, {"t": 1, "loss": 0.5}]
    assert recorded["gates"] == {"kept": 2, "lost": 2} and isinstance(recorded, dict)
    assert lines(recorded) == marked(SCRIPT) and len(marked(SCRIPT)) > 20


def test_a_line_is_the_present_one_after_comments_docstrings_and_layout_have_changed(recorded):
    moved = SCRIPT.replace("    values = record(", "# a comment\n\n    values = record(")
    moved = moved.replace("def measure(others):\n", 'def measure(others):\n    """New."""\n')
    moved = moved.replace("record(t=t, loss=t / 2)", "record(  \n            t=t, loss=t / 2)")
    moved = moved.replace("'''A docstring is no code.'''\n    ", "")
    assert lines(recorded, moved) == marked(moved) != marked(SCRIPT)
    apart = SCRIPT.replace(  # two values of one line
        "record(t=t, loss=t / 2)  # steps.0.t steps.1.loss",
        "record(\n            t=t,  # steps.0.t\n            loss=t / 2,  # steps.1.loss\n        )",
    )
    assert lines(recorded, apart) == marked(apart)


@pytest.mark.parametrize(
    "fault",
    [
        ("        loss=1.5,  # loss\n        gates=record(", "        gates=record("),
        ("def joined(values):", "joined = record()\n\n\ndef joined(values):"),
    ],
)
def test_other_code_than_that_which_recorded_is_noticed_or_gives_other_lines(recorded, fault):
    other = SCRIPT.replace(*fault)
    assert other != SCRIPT
    try:
        assert lines(recorded, other) != marked(other)
    except InputError as error:
        assert "job.py: its code is not that which recorded" in str(error)


def test_places_are_copied_with_the_record_and_lost_with_the_value(recorded):
    for same in (copy.deepcopy(recorded), pickle.loads(pickle.dumps(recorded)), recorded.copy()):
        assert same == recorded and origins(same) == origins(recorded)
    del recorded["loss"]
    assert "loss" not in origins(recorded)


def test_a_value_put_in_by_code_of_elsewhere_has_no_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # this test lies elsewhere
    assert origins(record(a=1, b=Record({"c": 2}))) == {}
    assert origin_of("a.b", {}) is None


def test_the_places_are_written_beside_the_measurements(recorded):
    Path("build/measurements").mkdir(parents=True)
    for path, beside in (
        ("build/measurements/job.json", "build/origins/job.json"),
        ("build/measurements/.job.17.json", "build/origins/.job.17.json"),
        ("build/job.json", "build/origins/job.json"),
    ):
        measurements.write(path, recorded)
        assert measurements.read(path) == recorded
        written = measurements.read(beside)
        assert {key: tuple(place) for key, place in written.items()} == origins(recorded)
        assert line_of(origin_of("steps.1.loss", written), SCRIPT) == marked(SCRIPT)["steps.1.loss"]
