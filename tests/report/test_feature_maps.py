"""The job feature_maps: measured on maps whose likeness is known, drawn for any widths."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from analysis import feature_maps as job
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.feature_maps import NearestMean, feature_maps
from workings.messages import InputError

CLASSIFIER = {"channels": [3, 4, 5], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 8}
CONFIG = {"digits": [0, 8], "example": 0, "recognisable": 0.5, "classified_images": 30}


def made_up(count=40, seed=0):
    """Digits whose class is told by where a bright square lies."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = generator.integers(0, 60, (count, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 2 * label // 2 : 10 + 2 * label // 2, 2 + 2 * label : 8 + 2 * label] = 255
    return images, labels.astype(np.uint8)


@pytest.fixture
def digits():
    train, test = made_up(400), made_up(40, seed=1)
    scaled = [(x / 255).astype(np.float32)[:, None] for x, _ in (train, test)]
    return storage.Digits(scaled[0], train[1].astype(np.int64), scaled[1], test[1].astype(np.int64))


@pytest.fixture
def network():
    net = cnn.build(CLASSIFIER)
    cnn.initialise(net, torch.Generator().manual_seed(3))
    return net.eval()


def measured(digits, network, config=CONFIG):
    places = [storage.example_of(digits, d, config["example"], "x") for d in config["digits"]]
    examples = digits.test_images[places]
    maps = feature_maps(network, torch.from_numpy(examples))
    through = job.lenses(network, 28)
    pixels, layers = job.class_means(network, digits)
    count = config["classified_images"]
    right, seen = job.look(
        network, digits.test_images[:count], digits.test_labels[:count], through, pixels, layers
    )
    p = cnn.predict(network, examples)
    return examples, maps, through, job.measure(examples, maps, through, right, seen, p, config)


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
    assert [d["silent_channels"] for d in first["digits"]] == [1, 1]
    assert first["dead_channels"] == 1 and first["silent_for_both"] == 1
    assert first["share_recognisable"] == pytest.approx(2 / 3)
    # Centred: the copy of the inner 26 x 26 pixels lies on the digit, so r is 1 but for the edge.
    assert all(d["best_correlation"] > 0.97 for d in first["digits"])
    assert 1 in values["layers_that_look_like_the_digit"]


def test_a_lens_off_by_one_pixel_is_noticed(digits, network):
    examples, maps, through, right = measured(digits, identity(network))
    off = [job.Lens(t.field, np.roll(t.matrix, 2, axis=0)) for t in through]
    best = [
        job.correlation(t[0].enlarge(maps[0]), torch.from_numpy(examples)).abs().max()
        for t in (through, off)
    ]
    assert best[0] > 0.97 > best[1] + 0.1
    assert right["layers"][0]["digits"][0]["largest_possible_correlation"] > 0.97


def test_nearest_mean_is_good_where_the_classes_lie_apart(digits, network):
    *_, values = measured(digits, network)
    assert values["pixels"]["accuracy"] == 1
    assert values["pixels"]["accuracy_low"] < 1 == values["pixels"]["accuracy_high"]
    # The planted fault: means under shuffled labels know nothing.
    shuffled = np.random.default_rng(0).permutation(digits.train_labels)
    wrong = NearestMean().fit([(torch.from_numpy(digits.train_images), torch.from_numpy(shuffled))])
    given = wrong.predict(torch.from_numpy(digits.test_images)).numpy()
    assert (given == digits.test_labels).mean() < 0.6


@pytest.mark.parametrize("channels", [[32, 64, 64], [1, 1, 1], [512, 512, 512], [3, 200, 90]])
def test_any_widths_fit_on_the_page(channels):
    columns, rows, side = job.grid(channels)
    assert all(columns * r >= c > columns * (r - 1) for c, r in zip(channels, rows, strict=True))
    assert 20 + sum(6 + side * r for r in rows) <= job.TALLEST


def test_montage_puts_each_map_in_its_place():
    maps = np.random.default_rng(0).random((5, 2, 3))
    picture = job.montage(maps, columns=3, rows=2, gap=1)
    assert picture.shape == (5, 11)
    for c in range(5):
        i, j = 3 * (c // 3), 4 * (c % 3)
        np.testing.assert_array_equal(picture[i : i + 2, j : j + 3], maps[c])
    assert np.isfinite(picture).sum() == maps.size


def test_the_job_writes_its_files_and_refuses_an_example_that_is_not_there(network, tmp_path):
    (a, b), (c, d) = made_up(60), made_up(40, seed=1)
    storage.save_digits(
        tmp_path / "digits.npz",
        {"train_images": a, "train_labels": b, "test_images": c, "test_labels": d},
    )
    storage.save_network(tmp_path / "model.safetensors", network)
    config = {"feature_maps": CONFIG, "classifier": CLASSIFIER}
    inputs = SimpleNamespace(digits=tmp_path / "digits.npz", model=tmp_path / "model.safetensors")
    outputs = SimpleNamespace(
        measurements=tmp_path / "m.json", figure=tmp_path / "f.pdf", recognisable=tmp_path / "r.pdf"
    )
    job.main(config, inputs, outputs)
    values = json.loads(outputs.measurements.read_text())
    assert [layer["channels"] for layer in values["layers"]] == [3, 4, 5]
    assert outputs.figure.read_bytes()[:4] == outputs.recognisable.read_bytes()[:4] == b"%PDF"
    config["feature_maps"] = CONFIG | {"example": 4}
    with pytest.raises(InputError, match="hold 4 of the digit 0") as refused:
        job.main(config, inputs, outputs)
    assert refused.value.key == "feature_maps.example"
