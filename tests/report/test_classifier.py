"""The classifier job: the same bytes twice, and numbers that are known on paper."""

from __future__ import annotations

import resource

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import Adam

from analysis import classifier
from analysis.data import storage
from analysis.maths import network as cnn
from tests.report import studies
from workings.messages import InputError

DEFAULT = {
    "channels": [32, 64, 64], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 64,
    "epochs": 1, "batch": 64, "rate": 0.001, "final_rate": 0.0001, "device": "cpu", "seed": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_digits):
    config = DEFAULT | {"channels": [4, 6, 6], "hidden": 12, "epochs": 2, "batch": 20, "rate": 0.01}
    folder = tmp_path_factory.mktemp("classifier")
    return config, folder, studies.run(classifier, folder, config, small_digits)


def test_two_trainings_give_the_same_bytes(trained, small_digits, tmp_path):
    config, first, _ = trained
    studies.run(classifier, tmp_path, config, small_digits)
    assert studies.Files(first).all() == studies.Files(tmp_path).all()


def test_a_batch_beyond_the_memory_is_refused(small_digits, tmp_path):
    many = {
        name: np.resize(array, (10_000, *array.shape[1:])) for name, array in small_digits.items()
    }
    with pytest.raises(InputError, match="numbers in memory at once") as caught:
        studies.run(
            classifier, tmp_path, DEFAULT | {"channels": [512, 1, 1], "batch": 10_000}, many
        )
    assert caught.value.key == "classifier.batch"


def test_another_seed_gives_other_weights(trained, small_digits, tmp_path):
    config, first, _ = trained
    studies.run(classifier, tmp_path, config | {"seed": 2}, small_digits)
    assert studies.Files(first).model.read_bytes() != studies.Files(tmp_path).model.read_bytes()


def test_the_measurements_describe_the_training(trained, small_digits):
    config, folder, values = trained
    network = storage.load_network(studies.Files(folder).model, config)
    data = studies.scaled(small_digits)
    with torch.no_grad():
        given = network(torch.from_numpy(data.test_images)).argmax(1).numpy()
    assert values["test_correct"] == int((given == data.test_labels).sum())
    assert values["test_correct"] + values["test_wrong"] == values["test_images"] == 30
    assert values["last_epoch_loss"] < values["first_epoch_loss"]
    assert values["parameters"] == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("labels_on", ["meta", "cpu"])
def test_an_epoch_stays_on_its_device(small_classifier, labels_on):
    """On a fake device, which has shapes and places but no numbers; a label left behind is noticed."""
    with FakeTensorMode(), torch.device("meta"):
        network = storage.new_network(small_classifier)
        x, y = torch.empty(50, 1, 28, 28), torch.empty(50, dtype=torch.int64, device=labels_on)
        adam, batches = Adam(network.parameters()), torch.arange(50).split(20)
        if labels_on == "cpu":
            with pytest.raises(RuntimeError, match="same device"):
                cnn.one_epoch(network, adam, x, y, batches, [0.1] * 3)
        else:
            assert cnn.one_epoch(network, adam, x, y, batches, [0.1] * 3).device.type == "meta"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused(small_classifier, small_digits, tmp_path):
    with pytest.raises(InputError, match="finds no GPU") as caught:
        studies.run(classifier, tmp_path, small_classifier | {"device": "cuda"}, small_digits)
    assert caught.value.key == "classifier.device"


def test_weights_come_back_bit_for_bit(tmp_path, small_classifier):
    network = storage.new_network(small_classifier)
    storage.save_network(tmp_path / "w.safetensors", network)
    back = storage.load_network(tmp_path / "w.safetensors", small_classifier)
    assert list(back.state_dict()) == list(network.state_dict())
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, back.state_dict()[name])
    assert not back.training


def test_the_untrained_network_is_the_one_that_training_began_with(small_classifier):
    trained, untrained = (
        storage.new_network(small_classifier), storage.untrained_network(small_classifier)
    )  # fmt: skip
    images, labels = np.zeros((1, 1, 28, 28), np.float32), np.zeros(1, int)
    cnn.train(trained, images, labels, epochs=1, batch=1, rate=1e-9, seed=small_classifier["seed"])
    for name, weight in untrained.state_dict().items():
        torch.testing.assert_close(weight, trained.state_dict()[name], atol=1e-7, rtol=0)


def test_a_network_that_leaves_no_pixel_is_refused_with_its_key(small_classifier):
    with pytest.raises(InputError) as caught:
        storage.new_network({**small_classifier, "kernels": [11, 11, 11]})
    assert caught.value.key == "classifier.kernels"


# -- a confusion made by hand ----------------------------------------------------------------------

TRUE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
GIVEN = [0, 1, 2, 3, 4, 9, 6, 7, 8, 7]  # a 5 taken for a 9, a 9 for a 7


def measured(monkeypatch, true, given) -> dict:
    """What the job measures of a network that gives these labels."""
    monkeypatch.setattr(cnn, "predict", lambda network, images: np.eye(10)[given])
    labels = np.array(true)
    digits = storage.Digits(None, None, np.zeros((len(true), 1, 28, 28), np.float32), labels)
    history = [cnn.Epoch(1, 2.0, 0.3), cnn.Epoch(2, 0.5, 0.9)]
    return classifier.measure(storage.new_network(DEFAULT), history, digits)


def test_a_confusion_made_by_hand(monkeypatch):
    values = measured(monkeypatch, TRUE, GIVEN)
    expected = np.eye(10, dtype=int)
    expected[5, 5] = expected[9, 9] = 0
    expected[5, 9] = expected[9, 7] = 1
    assert np.array_equal(values["confusion"], expected)
    assert (values["test_correct"], values["test_wrong"], values["test_accuracy"]) == (8, 2, 0.8)
    # Wilson (1927) for 8 of 10: 0.490 to 0.943
    assert values["test_accuracy_low"] == pytest.approx(0.4902, abs=5e-5)
    assert values["test_accuracy_high"] == pytest.approx(0.9433, abs=5e-5)
    assert (values["first_epoch_loss"], values["last_epoch_loss"]) == (2.0, 0.5)
    assert values["last_epoch_training_accuracy"] == 0.9


def test_rows_are_true_labels_and_columns_given_ones(monkeypatch):
    values = measured(monkeypatch, [5, 5, 5, 9, 9], [9, 9, 5, 9, 5])
    confusion = values["confusion"]
    assert (confusion[5, 9], confusion[9, 5]) == (2, 1)
    assert values["most_confused"] == {"true": 5, "given": 9, "count": 2}


def test_no_confusion_at_all(monkeypatch):
    values = measured(monkeypatch, TRUE, TRUE)
    assert values["most_confused"]["count"] == values["test_wrong"] == 0
    assert values["test_accuracy_high"] == pytest.approx(1.0)
    figure = classifier.draw_confusion(values["confusion"])
    classifier.figures.plt.close(figure)


def test_what_the_default_network_never_reads(monkeypatch):
    values = measured(monkeypatch, TRUE, TRUE)
    assert values["parameters"] == 93_322
    # 28 → 26 → 13 → 11 → 5 (of 10 rows) → 3: the last row read is 2·(2·4 + 1 + 2) + 1 + 2 = 25
    assert list(values["unread_rows"]) == list(values["unread_columns"]) == [26, 27]


def test_weights_that_do_not_fit_raise_what_the_runner_understands(tmp_path, small_classifier):
    network = storage.new_network(small_classifier)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # bytes in a file: a small disk
    try:
        with pytest.raises(OSError):
            storage.save_network(tmp_path / "weights.safetensors", network)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
