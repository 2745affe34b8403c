"""Make the embedded subset from the four full MNIST files: `python make_subset.py FOLDER`.

6,000 training and 1,000 test images, the same number of each class (600 and 100), the first ones
of each class in the file's own order and kept in that order, gzipped without a date. SHA256SUMS
lists what came out.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np

PER_CLASS = {"train": 600, "t10k": 100}
FULL = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def read_idx(content: bytes) -> np.ndarray:
    """An unsigned-byte IDX file: magic 0x08 and the rank, the sizes, then the bytes."""
    rank = content[3]
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


def write_idx(array: np.ndarray) -> bytes:
    """The inverse of `read_idx`."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """The indices of the first `count` of each class, in rising order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in range(10)]))


def main() -> None:
    source, here = Path(sys.argv[1]), Path(__file__).parent
    sums = []
    for part, count in PER_CLASS.items():
        arrays = {}
        for kind in ("images-idx3", "labels-idx1"):
            name = f"{part}-{kind}-ubyte"
            content = (source / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != FULL[name]:
                sys.exit(f"{source / name}: not the MNIST file (its sha256 differs)")
            arrays[name] = read_idx(content)
        chosen = first_of_each_class(arrays[f"{part}-labels-idx1-ubyte"], count)
        for name, array in arrays.items():
            packed = gzip.compress(write_idx(array[chosen]), 9, mtime=0)
            (here / f"{name}.gz").write_bytes(packed)
            sums.append(f"{hashlib.sha256(packed).hexdigest()}  {name}.gz\n")
    (here / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
