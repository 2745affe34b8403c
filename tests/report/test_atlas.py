"""The atlas: means of maps that brute force makes, and hot spots known on paper."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from analysis import atlas, atlas_part
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import Occluder, occlude_dense
from tests.report import studies
from workings.messages import InputError

PATCH = {"digit": 6, "example": 1, "patch": 8, "stride": 4, "fill": 0.0, "outside": False}


def pixel_network(places: dict[int, tuple[int, int]]) -> nn.Sequential:
    """Logit 5·x[row, column] for each class with a place, 0 for the others."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for label, (row, column) in places.items():
            network[1].weight[label, 28 * row + column] = 5.0
    return network.eval()


@pytest.fixture(scope="module")
def known():
    """Two 3s that rest on (5, 20) and one 6 that rests on (20, 8), under single-pixel patches."""
    network = pixel_network({3: (5, 20), 6: (20, 8)})
    images = np.zeros((4, 1, 28, 28), np.float32)
    images[:3, 0, [5, 20, 12], [20, 8, 14]] = [[1, 0, 1], [0.5, 0, 1], [0, 1, 1]]
    labels = np.array([3, 3, 6, 6])
    occluder = Occluder(network, (1, 28, 28), patch=1)
    covered = atlas_part.cover(occluder, images, labels, [0, 1, 2])
    return atlas.add_up(occluder(images[2], 6), covered, images, labels)


def test_the_mean_drop_is_the_one_on_paper(known):
    def p(logit: float) -> float:
        return np.exp(logit) / (np.exp(logit) + 9)

    expected = np.zeros((28, 28))
    expected[5, 20] = (p(5) + p(2.5)) / 2 - p(0)
    np.testing.assert_allclose(known.mean_drop(3), expected, atol=1e-6)
    assert known.images.tolist() == [0, 0, 0, 2, 0, 0, 1, 0, 0, 0]
    assert known.mean_drop(9).max() == 0  # no 9 at all
    assert known.mean_ink(3)[5, 20] == 0.75 and known.mean_ink(3)[12, 14] == 1
    np.testing.assert_allclose(known.own, known.mean_drop(6), atol=1e-6)


def test_the_hot_spots_are_the_pixels(known):
    values = atlas.measure(known, 6, True)
    three, six, nine = (values["classes"][label] for label in (3, 6, 9))
    assert (three["vertical"], three["horizontal"]) == ("upper", "right")
    assert (six["vertical"], six["horizontal"]) == ("lower", "left")
    # mean ink of the 3s: 0.75 at (5, 20) and 1 at (12, 14); of the 6: 1 at (20, 8) and (12, 14)
    assert three["below_the_ink"] == pytest.approx(5 - (0.75 * 5 + 12) / 1.75)
    assert three["right_of_the_ink"] == pytest.approx(20 - (0.75 * 20 + 14) / 1.75)
    assert (six["below_the_ink"], six["right_of_the_ink"]) == (
        pytest.approx(4), pytest.approx(-3),
    )  # fmt: skip
    assert six["distance"] == pytest.approx(5) and three["distance"] > 5.2
    assert values["farthest_from_the_ink"]["label"] == 3
    assert (nine["label"], nine["images"], nine["peak"], nine["vertical"]) == (9, 0, None, None)
    assert (values["strongest"]["label"], values["weakest"]["label"]) == (6, 3)
    assert values["own"]["others"] == 0 and values["own"]["correlation"] is None
    # The 6 that is averaged rests on (20, 8), the lower left of its ink; the one of `own` does not count.
    assert known.peaks[6].tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert known.peaks[3].tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]
    peaks = values["peaks"]
    assert (peaks["images"], peaks["upper_right"]) == (1, 0)
    assert peaks["most"] == {"part": "lower left", "images": 1}
    assert peaks["rows"][2] == {"height": "lower", "left": 1, "central": 0, "right": 0}


def test_a_class_is_compared_without_the_digit_itself():
    own, other = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[3.0, 2.0], [1.0, 0.0]])
    drops = np.zeros((10, 2, 2))
    drops[6] = own + 0.5 * other  # the digit and two others
    counts = np.zeros(10, int)
    counts[6] = 3
    ink = np.zeros((10, 28, 28))
    ink[6, 5:9, 5:9] = 3
    places = np.array([3.5, 7.5])
    made = atlas.Atlas(drops, ink, counts, places, own, np.zeros((10, 3, 3), int), 0)
    values = atlas.measure(made, 6, True)["own"]
    assert values["others"] == 2
    assert values["correlation"] == pytest.approx(-1)
    assert values["mean_drop_of_the_others"] == pytest.approx(0.375)
    flat = atlas.measure(dataclasses.replace(made, own=np.ones((2, 2))), 6, True)["own"]
    assert flat["correlation"] is None
    included = atlas.measure(made, 6, False)["own"]
    assert included["correlation"] == pytest.approx(1)  # the fault that this would be


def test_the_number_of_parts_changes_no_byte(tmp_path, trained, small_digits):
    classifier, network = trained
    config = {"atlas": {"per_class": None}, "classifier": classifier, "occlusion": PATCH}
    made = []
    for of in (1, 3, 200):  # more parts than images
        folder = tmp_path / f"{of}"
        studies.run_divided(atlas, atlas_part, folder, config, small_digits, network, of)
        names = ("measurements.json", "maps.npz", "figure.pdf")
        made.append([(folder / name).read_bytes() for name in names])
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    "changes", [{}, {"patch": 28, "stride": 1}, {"outside": True, "fill": 1.0, "stride": 7}]
)
def test_the_whole_job(tmp_path, trained, small_digits, changes):
    classifier, network = trained
    patch = PATCH | changes
    config = {"atlas": {"per_class": 2}, "classifier": classifier, "occlusion": patch}
    values = studies.run_divided(atlas, atlas_part, tmp_path, config, small_digits, network)
    data = studies.scaled(small_digits)
    given = cnn.predict(network, data.test_images).argmax(1)
    right = storage.rightly_labelled(data.test_labels, given, 2)
    chosen = [i for i in right if data.test_labels[i] == 6]
    where = {key: patch[key] for key in ("patch", "stride", "fill", "outside")}
    drops = [occlude_dense(network, data.test_images[i], 6, **where).drop for i in chosen]
    with np.load(tmp_path / "maps.npz") as arrays:
        np.testing.assert_allclose(arrays["mean_drop"][6], np.mean(drops, axis=0), atol=2e-6)
    assert values["classes"][6]["images"] == len(chosen) > 0
    assert values["positions"] == drops[0].size


def test_rightly_labelled_images():
    labels, given = np.array([0, 1, 1, 1, 2]), np.array([0, 0, 1, 1, 3])
    assert storage.rightly_labelled(labels, given) == [0, 2, 3]
    assert storage.rightly_labelled(labels, given, 1) == [0, 2]
    with pytest.raises(InputError, match="labels no test image rightly") as caught:
        storage.rightly_labelled(labels, labels + 1)
    assert caught.value.key == "classifier.epochs"
