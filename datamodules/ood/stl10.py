"""STL-10 (Coates et al., AISTATS 2011): the test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.origin import origin_of
from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision

FILE = "test_X.bin"


def _there(folder: Path) -> bool:
    return (folder / FILE).is_file()


def _read(folder: Path) -> ImageSet:
    pixels = np.fromfile(folder / FILE, dtype=np.uint8)
    if pixels.size == 0 or pixels.size % (3 * 96 * 96):
        raise ValueError(f"{folder / FILE} is truncated: {pixels.size} bytes are no 96 x 96 RGB images")
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1))
    return ArraySet("stl10", images, None, origin_of(folder, len(images), 8000))


STL10 = OODSet(
    name="stl10",
    description="STL-10, 8,000 test images, 96x96",
    folders=("stl10_binary", "stl10"),
    source="https://cs.stanford.edu/~acoates/stl10 (or --download)",
    layout=f"stl10_binary/{FILE}",
    there=_there,
    read=_read,
    fetch=from_torchvision("STL10", split="test"),
)
