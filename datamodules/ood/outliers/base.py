"""What auxiliary outliers are: a set that lies somewhere, of which some classes may be left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.imagesets.base import ImageSet
from datamodules.locate import Place


@dataclass(frozen=True)
class OutlierSet:
    """A set of auxiliary outliers.

    Attributes:
        name: for users; a literal, so that it is known without an import.
        place: gives where it lies.
        read: (place, folder, names of the classes to leave out) -> the images, without labels.
    """

    name: str
    place: Callable[[], Place]
    read: Callable[[Any, Path, Sequence[str]], ImageSet]

    def load(self, folder: Path, drop: Sequence[str] = ()) -> ImageSet:
        """The images in a folder, without those of some classes."""
        return self.read(self.place(), folder, drop)
