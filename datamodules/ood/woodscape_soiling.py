"""WoodScape's soiling set (Yogamani et al., ICCV 2019): frames through dirty lenses, with masks."""

from __future__ import annotations

from pathlib import Path

from datamodules.formats.labels import lookup
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet, Labels
from datamodules.imagesets.origin import origin_of
from datamodules.ood.base import OODSet
from lsood.images.listing import image_files

SOILED = lookup({0: 0, 1: 1, 2: 1, 3: 1})
"""Anomalous is where the lens is not clear: transparent, semi-transparent or opaque soiling."""


def _there(folder: Path) -> bool:
    return (folder / "test" / "rgbImages").is_dir()


def _mask_of(image: Path) -> Path:
    return image.parents[1] / "gtLabels" / f"{image.stem}.png"


def _read(folder: Path) -> ImageSet:
    files = image_files(folder / "test" / "rgbImages", "*")
    labels = Labels(_mask_of, SOILED, anomaly=True)
    return FileSet("woodscape-soiling", folder, files, origin_of(folder, len(files), 1000), labels)


SOILING = OODSet(
    name="woodscape-soiling",
    description="WoodScape soiling, 1,000 test frames with masks",
    folders=("soiling_dataset", "woodscape/soiling_dataset"),
    source="https://woodscape.valeo.com (terms of use)",
    layout="soiling_dataset/test/{rgbImages,gtLabels}/*.png",
    there=_there,
    read=_read,
)
