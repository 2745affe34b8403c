"""The job `echo_state`: capacities under their bound, and a section whose words follow them."""

import pytest

from analysis import echo_state
from analysis.maths import reservoir as esn
from tests.report import studies
from workings.messages import InputError

SMALL = {
    "units": 10,
    "spectral_radii": [0.4, 0.9, 1.8],
    "leaks": [1.0, 0.4],
    "reservoirs": 2,
    "input_scaling": 0.1,
    "density": 1.0,
    "ridge": 1e-8,
    "washout": 200,
    "delays": 30,
    "steps": 1000,
    "seed": 3,
}


def run(folder, **changes):
    """The measurements of a run with the small configuration and some `changes`."""
    return studies.run(echo_state, folder, SMALL | changes)


def fill(measured, **changes):
    return studies.fill("echo_state", {"echo_state": SMALL | changes}, echo_state=measured)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run(tmp_path_factory.mktemp("echo_state"))


def test_capacity_is_bounded_and_the_delay_line_reaches_the_bound(measured):
    assert measured["bound"] == 10
    assert measured["largest_capacity"] < measured["bound_with_chance"]
    assert 2 < measured["worst"]["capacity"] < measured["best"]["capacity"] < 10
    # The delay line is exact up to its length; noise adds about a 500th for each further delay.
    assert measured["delay_line_capacity"] == pytest.approx(10, abs=0.2)
    assert measured["trained"] == 11 and measured["fixed"] == 110


def test_the_bound_is_the_delays_where_they_are_fewer(tmp_path):
    assert run(tmp_path, delays=4)["bound"] == 5


def test_a_capacity_beyond_the_bound_fails_the_build(tmp_path, monkeypatch):
    """A planted fault: the readout is judged on a signal that it was given."""
    honest = esn.recall
    monkeypatch.setattr(esn, "recall", lambda *arguments: honest(*arguments) * 0 + 1)
    measured = run(tmp_path)
    assert measured["largest_capacity"] > measured["bound_with_chance"]
    with pytest.raises(InputError, match="capacity_bounded"):
        fill(measured)


def test_large_radii_lack_the_echo_state_property(measured):
    assert 0 < measured["settings_that_forget"] < measured["settings"]
    assert measured["largest_radius_that_forgets"] < 1.8
    text = fill(measured)
    assert "echo state property" in text and "still has a capacity" in text


def test_the_words_follow_where_all_forget_and_where_none_does(tmp_path):
    def words(**changes):
        return " ".join(fill(run(tmp_path, **changes), **changes).split())

    text = words(spectral_radii=[0.4, 0.5])
    assert "the reservoirs of all" in text and "at an end of the range" in text
    text = words(spectral_radii=[3.0, 4.0], leaks=[1.0], input_scaling=0.001)
    assert "No setting of the" in text and "A leak" not in text
    text = words(leaks=[1.0], ridge=0.0, density=0.5)
    assert "without a ridge penalty" in text and "with a density of" in text


def test_the_same_seed_gives_the_same_bytes(tmp_path, measured):
    folders = tmp_path / "first", tmp_path / "second"
    assert run(folders[0]) == run(folders[1]) == measured
    assert studies.Files(folders[0]).all() == studies.Files(folders[1]).all()
    assert run(tmp_path, seed=4)["largest_capacity"] != measured["largest_capacity"]


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"steps": 1_000_000, "units": 400, "delays": 100}, "steps", "numbers in memory at once"),
        ({"delays": 1001}, "delays", "a delay of at most 'steps'"),
        ({"units": 500}, "steps", "1002 or more"),
        ({"density": 1e-9}, "density", "no recurrence to scale"),
        (
            {"ridge": 0.0, "leaks": [1.0], "input_scaling": 1e-300, "spectral_radii": [1e-300]},
            "ridge",
            "ridge above 0",
        ),
    ],
)
def test_what_the_schema_cannot_see_is_explained(tmp_path, changes, key, words):
    with pytest.raises(InputError, match=words) as error:
        run(tmp_path, **changes)
    assert error.value.key == f"echo_state.{key}"
