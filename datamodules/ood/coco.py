"""COCO 2017 (Lin et al., ECCV 2014)."""

from __future__ import annotations

from datamodules.formats.coco import coco_boxed
from datamodules.ood.base import OODSet

COCO = OODSet(
    name="coco",
    description="COCO 2017, any folder of its images; for detectors with annotations/instances_val2017.json",
    folders=("coco", "COCO"),
    source="https://cocodataset.org",
    published=5000,
    boxed=coco_boxed("coco", 5000),
)
