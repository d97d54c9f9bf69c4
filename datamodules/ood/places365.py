"""Places365 (Zhou et al., TPAMI 2018): the small validation images."""

from __future__ import annotations

from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision

PLACES365 = OODSet(
    name="places365",
    description="Places365, small validation images",
    folders=("val_256", "places365"),
    source="http://places2.csail.mit.edu/download.html (or --download)",
    published=36_500,
    fetch=from_torchvision("Places365", split="val", small=True),
)
