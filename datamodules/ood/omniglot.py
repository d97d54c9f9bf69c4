"""Omniglot (Lake et al., Science 2015): handwritten characters, white on black as MNIST's digits."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from datamodules.imagesets.base import ImageSet, Item, fingerprint_of
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.origin import origin_of
from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision
from lsood.images.listing import image_files

TAKEN, PUBLISHED = 10_000, 13_180


class Inverted(FileSet):
    """Images in files with black and white exchanged."""

    def read(self, index: int) -> Item:
        item = super().read(index)
        return item._replace(image=255 - item.image)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("inverted", super().fingerprint)


def _first(folder: Path) -> ImageSet:
    """The first 10,000 in the order of alphabets and characters, as VMDLS takes them."""
    files = image_files(folder)
    return Inverted("omniglot", folder, files[:TAKEN], origin_of(folder, len(files), PUBLISHED))


OMNIGLOT = OODSet(
    name="omniglot",
    description="Omniglot, the first 10,000 characters of the evaluation alphabets, inverted",
    folders=("omniglot-py/images_evaluation", "images_evaluation", "omniglot"),
    source="https://github.com/brendenlake/omniglot (or --download)",
    read=_first,
    fetch=from_torchvision("Omniglot", background=False),
)
