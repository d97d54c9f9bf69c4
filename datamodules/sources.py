"""The data sets as sources of clean images for ``python -m anomalies.generate --ind``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies import Scene
from anomalies.sets.source import SourceImage
from datamodules.formats.labels import IGNORE, OUT_OF_RANGE, read_label, read_labelled
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.files import FileSet
from datamodules.imagesets.subset import Subset
from datamodules.registry import DATAMODULES, OUTSIDE, folder_of, is_code, module_of
from lsood.images.reading import read_image

ANY_ID = np.where(np.arange(256) == OUT_OF_RANGE, IGNORE, np.arange(256)).astype(np.uint8)


class DataSetSource:
    """A part of a data set: its images with their label files.

    Args:
        images: the part.
        split: its name.
        view: what is known about all of its images, see `anomalies.sets.source.Source`.
        void: id in the label files for what has no class; None: the first that is ignored.
        folder: of the user, in which all images are clean ones; None: the set is no such folder.
    """

    def __init__(
        self, images: ImageSet, split: str, view: Scene, void: int | None, folder: Path | None = None
    ) -> None:
        self._indices, base = list(range(len(images))), images
        while isinstance(base, Subset):
            self._indices, base = [base.indices[i] for i in self._indices], base.base
        self.name, self.origin, self.keys, self.split = images.name, images.origin, images.keys, split
        self._base, self.view, self.file_ids, self.training_ids = base, view, None, None
        self.folder = folder
        self.labelled = isinstance(base, FileSet) and base.labels is not None
        if isinstance(base, FileSet) and base.labels is not None:
            self.file_ids = file_ids(base.labels.classes, void)
            self.training_ids = np.where(
                base.labels.classes == OUT_OF_RANGE, IGNORE, base.labels.classes
            ).astype(np.uint8)

    def label_key(self, index: int) -> str | None:
        """Path of an image's label file below the data set's folder; None without label files."""
        base = self._base
        if not isinstance(base, FileSet) or base.labels is None:
            return None
        return base.labels.of(base.files[self._indices[index]]).relative_to(base.root).as_posix()

    def read(self, index: int) -> SourceImage:
        base, i = self._base, self._indices[index]
        if not isinstance(base, FileSet):
            item = base.read(i)
            target = item.target if isinstance(item.target, int) else None
            return SourceImage(item.image, item.key, target=target)
        path = base.files[i]
        if base.labels is None:
            return SourceImage(read_image(path), base.keys[i], path=path)
        label_path = base.labels.of(path)
        image, ids = read_labelled(path, label_path, ANY_ID)
        labels: Any = cv2.LUT(ids, base.labels.classes)
        if (labels == OUT_OF_RANGE).any():
            labels = read_label(label_path, image, path, base.labels.classes)
        label_key = label_path.relative_to(base.root).as_posix()
        return SourceImage(image, base.keys[i], labels, ids, label_key, None, path)


def file_ids(classes: NDArray[np.uint8], void: int | None = None) -> NDArray[np.uint8]:
    """(256,) id in the label files of every training id: the inverse of ``Labels.classes``.

    Args:
        classes: (256,) training id of every id in the files.
        void: id for 255; None: 255 itself where the files know it, else the first that is ignored.
    """
    inverse = np.zeros(256, dtype=np.uint8)
    for file_id in reversed(range(256)):
        if classes[file_id] != OUT_OF_RANGE:
            inverse[classes[file_id]] = file_id
    ignored = np.flatnonzero(classes == IGNORE)
    if void is None:
        void = IGNORE if classes[IGNORE] == IGNORE else int(ignored[0]) if len(ignored) else IGNORE
    inverse[IGNORE] = void
    return inverse


class DataSets:
    """The provider behind the entry point."""

    def names(self) -> list[str]:
        return list(DATAMODULES)

    def opens(self, name: str) -> bool:
        """Whether a name has the form of a data set in a folder or file of the user."""
        return is_code(name) or any(map(name.startswith, OUTSIDE))

    def recipe(self, name: str) -> str:
        """Name of the shipped recipe of a data set's anomalies."""
        known = DATAMODULES.about(name, "default_recipe", "default") if name in DATAMODULES else None
        return str(known or module_of(name).default_recipe)

    def open(
        self, name: str, root: Path | None, split: str, seed: int, keep_together: str | None = None
    ) -> DataSetSource:
        """A part ("train", "val", "test") of a data set, or of its generated miniature without a root.

        Raises:
            ValueError: unknown part. FileNotFoundError: not below the root; says what is expected.
        """
        data = module_of(name, keep_together)(root, seed=seed)
        data.prepare_data()
        data.setup()
        if split not in data.sets:
            raise ValueError(f"{name} has no part {split!r}; parts: {', '.join(data.sets)}")
        return DataSetSource(data.sets[split], split, data.view(), data.void_id, folder_of(data.spec))


PROVIDER = DataSets()
