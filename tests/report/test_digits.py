"""The digits: the embedded subset is whole, a damaged file is named, the full set is found."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis import digits
from analysis.data import storage
from analysis.data.make_subset import first_of_each_class, read_idx, write_idx
from tests.report import studies
from workings import measurements
from workings.messages import InputError

pytestmark = pytest.mark.usefixtures("in_root")

IDX = {
    "train-images-idx3-ubyte": "train_images",
    "train-labels-idx1-ubyte": "train_labels",
    "t10k-images-idx3-ubyte": "test_images",
    "t10k-labels-idx1-ubyte": "test_labels",
}
EMBEDDED = [f"analysis/data/{name}.gz" for name in IDX]
CHOSEN = {
    "dataset": "MNIST",
    "source": "embedded",
    "folder": "nowhere",
    "training_images": None,
    "test_images": None,
}


def run(to: Path, **changes) -> tuple[storage.Digits, dict]:
    files = studies.Files(to)
    digits.main({"digits": CHOSEN | changes}, SimpleNamespace(embedded=EMBEDDED), files)
    return storage.load_digits(files.digits), measurements.read(files.measurements)


# -- the embedded subset ---------------------------------------------------------------------------


def test_the_embedded_files_have_their_sums():
    sums = dict(line.split()[::-1] for line in digits.SUMS.read_text().splitlines())
    assert sorted(sums) == sorted(Path(file).name for file in EMBEDDED)
    for file in map(Path, EMBEDDED):
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sums[file.name]


def test_the_subset_is_stratified_and_read_as_it_stands(tmp_path):
    data, values = run(tmp_path)
    assert data.train_images.shape == (6000, 1, 28, 28) and data.test_images.shape[0] == 1000
    assert np.bincount(data.train_labels).tolist() == [600] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert data.train_images.dtype == np.float32
    assert (data.train_images.min(), data.train_images.max()) == (0.0, 1.0)
    # against a reading of the files that knows nothing of torchvision
    for file in map(Path, EMBEDDED):
        content = read_idx(gzip.decompress(file.read_bytes()))
        ours = getattr(data, IDX[file.stem])
        assert np.array_equal(
            content / np.float32(255) if ours.ndim > 1 else content, ours.squeeze()
        )

    assert (values["training_images"], values["test_images"]) == (6000, 1000)
    for part, count in (("training", 600), ("test", 100)):
        assert values[f"fewest_{part}_images_of_a_class"] == count
        assert values[f"most_{part}_images_of_a_class"] == count
    assert values["mean_grey"] == pytest.approx(data.train_images.mean(dtype=float), rel=1e-6)
    assert values["share_of_pixels_with_ink"] == pytest.approx((data.train_images > 0).mean())


def test_only_the_first_images_can_be_asked_for(tmp_path):
    data, values = run(tmp_path, training_images=300, test_images=80)
    assert (len(data.train_labels), len(data.test_labels)) == (300, 80)
    assert (values["training_images"], values["test_images"]) == (300, 80)


def test_too_few_images_for_every_class_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"^10; not every class is among") as caught:
        run(tmp_path, training_images=10)
    assert caught.value.key == "digits.training_images"


def test_another_data_set_is_not_embedded(tmp_path):
    with pytest.raises(InputError, match=r"^KMNIST; only MNIST is embedded") as caught:
        run(tmp_path, dataset="KMNIST")
    assert caught.value.key == "digits.dataset"


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, damage, place):
    files = [shutil.copy(file, tmp_path) for file in EMBEDDED]
    file = Path(files[place])
    content = bytearray(file.read_bytes())
    if damage == "truncated":
        file.write_bytes(content[:-7])
    elif damage == "changed":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        file.write_bytes(b"")
    word = "damaged: its sha256 is "
    with pytest.raises(InputError, match=rf"{file.name}: {word}.*'git checkout .*{file.name}'"):
        digits.check_sums(files)


# -- the whole set ---------------------------------------------------------------------------------


def lay_out(folder: Path, arrays: dict, packed: bool = False, dotted: bool = False) -> Path:
    """The four IDX files of these arrays in a folder."""
    folder.mkdir(parents=True)
    for name, array in IDX.items():
        name, content = name.replace("-idx", ".idx") if dotted else name, write_idx(arrays[array])
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_in_the_folder_are_found(tmp_path, small_digits, packed, dotted):
    folder = lay_out(tmp_path / "idx", small_digits, packed, dotted)
    data, _ = run(tmp_path, source="full", folder=str(folder))
    assert np.array_equal(np.round(data.train_images[:, 0] * 255), small_digits["train_images"])
    assert np.array_equal(data.test_labels, small_digits["test_labels"])
    assert len(list(folder.iterdir())) == 4  # and left as it was


def test_torchvisions_own_folder_is_found(tmp_path, small_digits):
    lay_out(tmp_path / "root/MNIST/raw", small_digits)
    data, _ = run(tmp_path, source="full", folder=str(tmp_path / "root"))
    assert np.array_equal(data.train_labels, small_digits["train_labels"])


@pytest.fixture
def no_network(monkeypatch):
    """torchvision's download fails as it does without a network."""
    from urllib.error import URLError

    def refuse(*arguments, **options):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr(digits.torchvision_datasets().mnist, "download_and_extract_archive", refuse)


