"""TinyImageNet (Le & Yang, 2015): the validation images."""

from __future__ import annotations

from datamodules.ood.base import OODSet

TINY_IMAGENET = OODSet(
    name="tiny-imagenet",
    description="TinyImageNet, 10,000 validation images, 64x64",
    folders=("tiny-imagenet-200/val", "tiny-imagenet"),
    source="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    published=10_000,
)
