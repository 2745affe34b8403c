"""Load the handwritten digits through torchvision, from the embedded subset or the whole set."""

import gzip
import math
import os
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from analysis import drawing
from analysis.data import storage
from workings import figures, measurements
from workings.build.files import is_full
from workings.build.store import sum_of
from workings.measurements import Record, record
from workings.messages import InputError, say

SUMS = Path("analysis/data/SHA256SUMS")
PARTS = ("train", "test")
IDX = [
    f"{part}-{kind}"
    for part in ("train", "t10k")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
]


def torchvision_datasets():
    """`torchvision.datasets`, also beside a build of torch that its compiled operators don't fit.

    torchvision registers a fake kernel for `nms` when it is imported, which fails when the
    compiled operators were not loaded (their library links CUDA, and this torch is a CPU build).
    Data sets need none of them, so declaring the two names is enough; where the compiled
    operators do load, the import succeeds the first time and nothing is declared.
    """
    import torch

    try:
        from torchvision import datasets
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        import sys

        for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torchvision_datasets.library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            torchvision_datasets.library.define(operator + schema)
        from torchvision import datasets
    return datasets


def check_sums(files: list[str]) -> None:
    """Hold the embedded files against their sums.

    Raises:
        InputError: a file is truncated or changed.
    """
    sums = {name: digest for digest, name in map(str.split, SUMS.read_text().splitlines())}
    for file in map(Path, files):
        digest = sum_of(file)
        if digest != sums[file.name]:
            raise InputError(
                f"{file}: damaged: its sha256 is {digest[:12]}…, {SUMS} says "
                f"{sums[file.name][:12]}…; 'git checkout {file}' brings it back"
            )


def read(dataset: str, root: Path, download: bool) -> dict[str, np.ndarray]:
    """Images, N × 28 × 28 bytes, and labels, N, of both parts of torchvision's data set of that name.

    EMNIST is read in its split of ten digits, its images turned the way MNIST's are.
    """
    kind = getattr(torchvision_datasets(), dataset)
    options = {"split": "digits"} if dataset == "EMNIST" else {}
    arrays = {}
    for part in PARTS:
        data = kind(str(root), train=part == "train", download=download, **options)
        images = data.data.numpy()
        if dataset == "EMNIST":
            images = images.transpose(0, 2, 1)
        arrays[f"{part}_images"] = np.ascontiguousarray(images)
        arrays[f"{part}_labels"] = data.targets.numpy().astype(np.uint8)
    return arrays


def load(dataset: str, folder: Path) -> dict[str, np.ndarray]:
    """All images of `dataset`: found in `folder`, or downloaded there by torchvision.

    The folder is torchvision's root (with MNIST/raw/ inside), or holds the IDX files themselves,
    packed or not. What is downloaded is put into it when it is whole.

    Raises:
        InputError: the files are not there and cannot be downloaded, or are damaged.
    """
    try:
        if (folder / dataset).is_dir():
            return read(dataset, folder, download=True)
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            if any(found(folder, name) for name in IDX):
                _lay_out(folder, root / dataset / "raw")
                return read(dataset, root, download=False)
            check_new(folder)
            arrays = read(dataset, root, download=True)
            shutil.copytree(root / dataset, folder / dataset)
            return arrays
    except (OSError, RuntimeError, EOFError, ValueError, AssertionError, zlib.error) as error:
        if is_full(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{folder}: could not read or download {dataset} ({reason:.200}). Put its four IDX "
            f"files ({', '.join(IDX)}) into this folder, or set digits.source: embedded",
            key="digits.folder",
        ) from None


