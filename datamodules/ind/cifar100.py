"""CIFAR-100 (Krizhevsky 2009): the Python batches, fine labels."""

from __future__ import annotations

from pathlib import Path

from datamodules.base import BenchmarkDataModule
from datamodules.formats.cifar import cifar_part
from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import hold_out

CLASSES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly "
    "camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup "
    "dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower "
    "leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid "
    "otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray "
    "road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
    "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle "
    "wardrobe whale willow_tree wolf woman worm"
).split()


class CIFAR100DataModule(BenchmarkDataModule):
    """45,000 fit, 5,000 validate, the official 10,000 test; normalised as OpenOOD v1.5 does."""

    name = "cifar100"
    task = "classification"
    class_names = tuple(CLASSES)
    mean = (0.5071, 0.4867, 0.4408)
    std = (0.2675, 0.2565, 0.2761)
    image_size = (32, 32)
    folders = ("cifar-100-python", "cifar100/cifar-100-python", "cifar100")
    layout = "cifar-100-python/{train,test,meta}"
    source = "https://www.cs.toronto.edu/~kriz/cifar.html (or --download)"
    default_network = "resnet18"
    miniature_network = "resnet18-small"
    outliers = ("300k-random-images", "cifar10", "places365", "textures")
    # OpenOOD v1.5's groups (Zhang et al., 2023).
    near = ("cifar10", "tiny-imagenet")
    far = ("mnist", "svhn", "textures", "places365")

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return (folder / "train").is_file() and (folder / "test").is_file() and (folder / "meta").is_file()

    @classmethod
    def fetch(cls, root: Path) -> None:
        from torchvision.datasets import CIFAR100

        CIFAR100(root, download=True)

    @classmethod
    def part(cls, folder: Path, part: str) -> ArraySet:
        """Official "train" or "test"."""
        return cifar_part(cls.name, folder, part, [part], "fine_labels", len(CLASSES))

    def split(self, folder: Path) -> dict[str, ImageSet]:
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "test")}
