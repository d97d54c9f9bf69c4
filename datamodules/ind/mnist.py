"""MNIST (LeCun et al., 1998), and what the sets in its idx format share."""

from __future__ import annotations

from pathlib import Path

from datamodules.base import BenchmarkDataModule
from datamodules.formats.idx import idx_files_there, idx_part
from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import hold_out


class IdxDataModule(BenchmarkDataModule):
    """54,000 fit, 6,000 validate, the official 10,000 test; grey, 28 x 28."""

    task = "classification"
    channels = 1
    image_size = (28, 28)
    default_network = "lenet"
    miniature_network = "lenet"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return idx_files_there(folder) and folder.name in cls.folders

    @classmethod
    def part(cls, folder: Path, part: str) -> ArraySet:
        """Official "train" or "test"."""
        return idx_part(cls.name, folder, part)

    def split(self, folder: Path) -> dict[str, ImageSet]:
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "test")}

    @property
    def augment(self) -> None:
        """None, as in the FSSD authors' recipe for FashionMNIST."""
        return None


class MNISTDataModule(IdxDataModule):
    """Normalised by mean .5 and deviation .5 to [-1, 1], as VMDLS does; not by MNIST's own constants."""

    name = "mnist"
    class_names = tuple("0123456789")
    mean = (0.5,)
    std = (0.5,)
    folders = ("MNIST", "mnist")
    layout = "MNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte"
    source = "http://yann.lecun.com/exdb/mnist (or --download)"
    outliers = ("cifar10", "300k-random-images", "cifar100", "fashion-mnist", "textures")

    @classmethod
    def fetch(cls, root: Path) -> None:
        from torchvision.datasets import MNIST

        MNIST(root, download=True)
