"""FashionMNIST (Xiao et al., 2017)."""

from __future__ import annotations

from pathlib import Path

from datamodules.ind.mnist import IdxDataModule


class FashionMNISTDataModule(IdxDataModule):
    """54,000 fit, 6,000 validate, the official 10,000 test; grey, 28 x 28."""

    name = "fashion-mnist"
    class_names = tuple("t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle_boot".split())
    mean = (0.2860,)
    std = (0.3530,)
    folders = ("FashionMNIST", "fashion-mnist")
    layout = "FashionMNIST/raw/{train,t10k}-{images-idx3,labels-idx1}-ubyte"
    source = "https://github.com/zalandoresearch/fashion-mnist (or --download)"
    outliers = ("cifar10", "300k-random-images", "cifar100", "textures")

    @classmethod
    def fetch(cls, root: Path) -> None:
        from torchvision.datasets import FashionMNIST

        FashionMNIST(root, download=True)
