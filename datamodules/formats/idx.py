"""The idx format of MNIST (LeCun et al., 1998), which FashionMNIST and KMNIST share."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.origin import origin_of

FILES = {"train": "train", "test": "t10k"}
PUBLISHED = {"train": 60_000, "test": 10_000}


LARGEST = 2**30
"""Bytes of the largest array that is read."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An idx file (plain, or gzipped beside it) as an array. No more is decompressed than the header promises.

    Raises:
        FileNotFoundError: neither exists. ValueError: not of the length its header says, more than `LARGEST`, or
            a damaged gzip file.
    """
    zipped = path.with_name(path.name + ".gz")
    if path.is_file():
        with path.open("rb") as file:
            return _read(file, path)
    if not zipped.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with gzip.open(zipped) as file:
            return _read(cast("IO[bytes]", file), zipped)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{zipped} is no whole gzip file: {error}; copy or download it again") from None


def _read(file: IO[bytes], path: Path) -> NDArray[np.uint8]:
    start = file.read(4)
    if len(start) < 4 or start[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no idx file of unsigned bytes")
    sizes = file.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise ValueError(f"{path} is truncated: its header is not whole")
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    promised = math.prod(shape)
    if promised > LARGEST:
        raise ValueError(f"{path} is to hold {promised} bytes, {shape}; at most {LARGEST >> 30} GiB is read")
    data = file.read(promised + 1)
    if len(data) < promised:
        raise ValueError(f"{path} is truncated: {len(data)} bytes instead of {promised}")
    if len(data) > promised:
        raise ValueError(f"{path} holds more than the {promised} bytes that its header promises")
    return np.frombuffer(data, np.uint8).reshape(shape)


def idx_files_there(folder: Path) -> bool:
    """Whether a folder holds raw/t10k-images-idx3-ubyte, plain or gzipped."""
    return any((folder / "raw" / f"t10k-images-idx3-ubyte{end}").is_file() for end in ("", ".gz"))


def idx_part(name: str, folder: Path, part: str, num_classes: int = 10) -> ArraySet:
    """Official "train" or "test" of a set in MNIST's format: (N, 28, 28, 1).

    Raises:
        FileNotFoundError, ValueError: see `read_idx`; also another number of labels than images, no images and labels,
            or a label out of range.
    """
    stem = folder / "raw" / FILES[part]
    images = read_idx(Path(f"{stem}-images-idx3-ubyte"))
    labels = read_idx(Path(f"{stem}-labels-idx1-ubyte"))
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    if images.ndim != 3 or labels.ndim != 1:
        raise ValueError(
            f"{stem}: images {images.shape}, labels {labels.shape} instead of (N, H, W) and (N,)"
        )
    if len(labels) and labels.max() >= num_classes:
        raise ValueError(
            f"{stem}-labels-idx1-ubyte holds label {labels.max()}, which is none of 0..{num_classes - 1}"
        )
    return ArraySet(
        name, images[..., None], labels, origin_of(folder, len(images), PUBLISHED[part]), f"{part}/"
    )
