"""The job `gradient_lags`: its measurements, its figure, and a section whose words follow them."""

import numpy as np
import pytest

from analysis import gradient_lags
from tests.report import studies
from tests.report.maths.test_gradient_lags import detach
from workings.messages import InputError

SMALL = {
    "hidden": 16,
    "inputs": 3,
    "outputs": 3,
    "drive": 0.3,
    "length": 30,
    "networks": 3,
    "sequences": 2,
    "gains": [0.3, 5.0],
    "gated_gain": 0.5,
    "biases": [0, 3],
    "seed": 3,
}


def run(folder, **changes):
    """The measurements of a run with the small configuration and some `changes`."""
    return studies.run(gradient_lags, folder, SMALL | changes)


def fill(measured):
    return " ".join(studies.fill("gradient_lags", gradient_lags=measured).split())


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run(tmp_path_factory.mktemp("gradient_lags"))


def test_small_gains_vanish_and_large_ones_explode(measured):
    low, high, *gated = measured["settings"]
    assert low["vanishes"] and not low["explodes"]
    assert high["explodes"] and not high["vanishes"]
    # With a state this small the slope of tanh is nearly 1, and the rate nearly the radius.
    assert low["rate"] == pytest.approx(0.3, rel=0.1)
    assert low["rate_low"] <= low["rate"] <= low["rate_high"]
    assert low["predicted"] == pytest.approx(0.3) and high["predicted"] == pytest.approx(5)
    assert low["left"] == pytest.approx(10 ** low["powers_of_ten"])
    assert measured["vanilla_vanishing"] == [0.3] and measured["vanilla_exploding"] == [5.0]
    assert low["w_earlier"] < high["w_earlier"] < 1
    assert low["steps_with_half_of_w"] < high["steps_with_half_of_w"]
    assert measured["vanilla_that_vanish_or_explode"] == 2
    assert [(row["kind"], row["bias"]) for row in gated] == [
        ("LSTM", 0), ("LSTM", 3), ("GRU", 0), ("GRU", 3),
    ]  # fmt: skip


def test_a_bias_raises_the_factor(measured):
    rate = {row["name"]: row["rate"] for row in measured["settings"]}
    assert rate["LSTM, bias 0"] < rate["LSTM, bias 3"]
    assert rate["GRU, bias 0"] < rate["GRU, bias 3"]
    # Along its memory alone a cell keeps the logistic function of the bias.
    assert rate["GRU, bias 3"] == pytest.approx(1 / (1 + np.exp(-3)), abs=0.05)
    assert measured["gated_better"] == measured["gated"] == 4


def test_autograd_agrees(measured):
    assert measured["off_gradient"] < 1e-12 < measured["agreed_below"]
    assert measured["off_state"] < 1e-12
    assert measured["compared"] == 6 * 3


@pytest.mark.parametrize("kept", [0, 1])
def test_a_detached_recurrence_fails_the_build(tmp_path, monkeypatch, kept):
    detach(monkeypatch, kept)
    if not kept:  # the curve is flat at 0: there is no rate to fit
        with pytest.raises(InputError, match="after 1 of 30 steps"):
            run(tmp_path)
        return
    measured = run(tmp_path)
    rates = [row["rate"] for row in measured["settings"]]
    assert rates == pytest.approx([1] * 6)  # flat
    assert measured["off_gradient"] > measured["agreed_below"]
    with pytest.raises(InputError, match="lags_agree"):
        fill(measured)


def test_the_same_seed_gives_the_same_bytes(tmp_path, measured):
    folders = tmp_path / "first", tmp_path / "second"
    assert run(folders[0]) == run(folders[1]) == measured
    assert studies.Files(folders[0]).all() == studies.Files(folders[1]).all()
    other = run(tmp_path, seed=4)
    assert other["settings"][0]["rate"] != measured["settings"][0]["rate"]


def test_a_gain_more_leaves_the_others_as_they_were(tmp_path, measured):
    more = run(tmp_path, gains=[0.3, 5.0, 1.0])
    assert more["settings"][:2] == measured["settings"][:2]


def test_the_section_follows_the_measurement(tmp_path, measured):
    text = fill(measured)
    assert r"\claim{gates_keep_gradients}{Before any training, the factor of every" in text
    assert "vanishes at the gain " in text
    assert f"{measured['settings'][0]['rate']:.3f}" in text
    turned = run(tmp_path, gains=[1.15], drive=0.01, length=8, biases=[-6])
    assert turned["vanilla_that_vanish_or_explode"] == 0
    text = fill(turned)
    assert "At no gain tried" in text and "It explodes nowhere" in text
    assert "no gated setting has a factor nearer to one" in text


def test_more_terms_than_the_memory_holds_are_refused(tmp_path):
    with pytest.raises(InputError, match="numbers in memory at once") as error:
        run(tmp_path, hidden=512, length=1000)
    assert error.value.key == "gradient_lags.length"


def test_a_gradient_beyond_floating_point_is_explained(tmp_path):
    with pytest.raises(InputError, match="leaves the range of floating point") as error:
        run(tmp_path, gains=[1e-9], length=200)
    assert error.value.key == "gradient_lags.length"