@pytest.mark.usefixtures("no_network")
def test_no_files_and_no_network_is_one_clear_message(tmp_path):
    with pytest.raises(InputError, match="could not read or download MNIST") as caught:
        run(tmp_path, source="full", folder=str(tmp_path / "none"))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'none'}: ")
    assert "train-images-idx3-ubyte" in said and "digits.source: embedded" in said
    assert caught.value.key == "digits.folder"
    assert not (tmp_path / "none").exists()


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("/", "but others, so nothing is downloaded into it"),
        (".", "but others"),
        ("full", "but others"),
        ("file", "is a file; a folder is right"),
        ("file/below", "file is a file; a folder is right"),
        ("locked/below", "cannot be written, since .*locked cannot"),
    ],
)
def test_nothing_is_written_into_a_folder_that_is_not_right(tmp_path, monkeypatch, folder, said):
    for name in ("full", "locked"):
        (tmp_path / name).mkdir()
    for name in ("full/thesis.tex", "file"):
        (tmp_path / name).write_text("mine")
    honest = os.access  # which lets root write anywhere
    monkeypatch.setattr(os, "access", lambda p, mode: p.name != "locked" and honest(p, mode))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=said) as caught:
        digits.load("MNIST", Path(folder))
    assert caught.value.key == "digits.folder"
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_downloaded_is_put_there_whole(tmp_path, small_digits, monkeypatch):
    def download(url, download_root, filename, md5):
        folder = Path(download_root)
        if not any(folder.iterdir()):
            for name, array in IDX.items():
                (folder / name).write_bytes(write_idx(small_digits[array]))

    mnist = digits.torchvision_datasets().mnist
    monkeypatch.setattr(mnist, "download_and_extract_archive", download)
    (tmp_path / "idx").mkdir()
    for _ in range(2):  # the second time from there
        arrays = digits.load("MNIST", tmp_path / "idx")
        assert np.array_equal(arrays["test_labels"], small_digits["test_labels"])
        monkeypatch.delattr(mnist, "download_and_extract_archive", raising=False)
    assert len(list((tmp_path / "idx/MNIST/raw").iterdir())) == 4


@pytest.mark.parametrize("fault", ["32 pixels", "a label too few", "a label of 10"])
def test_files_of_another_kind_are_refused(tmp_path, small_digits, fault):
    changed = dict(small_digits)
    if fault == "32 pixels":
        changed["test_images"] = np.zeros((30, 32, 32), np.uint8)
    elif fault == "a label too few":
        changed["train_labels"] = changed["train_labels"][:-1]
    else:
        changed["test_labels"] = changed["test_labels"] + np.uint8(1)
    folder = lay_out(tmp_path / "idx", changed)
    with pytest.raises(InputError, match="as many pictures of 28 × 28 pixels as labels") as caught:
        run(tmp_path, source="full", folder=str(folder))
    assert caught.value.key == "digits.folder"


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("fault", ["one missing", "truncated", "not gzip", "half a gzip"])
def test_an_incomplete_folder_is_one_clear_message(tmp_path, small_digits, fault):
    folder = lay_out(tmp_path / "idx", small_digits)
    labels = folder / "t10k-labels-idx1-ubyte"
    if fault == "truncated":
        labels.write_bytes(labels.read_bytes()[:-5])
    else:
        labels.unlink()
    if fault == "not gzip":
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"<html>not found</html>")
    if fault == "half a gzip":
        packed = gzip.compress(write_idx(small_digits["test_labels"]))
        (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(packed[:-12])
    word = "missing; " if fault == "one missing" else "damaged "
    with pytest.raises(InputError, match=rf"{labels.name}[.gz]*: {word}") as caught:
        run(tmp_path, source="full", folder=str(folder))
    assert caught.value.key == "digits.folder"


def test_torchvision_is_imported_beside_this_torch():
    code = (
        "from analysis.digits import torchvision_datasets as t\n"
        "import sys\n"
        "assert 'torchvision' not in sys.modules\n"  # only when it is asked for
        "print(t().MNIST.__name__, t() is t())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "MNIST True"), done.stderr


# -- files -----------------------------------------------------------------------------------------


def test_idx_round_trip_and_format():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = write_idx(array)
    assert content[:16] == bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4])
    assert np.array_equal(read_idx(content), array)


def test_the_first_of_each_class_in_the_files_order():
    labels = np.array([*range(10), *range(10), 3, *range(10)])
    assert first_of_each_class(labels, 2).tolist() == list(range(20))
    assert first_of_each_class(np.array([1, *range(10)]), 1).tolist() == [0, 1, *range(3, 11)]


def test_an_example_of_a_class(tmp_path, small_digits):
    storage.save_digits(tmp_path / "d.npz", small_digits)
    data = storage.load_digits(tmp_path / "d.npz")
    assert storage.example_of(data, 6, 2, "k") == 26
    with pytest.raises(
        InputError, match="3; the test images hold 3 of the digit 6, so a number from 0 to 2"
    ) as caught:
        storage.example_of(data, 6, 3, "occlusion.example")
    assert caught.value.key == "occlusion.example"
