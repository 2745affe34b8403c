"""Patches of several colours: counts made by brute force, and what is known on paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from analysis import patch_colour
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import occlude_dense
from tests.report import studies

PATCH = {"digit": 6, "example": 1, "patch": 8, "stride": 4, "outside": False}


def test_the_colours_have_names():
    assert [patch_colour.name_of(fill) for fill in (0.0, 0.5, 0.01, 1.0)] == [
        "black", "grey", "grey", "white",
    ]  # fmt: skip


@pytest.fixture
def untrained(small_classifier):
    torch.manual_seed(1)
    return storage.new_network(small_classifier).eval()


@pytest.mark.parametrize(
    ("patch", "stride", "outside"),
    [(8, 1, False), (3, 5, True), (28, 1, False)],
)
def test_where_a_patch_covers_no_ink(untrained, patch, stride, outside):
    image = np.zeros((28, 28), np.float32)
    image[[5, 18, 27], [20, 7, 0]] = 0.3
    map_ = occlude_dense(untrained, image, 6, patch, stride, 0.0, outside)
    off_ink = patch_colour.covers_no_ink(image, map_)
    # Two oracles: a black patch there changes no pixel, and every pixel under it looked at.
    assert np.array_equal(off_ink, map_.idle)
    for place, empty in np.ndenumerate(off_ink):
        top, left = map_.starts[list(place)]
        under = image[max(0, top) : max(0, top + patch), max(0, left) : max(0, left + patch)]
        assert empty == (not under.any())


def ink_network() -> nn.Sequential:
    """Logit 1 − (total ink)/10 for a 6, 0 for the others: white anywhere makes it a 0."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network[1].weight[6] = -0.1
        network[1].bias[6] = 1.0
    return network.eval()


def test_the_tally_on_paper():
    image = np.zeros((28, 28), np.float32)
    image[10, 10] = 1.0
    network, tallies, maps = ink_network(), [], []
    for fill in (0.0, 1.0):
        map_ = occlude_dense(network, image, 6, patch=4, fill=fill)
        tally = patch_colour.Tally()
        tally.add(map_, patch_colour.covers_no_ink(image, map_))
        tallies.append(tally)
        maps.append(map_)
    black, white = (tally.values() for tally in tallies)

    def p(ink: float) -> float:
        return np.exp(1 - ink / 10) / (np.exp(1 - ink / 10) + 9)

    on, every = 16, 25**2  # 4 × 4 patches cover the pixel, of 25 × 25
    assert black["mean_drop"] == pytest.approx(on * (p(1) - p(0)) / every, abs=1e-6)
    assert white["mean_drop"] == pytest.approx(
        (on * (p(1) - p(16)) + (every - on) * (p(1) - p(17))) / every, abs=1e-6
    )
    for colour in (black, white):
        assert colour["share_off_ink"] == pytest.approx((every - on) / every)
    assert black["share_changed"] == black["share_of_images_changed"] == 0
    assert black["share_that_changes_no_pixel"] == black["share_off_ink"]
    # 16 or 17 pixels of ink: the logit 1 − 1.6 or 1 − 1.7 is below the others' 0 everywhere
    assert white["share_changed"] == white["share_changed_off_ink"] == 1
    assert white["share_changed_on_ink"] == white["share_of_images_changed"] == 1
    assert white["share_that_changes_no_pixel"] == 0

    values = patch_colour.measure(maps, image, tallies, [0.0, 1.0])
    black, white = (colour["digit"] for colour in values["colours"])
    assert (black["part"], black["new_label"]) == (None, None)  # to take ink makes it more of a 6
    assert (white["part"], white["new_label"]) == ("upper left", 0)
    assert values["harshest"]["colour"] == "white" and values["mildest"]["colour"] == "black"
    assert values["largest_share_changed_off_ink"] == 1
    alone = patch_colour.measure(maps[:1], image, tallies[:1], [0.0])
    assert alone["largest_share_changed_off_ink"] == 0


def test_positions_that_all_cover_ink_have_no_share_off_it():
    map_ = occlude_dense(ink_network(), np.ones((28, 28), np.float32), 6, patch=20)
    tally = patch_colour.Tally()
    tally.add(map_, patch_colour.covers_no_ink(np.ones((28, 28)), map_))
    assert tally.values()["share_changed_off_ink"] is None


@pytest.mark.parametrize(
    ("fills", "changes"),
    [
        ([0.0, 0.5, 1.0], {}),
        ([0.3], {"patch": 28, "stride": 1}),
        ([1, 0, 0.2, 0.7], {"outside": True, "stride": 7}),
    ],
)
def test_the_whole_job(tmp_path, trained, small_digits, fills, changes):
    classifier, network = trained
    patch = PATCH | changes
    config = {"patch_colour": {"fills": fills, "images": 1}, "classifier": classifier}
    values = studies.run(
        patch_colour, tmp_path, config | {"occlusion": patch}, small_digits, network
    )
    data = studies.scaled(small_digits)
    given = cnn.predict(network, data.test_images).argmax(1)
    chosen = storage.rightly_labelled(data.test_labels, given, 1)
    assert values["images"] == len(chosen)
    where = {key: patch[key] for key in ("patch", "stride", "outside")}
    for fill, colour in zip(fills, values["colours"], strict=True):
        maps = [
            occlude_dense(network, data.test_images[i], data.test_labels[i], fill=fill, **where)
            for i in chosen
        ]
        changed = np.stack([m.changed for m in maps])
        assert colour["colour"] == patch_colour.name_of(fill)
        assert colour["mean_drop"] == pytest.approx(np.mean([m.drop for m in maps]), abs=2e-6)
        assert colour["share_changed"] == pytest.approx(changed.mean())
        assert colour["share_of_images_changed"] == changed.any(axis=(1, 2)).mean()