def check_new(folder: Path) -> None:
    """Hold a folder to be one that may be written into: empty or not there yet.

    Raises:
        InputError: it is a file, or holds other files, or lies where nothing may be written.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        reason = f"{there} is a file; a folder is right"
    elif there == folder and any(folder.iterdir()):
        reason = (
            f"holds none of the data set's four files ({', '.join(IDX)}), but others, so nothing is "
            "downloaded into it; the folder that holds them is right, or a new or an empty one"
        )
    elif not os.access(there, os.W_OK):
        reason = f"cannot be written, since {there} cannot; another folder is right"
    else:
        return
    raise InputError(f"{folder}: {reason}", key="digits.folder")


def _lay_out(folder: Path, raw: Path) -> None:
    """The IDX files of `folder`, unpacked, where torchvision looks for them.

    Raises:
        InputError: one of the four is missing or damaged.
    """
    raw.mkdir(parents=True)
    for name in IDX:
        file = found(folder, name)
        if file is None:
            raise InputError(
                f"{folder / name}: missing; the data set has four files: {', '.join(IDX)}",
                key="digits.folder",
            )
        try:
            content = file.read_bytes()
            if file.suffix == ".gz":
                content = gzip.decompress(content)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _damaged(file, " ".join(str(error).split())) from None
        axes = content[3] if len(content) > 3 else 0
        sizes = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes].ljust(4 * axes, b"\0"))
        declared = 4 + 4 * axes + math.prod(sizes)
        if len(content) != declared:
            raise _damaged(file, f"it holds {len(content)} bytes, its header says {declared}")
        (raw / name).write_bytes(content)


def found(folder: Path, name: str) -> Path | None:
    """The IDX file of that name, packed or not; "train-images.idx3-ubyte" is a name of it too."""
    dotted = name.replace("-idx", ".idx")
    names = (f"{one}{end}" for one in (name, dotted) for end in ("", ".gz"))
    return next((folder / one for one in names if (folder / one).is_file()), None)


def _damaged(file: Path, reason: str) -> InputError:
    return InputError(
        f"{file}: damaged ({reason}); copy it again, or remove the files to download them",
        key="digits.folder",
    )


def measure(arrays: dict[str, np.ndarray]) -> Record:
    """How many images there are, of which classes, and how much of them is ink."""
    images = arrays["train_images"]
    train, test = (np.bincount(arrays[f"{part}_labels"], minlength=10) for part in PARTS)
    return record(
        training_images=int(train.sum()),
        test_images=int(test.sum()),
        rows=images.shape[1],
        columns=images.shape[2],
        fewest_training_images_of_a_class=int(train.min()),
        most_training_images_of_a_class=int(train.max()),
        fewest_test_images_of_a_class=int(test.min()),
        most_test_images_of_a_class=int(test.max()),
        share_of_pixels_with_ink=float((images > 0).mean()),
        mean_grey=float(images.mean() / 255.0),
    )


def draw(arrays: dict[str, np.ndarray]):
    """The first test image of each class over the mean training image of that class."""
    figure, axes = figures.new("text", 26.0, nrows=2, ncols=10)
    for label in range(10):
        training, test = (arrays[f"{p}_images"][arrays[f"{p}_labels"] == label] for p in PARTS)
        drawing.digit(axes[0, label], test[0] / 255.0)
        drawing.digit(axes[1, label], training.mean(axis=0) / 255.0)
    axes[0, 0].set_ylabel("first", fontsize=7)
    axes[1, 0].set_ylabel("mean", fontsize=7)
    return figure


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["digits"]
    if chosen["source"] == "embedded":
        if chosen["dataset"] != "MNIST":
            raise InputError(
                f"{chosen['dataset']}; only MNIST is embedded, so set digits.source: full for it",
                key="digits.dataset",
            )
        check_sums(inputs.embedded)
        arrays = load("MNIST", Path(inputs.embedded[0]).parent)
    else:
        say(f"Looking for {chosen['dataset']} in {chosen['folder']}, else downloading it")
        arrays = load(chosen["dataset"], Path(chosen["folder"]).expanduser())
    for part, key in (("train", "training_images"), ("test", "test_images")):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.shape != (len(labels), 28, 28) or labels.max(initial=0) > 9:
            raise InputError(
                f"{chosen['folder']}: the {part} files hold pictures of shape {images.shape} and "
                f"{len(labels)} labels up to {labels.max(initial=0)}; as many pictures of 28 × 28 "
                "pixels as labels from 0 to 9 are right",
                key="digits.folder",
            )
        arrays |= {f"{part}_images": images[: chosen[key]], f"{part}_labels": labels[: chosen[key]]}
        labels = labels[: chosen[key]]
        if len(np.unique(labels)) < 10:
            raise InputError(
                f"{len(labels)}; not every class is among the first so many images; "
                "a larger number, or null for all, is right",
                key=f"digits.{key}",
            )
    storage.save_digits(outputs.digits, arrays)
    measurements.write(outputs.measurements, measure(arrays))
    figures.save(draw(arrays), outputs.figure)
