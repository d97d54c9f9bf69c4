"""Objects from a user's folder of RGBA pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.kinds.objects._pasted import Pasted, tilt
from anomalies.kinds.objects.object import Object
from anomalies.toolkit.objects.cutout import Cutout
from anomalies.toolkit.objects.folder import collection, picture


@dataclass(frozen=True)
class FolderObject(Pasted):
    """A picture from a user's folder of RGBA PNG files. See `Pasted` for sizes and severities.

    The folder must have an ``index.yaml`` with the licence of each file, see
    `anomalies.toolkit.objects.folder.collection`. The licences are written to the details.

    Args:
        folder: its path; "" draws the procedural objects.

    Raises:
        ValueError: a folder without index, an index without licences, files that are missing or not RGBA.
    """

    kind = "folder_object"

    folder: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.folder, str):
            raise ValueError(f"folder_object: folder must be a path as text, got {self.folder!r}")
        if self.folder:
            collection(self.folder)

    def cutout(self, rng: np.random.Generator, side: int, number: int) -> Cutout:
        if not self.folder:
            return Object(self.severity).cutout(rng, side, number)
        entries = collection(self.folder)
        path, name, licence = entries[int(rng.random() * len(entries))]
        return Cutout.of(picture(path, 2 * side), name, licence=licence, turn=tilt(rng, number))
