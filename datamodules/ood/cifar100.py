"""CIFAR-100 (Krizhevsky 2009) as an OoD set: the test batch alone, or class folders of its images."""

from __future__ import annotations

from pathlib import Path

from datamodules.formats.folders import folder_set
from datamodules.imagesets.base import ImageSet
from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision
from datamodules.registry import DATAMODULES


def _there(folder: Path) -> bool:
    batch = (folder / "test").is_file() and (folder / "meta").is_file()
    return batch or folder.name == "cifar100_test"


def _read(folder: Path) -> ImageSet:
    if (folder / "test").is_file():
        images: ImageSet = DATAMODULES["cifar100"].part(folder, "test")
        return images
    return folder_set("cifar100", folder, 10_000)


CIFAR100 = OODSet(
    name="cifar100",
    description="CIFAR-100, 10,000 test images",
    folders=("cifar-100-python", "cifar100_test", "cifar100"),
    source="https://www.cs.toronto.edu/~kriz/cifar.html (or --download)",
    layout="cifar-100-python/test, or class folders in cifar100_test/",
    there=_there,
    read=_read,
    fetch=from_torchvision("CIFAR100"),
)
