"""MNIST (LeCun et al., 1998) and KMNIST (Clanuwat et al., 2018): test parts in the idx format."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from datamodules.formats.idx import idx_files_there, idx_part
from datamodules.imagesets.base import ImageSet
from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision


def _there(name: str, folder: Path) -> bool:
    return idx_files_there(folder) and folder.name == name


def _test(name: str, folder: Path) -> ImageSet:
    return idx_part(name, folder, "test")


MNIST = OODSet(
    name="mnist",
    description="mnist, 10,000 test images, grey 28x28",
    folders=("MNIST",),
    source="http://yann.lecun.com/exdb/mnist (or --download)",
    layout="MNIST/raw/t10k-images-idx3-ubyte",
    there=partial(_there, "MNIST"),
    read=partial(_test, "mnist"),
    fetch=from_torchvision("MNIST"),
)
KMNIST = OODSet(
    name="kmnist",
    description="kmnist, 10,000 test images, grey 28x28",
    folders=("KMNIST",),
    source="http://codh.rois.ac.jp/kmnist (or --download)",
    layout="KMNIST/raw/t10k-images-idx3-ubyte",
    there=partial(_there, "KMNIST"),
    read=partial(_test, "kmnist"),
    fetch=from_torchvision("KMNIST"),
)
