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
    """An object from a user's folder of RGBA PNG files. See `Pasted` for sizes and severities.

    The folder must contain an ``index.yaml`` with the licence of each file, see
    `anomalies.toolkit.objects.folder.collection`. The licences are recorded in the details.

    Args:
        folder: path of the folder; "" draws procedural objects instead.

    Raises:
        ValueError: the index or a licence is missing, or a file is missing or not RGBA.
    """

    kind = "folder_object"
    objects = "new"

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
