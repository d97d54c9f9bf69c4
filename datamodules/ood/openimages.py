"""OpenImages (Kuznetsova et al., IJCV 2020), with boxes as VOS (Du et al., ICLR 2022) ships them."""

from __future__ import annotations

from datamodules.formats.coco import coco_boxed
from datamodules.ood.base import OODSet

OPENIMAGES = OODSet(
    name="openimages",
    description="OpenImages, any folder of its images; for detectors with val_coco_format.json of VOS",
    folders=("openimages", "OpenImages"),
    source="https://storage.googleapis.com/openimages/web/index.html",
    boxed=coco_boxed("openimages"),
)
