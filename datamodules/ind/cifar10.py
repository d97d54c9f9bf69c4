"""CIFAR-10 (Krizhevsky 2009): the Python batches."""

from __future__ import annotations

from pathlib import Path

from datamodules.base import BenchmarkDataModule
from datamodules.formats.cifar import cifar_part
from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import hold_out

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}


class CIFAR10DataModule(BenchmarkDataModule):
    """45,000 fit, 5,000 validate, the official 10,000 test."""

    name = "cifar10"
    task = "classification"
    class_names = tuple(CLASSES)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2470, 0.2435, 0.2616)
    image_size = (32, 32)
    folders = ("cifar-10-batches-py", "cifar10/cifar-10-batches-py", "cifar10")
    layout = "cifar-10-batches-py/{data_batch_1..5,test_batch}"
    source = "https://www.cs.toronto.edu/~kriz/cifar.html (or --download)"
    default_network = "resnet18"
    miniature_network = "resnet18-small"
    outliers = ("300k-random-images", "cifar100", "places365", "textures")
    # OpenOOD v1.5's groups (Zhang et al., 2023).
    near = ("cifar100", "tiny-imagenet")
    far = ("mnist", "svhn", "textures", "places365")
    shift = ("cifar10-c-generated",)

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
