"""Pascal VOC 2012 (Everingham et al., IJCV 2010): the validation images."""

from __future__ import annotations

from pathlib import Path

from datamodules.formats.voc import voc, voc_boxed
from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision


def _there(folder: Path) -> bool:
    return (folder / "JPEGImages").is_dir()


VOC = OODSet(
    name="voc",
    description="Pascal VOC 2012, validation images",
    folders=("VOCdevkit/VOC2012", "VOC2012", "voc"),
    source="http://host.robots.ox.ac.uk/pascal/VOC (or --download)",
    layout=(
        "VOCdevkit/VOC2012/JPEGImages/*.jpg with ImageSets/Main/val.txt (and Annotations/*.xml for detectors)"
    ),
    there=_there,
    read=voc,
    fetch=from_torchvision("VOCDetection"),
    boxed=voc_boxed,
)
