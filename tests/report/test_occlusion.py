"""The occlusion job on networks and maps whose answer is known on paper."""

from __future__ import annotations

import json
from math import exp

import numpy as np
import pytest
import torch
from torch import nn

from analysis import occlusion
from analysis.maths import hot_spot as spots
from analysis.maths.occlusion import occlude_dense
from tests.report import studies
from workings.messages import InputError

CONFIG = {"digit": 6, "example": 0, "patch": 3, "stride": 1, "fill": 0.0, "outside": False}


ATLAS = {"peaks": {"images": 3, "upper_right": 1, "most": {"part": "lower left", "images": 2}}}


def one_pixel_network(row: int, column: int) -> nn.Sequential:
    """Logits 5·x[row, column] for a 6, 2 for a 4, 0 for the other eight."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network[1].weight[6, 28 * row + column] = 5.0
        network[1].bias[4] = 2.0
    return network.eval()


def three_dots(row: int = 10, column: int = 12) -> np.ndarray:
    """Ink at (4, 6), (24, 20) and the pixel that matters."""
    image = np.zeros((1, 28, 28), np.float32)
    image[0, [4, 24, row], [6, 20, column]] = 1.0
    return image


@pytest.fixture(scope="module")
def known():
    """The map of the pixel (10, 12), and what the job measures of it."""
    map_ = occlude_dense(one_pixel_network(10, 12), three_dots(), 6, patch=3)
    return map_, occlusion.measure(map_, three_dots()[0])


def test_the_map_is_the_one_on_paper(known):
    map_, values = known
    clean = exp(5) / (exp(5) + exp(2) + 8)
    covered = 1 / (exp(2) + 9)
    expected = np.full((26, 26), clean)
    expected[8:11, 10:13] = covered  # the patches whose 3 × 3 pixels hold (10, 12)
    np.testing.assert_allclose(map_.p_true, expected, rtol=1e-5)
    assert values["clean_probability"] == pytest.approx(clean, rel=1e-5)
    assert values["lowest_probability"] == pytest.approx(covered, rel=1e-5)
    assert values["lowest_highest_probability"] == pytest.approx(exp(2) / (exp(2) + 9), rel=1e-5)


def test_the_labels_are_counted(known):
    _, values = known
    assert (values["clean_label"], values["positions"]) == (6, 26 * 26)
    assert (values["positions_down"], values["positions_across"]) == (26, 26)
    assert values["positions_with_another_label"] == 9
    assert values["share_with_another_label"] == pytest.approx(9 / 676)
    assert values["other_labels"] == [{"label": 4, "positions": 9}]
    assert list(values["lines_never_covered"]) == [] and values["share_of_ink_never_covered"] == 0
    # three dots, far from the edge and from each other, each under nine patches
    assert values["share_that_changes_no_pixel"] == pytest.approx((676 - 27) / 676)


def test_the_hot_spot_is_the_pixel(known):
    spot = known[1]["hot_spot"]
    assert (spot["centre_row"], spot["centre_column"]) == (pytest.approx(10), pytest.approx(12))
    assert abs(spot["row"] - 10) <= 1 and abs(spot["column"] - 12) <= 1  # any of the nine patches
    # ink from row 4 to 24 and column 6 to 20: row 10 is in the first third, column 12 in the second
    assert (spot["vertical"], spot["horizontal"], spot["part"]) == (
        "upper",
        "central",
        "upper central",
    )
    assert spot["share_of_positions_above_half_drop"] == pytest.approx(9 / 676)


def test_the_peak_is_the_hot_spot_and_the_centre_of_mass_stands_beside_it():
    ink = np.zeros((28, 28))
    ink[5:14, 5:14] = 1  # thirds of three pixels: 5, 6, 7 | 8, 9, 10 | 11, 12, 13
    drop = np.zeros((28, 28))
    drop[6, 12], drop[9:12, 6] = 3, 2
    spot = spots.hot_spot(drop, np.arange(28.0), ink)
    assert (spot["part"], spot["row"], spot["column"]) == ("upper right", 6, 12)
    assert (spot["centre_row"], spot["centre_column"]) == (pytest.approx(26 / 3), pytest.approx(8))
    assert spot["centre_part"] == "middle central"
    assert spot["centre_to_border"] == pytest.approx(8 - 7.5)


@pytest.mark.parametrize(
    ("row", "column", "vertical", "horizontal"),
    [
        (6, 18, "upper", "right"),
        (14, 13, "middle", "central"),
        (22, 8, "lower", "left"),
        (5, 8, "upper", "left"),
        (22, 18, "lower", "right"),
    ],
)
def test_the_part_of_the_ink_is_named(row, column, vertical, horizontal):
    image = three_dots(row, column)
    map_ = occlude_dense(one_pixel_network(row, column), image, 6, patch=3)
    values = occlusion.measure(map_, image[0])
    assert (values["hot_spot"]["vertical"], values["hot_spot"]["horizontal"]) == (
        vertical,
        horizontal,
    )


def test_a_digit_that_rests_on_nothing_has_no_hot_spot():
    image = three_dots()
    map_ = occlude_dense(one_pixel_network(0, 0), image, 6, patch=3)
    values = occlusion.measure(map_, image[0])
    assert values["hot_spot"] == {"part": None}
    assert values["positions_with_another_label"] == 0 and values["other_labels"] == []
    assert values["clean_label"] == 4  # from the beginning, which is no change of label


@pytest.mark.parametrize(
    ("drop", "row", "column"),
    [
        ([[0, 0, 0], [0, 0, 4], [0, 0, 0]], 5, 9),
        ([[1, 0, 0], [3, 0, 0], [0, 0, 0]], 4, 1),
        ([[1, 0, 1], [0, 0, 0], [1, 0, 1]], 5, 5),
        ([[2, 0, 0], [0, -9, 0], [0, 0, 2]], 5, 5),  # where the probability rises there is no drop
    ],
)
def test_a_centre_of_mass_on_paper(drop, row, column):
    spot = spots.hot_spot(np.array(drop, float), np.array([1.0, 5.0, 9.0]), np.eye(28))
    centre = spot["centre_row"], spot["centre_column"]
    assert centre == (pytest.approx(row), pytest.approx(column))


def test_no_drop_anywhere_is_no_hot_spot():
    drop = np.array([[0.0, -0.1], [0.0, 0.0]])
    assert spots.hot_spot(drop, np.zeros(2), np.eye(28)) == {"part": None}


def test_the_patchs_centre():
    assert spots.centres(np.array([0, 4]), 8).tolist() == [3.5, 7.5]
    assert spots.centres(np.array([-2]), 3).tolist() == [-1.0]


def test_thirds_of_the_ink():
    ink = np.array([4, 12])  # nine rows: 4, 5, 6 | 7, 8, 9 | 10, 11, 12
    assert [spots.third(r, ink) for r in (0, 4, 6.4, 6.6, 8, 9.4, 9.6, 12, 27)] == [
        0, 0, 0, 1, 1, 1, 2, 2, 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("patch", "stride", "outside", "lines"),
    [
        (8, 6, False, [26, 27]),
        (3, 5, False, [3, 4, 8, 9, 13, 14, 18, 19, 23, 24]),
        (2, 9, True, [1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24, 25]),
        (28, 28, False, []),
    ],
)
def test_lines_under_no_patch_are_said(patch, stride, outside, lines):
    image = three_dots()
    map_ = occlude_dense(one_pixel_network(10, 12), image, 6, patch, stride, 0.0, outside)
    values = occlusion.measure(map_, image[0])
    assert list(values["lines_never_covered"]) == lines
    assert values["share_of_pixels_never_covered"] == pytest.approx(1 - (1 - len(lines) / 28) ** 2)
    seen = [dot for dot in ((4, 6), (24, 20), (10, 12)) if not set(dot) & set(lines)]
    assert values["share_of_ink_never_covered"] == pytest.approx(1 - len(seen) / 3)
    measurements = json.loads(json.dumps(values, default=lambda a: a.tolist()))
    text = " ".join(studies.fill("occlusion", occlusion=measurements, atlas=ATLAS).split())
    assert ("The grid does not come everywhere" in text) is bool(lines)


@pytest.mark.parametrize(
    "changes", [{}, {"patch": 28}, {"stride": 5, "outside": True, "fill": 1.0}]
)
def test_the_whole_job(tmp_path, trained, small_digits, changes):
    classifier, network = trained
    chosen = CONFIG | {"patch": 8} | changes
    config = {"occlusion": chosen, "classifier": classifier}
    values = studies.run(occlusion, tmp_path, config, small_digits, network)
    where = {key: chosen[key] for key in ("patch", "stride", "fill", "outside")}
    image = studies.scaled(small_digits).test_images[6]
    expected = occlude_dense(network, image, 6, **where)
    with np.load(tmp_path / "maps.npz") as maps:
        np.testing.assert_allclose(maps["p_true"], expected.p_true, atol=2e-6)
        np.testing.assert_allclose(maps["p_max"], expected.p_max, atol=2e-6)
        assert np.array_equal(maps["predicted"], expected.predicted)
        assert np.array_equal(maps["starts"], expected.starts)
    assert values["lowest_probability"] == pytest.approx(expected.p_true.min(), abs=2e-6)
    assert values["positions"] == expected.p_true.size


def test_an_example_that_is_not_there_is_refused(tmp_path, trained, small_digits):
    config = {"occlusion": CONFIG | {"example": 99}, "classifier": trained[0]}
    with pytest.raises(InputError, match=r"^99; the test images hold 3 of the digit 6") as caught:
        studies.run(occlusion, tmp_path, config, small_digits, trained[1])
    assert caught.value.key == "occlusion.example"
