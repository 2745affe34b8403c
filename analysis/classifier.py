"""Train the convolutional network on the digits and test it."""

from types import SimpleNamespace

import numpy as np
import torch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis import drawing
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.bounds import hold
from analysis.maths.shares import wilson
from workings import figures, measurements
from workings.measurements import Record, record
from workings.messages import InputError, say

CONFIDENCE = 0.95  # of the interval around the test accuracy


def measure(
    network: torch.nn.Sequential, history: list[cnn.Epoch], digits: storage.Digits
) -> Record:
    """The test accuracy with its interval, the learning curves, the network's size and reach."""
    given = cnn.predict(network, digits.test_images).argmax(axis=1)  # (N,)
    true = digits.test_labels
    confusion = np.bincount(10 * true + given, minlength=100).reshape(10, 10)
    correct = int((given == true).sum())
    low, high = wilson(correct, len(true), CONFIDENCE)
    wrong = confusion - np.diag(np.diag(confusion))
    worst = np.unravel_index(wrong.argmax(), wrong.shape)
    _, unread = cnn.receptive_field(network, digits.test_images.shape[-1])
    return record(
        parameters=cnn.parameters(network),
        test_images=len(true),
        test_correct=correct,
        test_wrong=len(true) - correct,
        test_accuracy=correct / len(true),
        confidence=CONFIDENCE,
        test_accuracy_low=low,
        test_accuracy_high=high,
        first_epoch_loss=history[0].loss,
        last_epoch_loss=history[-1].loss,
        last_epoch_training_accuracy=history[-1].accuracy,
        confusion=confusion,
        most_confused=record(true=worst[0], given=worst[1], count=wrong[worst]),
        unread_rows=unread,
        unread_columns=unread,
    )


def draw_curves(history: list[cnn.Epoch], accuracy: list[float]):
    """Training loss, and training and test error, against the epoch."""
    figure, (left, right) = figures.new("text", 42.0, ncols=2)
    epochs = np.arange(1, len(history) + 1)
    left.plot(epochs, [epoch.loss for epoch in history], marker="o")
    left.set(title="Training loss", xlabel="epoch", yscale="log", xticks=_ticks(epochs))
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    left.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    left.yaxis.set_minor_locator(NullLocator())
    for values, name, look in (
        ([100 * (1 - epoch.accuracy) for epoch in history], "training", "o-"),
        ([100 * (1 - a) for a in accuracy], "test", "s--"),
    ):
        right.plot(epochs, values, look, label=name)
    right.legend(labelcolor="linecolor")
    right.set(title="Error in %", xlabel="epoch", xticks=_ticks(epochs), ylim=(0, None))
    return figure


def _ticks(epochs: np.ndarray) -> np.ndarray:
    return epochs[:: max(1, len(epochs) // 8)]


def draw_confusion(confusion: np.ndarray):
    """Counts of true label × given label; the diagonal is left pale so that errors stand out."""
    errors = confusion - np.diag(np.diag(confusion))
    most = max(1, errors.max())

    def ink(true: int, given: int) -> str:
        if true == given:
            return figures.GREY
        return "white" if errors[true, given] > 0.6 * errors.max() else "black"

    colours = figures.signed(most)
    return drawing.label_table(confusion, errors, 60.0, "label given", ink, **colours)


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["classifier"]
    if chosen["device"] == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "cuda; PyTorch finds no GPU on this machine that it can use; cpu, or auto, is right here",
            key="classifier.device",
        )
    digits = storage.load_digits(inputs.digits)
    network = storage.new_network(chosen)
    pixels = digits.test_images.shape[-1]
    cells = [
        field.cells for field in cnn.receptive_field(network, pixels)[0] if "Conv2d" in field.layer
    ]
    each = sum(c * n**2 for c, n in zip(chosen["channels"], cells, strict=True))
    hold(each * min(chosen["batch"], len(digits.train_images)), chosen["batch"], "classifier.batch")
    test_accuracy = []

    def after(epoch: cnn.Epoch) -> None:
        given = cnn.predict(network, digits.test_images).argmax(axis=1)
        test_accuracy.append(float((given == digits.test_labels).mean()))
        line = f"loss {epoch.loss:.4f}, test accuracy {100 * test_accuracy[-1]:.2f} %"
        say(f"Epoch {len(test_accuracy)} of {chosen['epochs']}: {line}")

    history = cnn.train(
        network,
        digits.train_images,
        digits.train_labels,
        **{key: chosen[key] for key in ("epochs", "batch", "rate", "final_rate", "seed", "device")},
        progress=after,
    )
    values = measure(network, history, digits)
    storage.save_network(outputs.model, network)
    measurements.write(outputs.measurements, values)
    figures.save(draw_curves(history, test_accuracy), outputs.figure)
    figures.save(draw_confusion(values["confusion"]), outputs.confusion)
