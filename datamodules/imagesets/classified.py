"""Sets of image files with a class each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from datamodules.imagesets.base import Item, fingerprint_of
from datamodules.imagesets.files import FileSet


class ClassifiedSet(FileSet):
    """Image files with a class each.

    Args:
        files: of the images. classes: index of the class of each.
    """

    def __init__(
        self, name: str, root: Path, files: Sequence[Path], classes: Sequence[int], origin: str
    ) -> None:
        super().__init__(name, root, files, origin)
        self.classes = [classes[i] for i in self.used]

    def read(self, index: int) -> Item:
        return super().read(index)._replace(target=self.classes[index])

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(super().fingerprint, *self.classes)
