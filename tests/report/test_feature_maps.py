"""The job feature_maps: measured on maps whose likeness is known, drawn for any widths."""

import numpy as np
import pytest
import torch

from analysis import feature_maps as job
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.feature_maps import NearestMean, feature_maps
from tests.report import studies
from workings.messages import InputError

CLASSIFIER = {
    "channels": [3, 4, 5], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 8, "seed": 3,
}  # fmt: skip
CONFIG = {"digits": [0, 8], "example": 0, "recognisable": 0.5, "classified_images": 30}


@pytest.fixture
def digits(small_digits):
    return studies.scaled(small_digits)


@pytest.fixture
def network():
    net = cnn.build(CLASSIFIER)
    cnn.initialise(net, torch.Generator().manual_seed(3))
    return net.eval()


def measured(digits, network, config=CONFIG):
    places = [storage.example_of(digits, d, config["example"], "x") for d in config["digits"]]
    examples = torch.from_numpy(digits.test_images[places])
    maps = feature_maps(network, examples)
    fields = [f for f in cnn.receptive_field(network)[0] if "Conv2d" in f.layer]
    through = job.lenses(fields, 28)
    right, seen = job.seen_by(network, digits, through, 30)
    _, before = job.seen_by(storage.untrained_network(CLASSIFIER), digits, through, 30)
    p = cnn.predict(network, examples)
    values = job.measure(examples, maps, fields, right, seen, before, p, config)
    return examples, maps, fields, values


def identity(network):
    """Make the first layer's channels a copy of the picture, its negative, and nothing."""
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0, 1, 1] = 1
        network[0].weight[1, 0, 1, 1] = -1
        network[0].bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    return network


def test_copies_and_negatives_are_recognised_and_the_dead_channel_counted(digits, network):
    *_, values = measured(digits, identity(network))
    first = values["layers"][0]
    assert first["dead_channels"] == 1 and first["silent_for_both"] == 1
    assert first["share_recognisable"] == pytest.approx(2 / 3)
    # Centred: the copy of the inner 26 x 26 pixels lies on the digit, so r is 1 but for the edge.
    assert all(d["best_correlation"] > 0.97 for d in first["digits"])
    assert 1 in values["layers_that_look_like_the_digit"]


def test_an_untrained_network_gains_nothing_over_itself(digits, network):
    *_, values = measured(digits, network)  # with the weights of the same seed
    for layer in values["layers"]:
        assert layer["accuracy"] == layer["accuracy_before"]
        assert layer["median_correlation_of_test_images"] == layer["median_correlation_before"]
    assert values["accuracy_gain_by_training"] == 0
    *_, values = measured(digits, identity(network))
    assert values["layers"][0]["median_correlation_of_test_images"] > 0.9
    assert values["layers"][0]["median_correlation_before"] < 0.9


def test_a_lens_off_by_one_pixel_is_noticed(digits, network):
    examples, maps, fields, right = measured(digits, identity(network))
    through = job.lenses(fields, 28)[0]
    best = [
        job.likeness(maps[0], lens, examples).max()
        for lens in (through, np.roll(through, 2, axis=0))
    ]
    assert best[0] > 0.97 > best[1] + 0.1
    assert right["layers"][0]["digits"][0]["largest_possible_correlation"] > 0.97


def test_nearest_mean_is_good_where_the_classes_lie_apart(digits, network):
    *_, values = measured(digits, network)
    assert values["pixels"]["accuracy"] == 1
    assert values["pixels"]["accuracy_low"] < 1 == values["pixels"]["accuracy_high"]
    # The planted fault: means under shuffled labels know nothing.
    shuffled = np.random.default_rng(0).permutation(digits.train_labels)
    wrong = NearestMean()
    wrong.add(torch.from_numpy(digits.train_images), torch.from_numpy(shuffled))
    given = wrong.predict(torch.from_numpy(digits.test_images)).numpy()
    assert (given == digits.test_labels).mean() < 0.6


@pytest.mark.parametrize("channels", [[32, 64, 64], [1, 1, 1], [512, 512, 512], [3, 200, 90]])
def test_any_widths_fit_on_the_page(channels):
    columns, rows, side = job.grid(channels)
    assert all(columns * r >= c > columns * (r - 1) for c, r in zip(channels, rows, strict=True))
    assert 15 + sum(5 + side * r for r in rows) <= job.TALLEST


def test_the_job_writes_its_files_and_refuses_an_example_that_is_not_there(
    network, small_digits, tmp_path
):
    config = {"feature_maps": CONFIG, "classifier": CLASSIFIER}
    values = studies.run(job, tmp_path, config, small_digits, network)
    assert [layer["channels"] for layer in values["layers"]] == [3, 4, 5]
    config["feature_maps"] = CONFIG | {"example": 3}
    with pytest.raises(InputError, match="hold 3 of the digit 0") as refused:
        studies.run(job, tmp_path, config)
    assert refused.value.key == "feature_maps.example"
