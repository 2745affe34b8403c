"""The job `memory`: its measurements, its figures, and a section whose words follow them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis import memory
from analysis.maths.memory import Vanilla
from analysis.pipeline.errors import InputError
from analysis.reporting import latex
from analysis.reporting.measurements import Measurements, read

TEMPLATES = Path(__file__).parents[1] / "templates"
SMALL = {
    "hidden": 24,
    "inputs": 3,
    "outputs": 3,
    "drive": 0.3,
    "length": 40,
    "networks": 2,
    "sequences": 4,
    "gains": [0.3, 5.0],
    "forget_biases": [0, 3],
    "reservoir": 10,
    "spectral_radius": 0.8,
    "leak": 1.0,
    "input_scaling": 0.1,
    "ridge": 1e-8,
    "washout": 60,
    "delays": 20,
    "steps": 1000,
    "seed": 3,
}


def run(folder, **changes):
    """The measurements of a run with the small configuration and some `changes`."""
    outputs = SimpleNamespace(
        measurements=folder / "memory.json",
        figure=folder / "memory.pdf",
        recall=folder / "memory_recall.pdf",
    )
    memory.main({"memory": SMALL | changes}, SimpleNamespace(), outputs)
    return read(outputs.measurements)


def fill(measured):
    section = latex.Section("memory", Measurements({"memory": measured}))
    return latex.fill("sections/memory.tex.j2", section, TEMPLATES)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run(tmp_path_factory.mktemp("memory"))


def test_small_gains_vanish_and_large_ones_explode(measured):
    low, high = measured["gains"]
    assert low["vanishes"] and not low["explodes"]
    assert high["explodes"] and not high["vanishes"]
    # With a state this small the slope of tanh is nearly 1, and the rate nearly the radius.
    assert low["rate"] == pytest.approx(0.3, rel=0.1)
    assert low["lowest_rate"] <= low["rate"] <= low["highest_rate"] < 0.3
    assert low["left"] == pytest.approx(10 ** low["powers_of_ten"])
    assert measured["vanishing_gains"] == [0.3] and measured["exploding_gains"] == [5.0]
    assert low["w_earlier"] < high["w_earlier"] < 1
    assert low["steps_with_half_of_w"] < high["steps_with_half_of_w"]


def test_a_forget_bias_raises_the_factor(measured):
    shut, opened = measured["gains"][0]["lstm"]
    assert shut["rate"] < opened["rate"]
    assert shut["forget_gate"] == pytest.approx(0.5, abs=0.02)
    assert opened["forget_gate"] == pytest.approx(1 / (1 + np.exp(-3)), abs=0.02)
    assert measured["gates"]["relieve_everywhere"] is True


def test_recall_is_bounded_and_counted(measured):
    recall = measured["recall"]
    assert recall["trained"] == 11 and recall["fixed"] == 110
    assert 2 < recall["capacity"] < recall["bound"] == 10
    # The delay line is exact up to its length; noise adds about a 500th for each further delay.
    assert recall["delay_line_capacity"] == pytest.approx(10, abs=0.2)
    assert recall["forgets_its_start"] is True


def test_both_derivations_agree(measured):
    assert measured["derivations_agree"] is True
    assert measured["disagreement"] < 1e-12


@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_a_detached_recurrence_fails_the_build(tmp_path, monkeypatch, keep):
    honest = Vanilla.step_back

    def detached(cell, before, after, x, d):
        da, _ = honest(cell, before, after, x, d)
        return da, tuple(keep * part for part in d)

    monkeypatch.setattr(Vanilla, "step_back", detached)
    if keep == 0:  # the curve is flat at 0: there is no rate to fit
        with pytest.raises(InputError, match="after 1 of 40 steps"):
            run(tmp_path)
        return
    measured = run(tmp_path)
    assert [g["rate"] for g in measured["gains"]] == pytest.approx([1, 1])  # flat
    assert measured["derivations_agree"] is False
    with pytest.raises(InputError, match="memory_gradients"):
        fill(measured)


def test_the_same_seed_gives_the_same_bytes(tmp_path, measured):
    files = ("memory.json", "memory.pdf", "memory_recall.pdf")
    first = (tmp_path / "first", tmp_path / "second")
    for folder in first:
        folder.mkdir()
        run(folder)
    for name in files:
        assert (first[0] / name).read_bytes() == (first[1] / name).read_bytes()
    assert read(first[0] / "memory.json") == measured
    other = run(tmp_path, seed=4)
    assert other["gains"][0]["rate"] != measured["gains"][0]["rate"]


def test_the_section_makes_the_three_claims(measured):
    text, quotes = fill(measured)
    for claim in ("recurrent_weights_hard", "esn_trains_v_only", "gates_help"):
        assert rf"\claim{{{claim}}}" in text
    assert f"{measured['gains'][0]['rate']:.3f}" in text
    quoted = {quote["key"].split(".")[1] for quote in quotes}
    # These decide between wordings and are not printed themselves.
    decides = {"vanishing_gains", "exploding_gains", "rates_below_spectral_radius"}
    assert set(measured) - quoted == decides


def test_without_vanishing_the_words_turn(tmp_path):
    measured = run(tmp_path, gains=[1.15], drive=0.01, length=8)
    assert measured["recurrent_weights_are_hard"] is False
    text, _ = fill(measured)
    assert r"\claim{recurrent_weights_hard}" not in text
    assert "finds no support" in text
    assert r"\claim{gates_help}" not in text
    assert "nothing to relieve" in text


def test_a_shut_forget_gate_relieves_nothing(tmp_path):
    measured = run(tmp_path, gains=[0.3], forget_biases=[-6, -5])
    text, _ = fill(measured)
    assert r"\claim{gates_help}" not in text
    assert "the assertion does not stand" in text


def test_a_reservoir_that_does_not_forget_is_said_to(tmp_path):
    measured = run(tmp_path, spectral_radius=5.0, input_scaling=0.001)
    assert measured["recall"]["forgets_its_start"] is False
    text, _ = fill(measured)
    assert "lack the echo state property" in text
    assert r"\claim{esn_trains_v_only}" not in text


def test_a_gradient_beyond_floating_point_is_explained(tmp_path):
    with pytest.raises(InputError, match="leaves the range of floating point") as error:
        run(tmp_path, gains=[1e-9], length=200)
    assert error.value.key == "memory.length"


def test_a_readout_without_ridge_or_enough_steps_is_explained(tmp_path):
    with pytest.raises(InputError, match="ridge above 0") as error:
        run(tmp_path, ridge=0.0, leak=1.0, input_scaling=1e-300, spectral_radius=1e-300)
    assert error.value.key == "memory.ridge"
