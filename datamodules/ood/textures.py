"""Describable Textures (Cimpoi et al., CVPR 2014)."""

from __future__ import annotations

from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision

TEXTURES = OODSet(
    name="textures",
    description="Describable Textures (DTD), 5,640 images",
    folders=("dtd/images", "dtd", "dtd_subset", "textures"),
    source="https://www.robots.ox.ac.uk/~vgg/data/dtd (or --download)",
    published=5640,
    fetch=from_torchvision("DTD"),
)
