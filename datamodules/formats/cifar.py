"""The Python batches of CIFAR-10 and CIFAR-100 (Krizhevsky 2009)."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.origin import origin_of

PUBLISHED = {"train": 50_000, "test": 10_000}


LARGEST = 2**29
"""Bytes of the largest batch that is read."""
_KINDS = {"u1": np.uint8, "i1": np.int8, "i4": np.int32, "i8": np.int64, "u8": np.uint64}
_CODECS = ("latin1", "latin-1")


class _Dtype:
    """What a pickle says of a dtype: a code such as "u1", and little-endian or not; anything further is refused."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = _text(code).lstrip("|<")

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("|", "<", b"|", b"<") or any(state[2:5]):
            raise pickle.UnpicklingError("an array has another dtype than integers")


class _Array:
    """What a pickle says of an array; `built` makes it."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)[1:]

    def built(self) -> NDArray[Any]:
        """The array, of integers, from its own bytes.

        Raises:
            UnpicklingError: not of integers, or of other bytes than its shape needs.
        """
        shape, kind, fortran, raw = self.state
        if not isinstance(kind, _Dtype) or kind.code not in _KINDS or not isinstance(raw, bytes | bytearray):
            raise pickle.UnpicklingError("it holds an array that is not of integers")
        dtype = np.dtype(_KINDS[kind.code])
        if not isinstance(shape, tuple) or len(shape) > 4 or not all(isinstance(n, int) for n in shape):
            raise pickle.UnpicklingError("it holds an array without a shape")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(raw):
            raise pickle.UnpicklingError(f"it holds an array of shape {shape} in {len(raw)} bytes")
        return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(raw: Any, kind: Any, shape: Any, order: str) -> _Array:
    array = _Array()
    array.state = (shape, kind, order == "F", bytes(raw))
    return array


def _encode(text: str, codec: str) -> bytes:
    if codec not in _CODECS:
        raise pickle.UnpicklingError(f"it holds text in {codec!r}")
    return text.encode("latin1")


def _text(value: Any) -> str:
    if not isinstance(value, bytes | str):
        raise pickle.UnpicklingError(f"it holds a {type(value).__name__} instead of a text")
    return value.decode("latin1") if isinstance(value, bytes) else value


class _Arrays(pickle.Unpickler):
    """Reads containers and what is said of arrays; nothing of the file runs code, numpy restores nothing."""

    STAND_INS: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.numeric", "_frombuffer"): _frombuffer,
        ("numpy.core.numeric", "_frombuffer"): _frombuffer,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.STAND_INS:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return self.STAND_INS[module, name]


def _check_sizes(data: bytes) -> None:
    """Raises UnpicklingError: a place in the memo beyond the file's length, for which memory would be taken."""
    for code, argument, _ in pickletools.genops(data):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise pickle.UnpicklingError(f"its memo has {argument} places in {len(data)} bytes")


def read_batch(path: Path) -> dict[str, Any]:
    """A CIFAR batch file as a dict with text keys; arrays are of integers.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged, larger than `LARGEST`, or holding anything but containers
            and arrays of integers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} is no CIFAR batch: it is larger than {LARGEST >> 20} MiB")
    data = path.read_bytes()
    try:
        _check_sizes(data)
        content = _Arrays(io.BytesIO(data), encoding="bytes").load()
        if isinstance(content, dict):
            content = {_text(k): v.built() if isinstance(v, _Array) else v for k, v in content.items()}
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as error:
        raise ValueError(f"{path} is no CIFAR batch and was not loaded: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no CIFAR batch: it holds a {type(content).__name__}")
    return content


def _labels(batch: dict[str, Any], name: str) -> NDArray[np.int64] | None:
    """(N,) labels, from a list or an array of integers; None: anything else."""
    found = batch.get(name)
    if isinstance(found, np.ndarray) and found.ndim == 1:
        return found.astype(np.int64)
    if isinstance(found, list) and all(isinstance(label, int) and abs(label) < 2**31 for label in found):
        return np.array(found, dtype=np.int64)
    return None


def cifar_part(
    name: str, folder: Path, part: str, batches: Sequence[str], labels_name: str, num_classes: int
) -> ArraySet:
    """ "train" or "test" of CIFAR-10 or CIFAR-100: (N, 32, 32, 3) from the batch files in a folder.

    Raises:
        FileNotFoundError: a batch is missing. ValueError: a file that is no such batch, or labels out of range.
    """
    images, labels = [], []
    for file in batches:
        batch = read_batch(folder / file)
        data, found = batch.get("data"), _labels(batch, labels_name)
        shaped = isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.shape[1:] == (3072,)
        if data is None or not shaped or found is None:
            raise ValueError(
                f"{folder / file} is no batch of {name}: it needs data (N, 3072) uint8 and {labels_name}"
            )
        images.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(found)
    pixels, classes = np.concatenate(images), np.concatenate(labels)
    if not len(pixels) or len(pixels) != len(classes):
        raise ValueError(f"{folder}: {len(pixels)} images, {len(classes)} labels")
    if classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(
            f"{folder}: {len(pixels)} images, {len(classes)} labels in {classes.min()}..{classes.max()}"
        )
    return ArraySet(name, pixels, classes, origin_of(folder, len(pixels), PUBLISHED[part]), f"{part}/")
