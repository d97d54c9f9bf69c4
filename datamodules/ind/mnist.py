"""MNIST (LeCun et al., 1998), and what the sets in its idx format share."""

from __future__ import annotations

from pathlib import Path

from datamodules.base import BenchmarkDataModule, hold_out
from datamodules.formats.reading import read_idx
from datamodules.imagesets.base import ArraySet, ImageSet
from datamodules.locate import origin_of

FILES = {"train": "train", "test": "t10k"}
PUBLISHED = {"train": 60_000, "test": 10_000}


def idx_files_there(folder: Path) -> bool:
    """Whether a folder holds raw/t10k-images-idx3-ubyte, plain or gzipped."""
    return any((folder / "raw" / f"t10k-images-idx3-ubyte{end}").is_file() for end in ("", ".gz"))


def idx_part(name: str, folder: Path, part: str) -> ArraySet:
    """Official "train" or "test" of a set in MNIST's format: (N, 28, 28, 1)."""
    stem = folder / "raw" / FILES[part]
    images = read_idx(Path(f"{stem}-images-idx3-ubyte"))
    labels = read_idx(Path(f"{stem}-labels-idx1-ubyte"))
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} {part} images but {len(labels)} labels")
    return ArraySet(
        name, images[..., None], labels, origin_of(folder, len(images), PUBLISHED[part]), f"{part}/"
    )


class IdxDataModule(BenchmarkDataModule):
    """54,000 fit, 6,000 validate, the official 10,000 test; grey, 28 x 28."""

    task = "classification"
    channels = 1
    default_size = (28, 28)

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

    @classmethod
    def fetch(cls, root: Path) -> None:
        from torchvision.datasets import MNIST

        MNIST(root, download=True)
