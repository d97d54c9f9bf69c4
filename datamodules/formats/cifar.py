"""The Python batches of CIFAR-10 and CIFAR-100 (Krizhevsky 2009)."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.origin import origin_of

PUBLISHED = {"train": 50_000, "test": 10_000}


class _Arrays(pickle.Unpickler):
    """Reads containers and numpy arrays, nothing that runs code."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.numeric", "_frombuffer"),
            ("numpy.core.numeric", "_frombuffer"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return super().find_class(module, name)


def read_batch(path: Path) -> dict[str, Any]:
    """A CIFAR batch file as a dict with text keys.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged, or holding anything but containers and arrays.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        content = _Arrays(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
    ) as error:
        raise ValueError(f"{path} is no CIFAR batch and was not loaded: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no CIFAR batch: it holds a {type(content).__name__}")
    return {k.decode() if isinstance(k, bytes) else k: v for k, v in content.items()}


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
        data = np.asarray(batch.get("data"))
        if data.ndim != 2 or data.shape[1] != 3072 or data.dtype != np.uint8 or labels_name not in batch:
            raise ValueError(
                f"{folder / file} is no batch of {name}: it needs data (N, 3072) uint8 and {labels_name}"
            )
        images.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(np.asarray(batch[labels_name], dtype=np.int64))
    pixels, classes = np.concatenate(images), np.concatenate(labels)
    if len(pixels) != len(classes) or classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(
            f"{folder}: {len(pixels)} images, {len(classes)} labels in {classes.min()}..{classes.max()}"
        )
    return ArraySet(name, pixels, classes, origin_of(folder, len(pixels), PUBLISHED[part]), f"{part}/")
