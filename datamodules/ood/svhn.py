"""Street View House Numbers (Netzer et al., 2011): the cropped test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.origin import origin_of
from datamodules.ood.base import OODSet
from datamodules.ood.download import from_torchvision
from lsood.text import one_line

FILE = "test_32x32.mat"
LARGEST = 1_000_000
"""Images of the largest file that is read."""


def _there(folder: Path) -> bool:
    return (folder / FILE).is_file()


def _read(folder: Path) -> ImageSet:
    from scipy.io import loadmat, whosmat

    path = folder / FILE
    try:
        shapes = {name: shape for name, shape, _ in whosmat(path)}
        if shapes["X"][:3] != (32, 32, 3) or len(shapes["X"]) != 4 or shapes["X"][3] > LARGEST:
            raise ValueError(f"X has the shape {shapes['X']}, not (32, 32, 3, N) with N up to {LARGEST:,}")
        content = loadmat(path, variable_names=["X"])
        images = np.asarray(content["X"], dtype=np.uint8).transpose(3, 0, 1, 2)
    except Exception as error:  # whatever scipy's reader stumbles over
        raise ValueError(f"{path} is no SVHN file: {one_line(error)}") from error
    return ArraySet("svhn", np.ascontiguousarray(images), None, origin_of(folder, len(images), 26_032))


SVHN = OODSet(
    name="svhn",
    description="Street View House Numbers, 26,032 test images",
    folders=("svhn", "SVHN"),
    source="http://ufldl.stanford.edu/housenumbers (or --download)",
    layout=f"svhn/{FILE}",
    there=_there,
    read=_read,
    fetch=from_torchvision("SVHN", "svhn", split="test"),
)
