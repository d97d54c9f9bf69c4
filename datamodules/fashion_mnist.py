"""FashionMNIST (Xiao et al., 2017), and the other sets in MNIST's idx format."""

from __future__ import annotations

from pathlib import Path

from datamodules.base import BenchmarkDataModule, hold_out
from datamodules.imageset import ArraySet, ImageSet
from datamodules.locate import origin_of
from datamodules.reading import read_idx

CLASSES = "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot".split()
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


class FashionMNISTDataModule(BenchmarkDataModule):
    """54,000 fit, 6,000 validate, the official 10,000 test; grey, 28 x 28."""

    name = "fashion-mnist"
    task = "classification"
    class_names = tuple(CLASSES)
    mean = (0.2860,)
    std = (0.3530,)
    channels = 1
    default_size = (28, 28)
    folders = ("FashionMNIST", "fashion-mnist")
    layout = "FashionMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte"
    source = "https://github.com/zalandoresearch/fashion-mnist (or --download)"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return idx_files_there(folder) and folder.name in cls.folders

    @classmethod
    def fetch(cls, root: Path) -> None:
        from torchvision.datasets import FashionMNIST

        FashionMNIST(root, download=True)

    @property
    def augment(self) -> None:
        """None, as in the FSSD authors' recipe."""
        return None

    def split(self, folder: Path) -> dict[str, ImageSet]:
        train, val = hold_out(idx_part(self.name, folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": idx_part(self.name, folder, "test")}
