"""CIFAR-10 (Krizhevsky 2009): the Python batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.base import BenchmarkDataModule, hold_out
from datamodules.formats.reading import read_batch
from datamodules.imagesets.base import ArraySet, ImageSet
from datamodules.locate import origin_of

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
PUBLISHED = {"train": 50_000, "test": 10_000}


class CIFAR10DataModule(BenchmarkDataModule):
    """45,000 fit, 5,000 validate, the official 10,000 test. Pickles are read by an unpickler that knows
    arrays only.
    """

    name = "cifar10"
    task = "classification"
    class_names = tuple(CLASSES)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    default_size = (32, 32)
    folders = ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10")
    layout = "cifar-10-batches-py/{data_batch_1..5,test_batch}"
    source = "https://www.cs.toronto.edu/~kriz/cifar.html (or --download)"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return (folder / "test_batch").is_file() and (folder / "data_batch_1").is_file()

    @classmethod
    def fetch(cls, root: Path) -> None:
        from torchvision.datasets import CIFAR10

        CIFAR10(root, download=True)

    @classmethod
    def part(cls, folder: Path, part: str) -> ArraySet:
        """Official "train" or "test"."""
        return cifar_part(cls.name, folder, part, BATCHES[part], "labels", len(CLASSES))

    def split(self, folder: Path) -> dict[str, ImageSet]:
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "test")}


def cifar_part(
    name: str, folder: Path, part: str, batches: Sequence[str], labels_name: str, num_classes: int
) -> ArraySet:
    """ "train" or "test" of CIFAR-10 or CIFAR-100: (N, 32, 32, 3) from the batch files in a folder.

    Raises:
        ValueError: a file that is no such batch, or labels out of range.
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
