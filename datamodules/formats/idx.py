"""The idx format of MNIST (LeCun et al., 1998), which FashionMNIST and KMNIST share."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.origin import origin_of

FILES = {"train": "train", "test": "t10k"}
PUBLISHED = {"train": 60_000, "test": 10_000}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An idx file (plain, or gzipped beside it) as an array.

    Raises:
        FileNotFoundError: neither exists. ValueError: not of the length its header says.
    """
    zipped = path.with_name(path.name + ".gz")
    if path.is_file():
        data = path.read_bytes()
    elif zipped.is_file():
        data = gzip.decompress(zipped.read_bytes())
    else:
        raise FileNotFoundError(f"{path} does not exist")
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no idx file of unsigned bytes")
    dimensions = data[3]
    shape = np.frombuffer(data, ">u4", dimensions, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if values.size != int(shape.prod()):
        raise ValueError(f"{path} is truncated: {values.size} bytes instead of {int(shape.prod())}")
    return values.reshape(shape)


def idx_files_there(folder: Path) -> bool:
    """Whether a folder holds raw/t10k-images-idx3-ubyte, plain or gzipped."""
    return any((folder / "raw" / f"t10k-images-idx3-ubyte{end}").is_file() for end in ("", ".gz"))


def idx_part(name: str, folder: Path, part: str) -> ArraySet:
    """Official "train" or "test" of a set in MNIST's format: (N, 28, 28, 1).

    Raises:
        FileNotFoundError, ValueError: see `read_idx`; also another number of labels than images.
    """
    stem = folder / "raw" / FILES[part]
    images = read_idx(Path(f"{stem}-images-idx3-ubyte"))
    labels = read_idx(Path(f"{stem}-labels-idx1-ubyte"))
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    return ArraySet(
        name, images[..., None], labels, origin_of(folder, len(images), PUBLISHED[part]), f"{part}/"
    )
