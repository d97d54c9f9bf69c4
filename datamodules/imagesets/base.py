"""What every set of raw images has, before any pre-processing."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.boxes import Boxes
from lsood.images.reading import Image
from lsood.text import one_line

Target = int | NDArray[np.uint8] | Boxes | None
NOT_DRAWN = "not drawn"


class Item(NamedTuple):
    """One raw image.

    Attributes:
        image: (H, W, 3) or (H, W, 1) uint8, RGB or grey; or a float32 tensor that the network is given as it is.
        target: class index, (H, W) uint8 training ids (255: ignore), the boxes of its objects, or None.
        key: stable id, unique within the set.
        anomaly: (H, W) uint8, 1 anomalous, 0 not, 255 ignore; None where nothing local is known.
        kind, severity: of the anomaly drawn on it; "" and 0 without. NOT_DRAWN: none could be drawn.
        source: key of the clean image it was drawn on.
    """

    image: Image
    target: Target
    key: str
    anomaly: Image | None = None
    kind: str = ""
    severity: int = 0
    source: str = ""


def blank(shape: tuple[int, int]) -> Image:
    """An image of a size (H, W) that takes no memory."""
    return np.broadcast_to(np.uint8(0), (*shape, 3))


class ImageSet(ABC):
    """A set of raw images.

    Attributes:
        name: of the set.
        origin: "official", "subset" (official files, not all of them), "miniature", "own" (files of the user) or
            "generated" (made from random numbers alone).
        keys: one id per image.
        masked: images come with anomaly masks, at least some of them.
        boxed: images come with the boxes of their objects.
        labelled: images have label maps, in files beside them.
        left_out: keys of images that cannot be read and are no part of the set, see
            `datamodules.imagesets.left_out`.
        synthetic: "noise" or "anomalies" (drawn on images of another set), "" for any other images.
        smallest_components: pixels of the smallest predicted and true component of anomalous pixels that counts; None:
            as the benchmark decides.
    """

    name: str
    origin: str
    keys: list[str]
    masked: bool = False
    boxed: bool = False
    labelled: bool = False
    left_out: Sequence[str] = ()
    synthetic: str = ""
    smallest_components: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sources(self) -> list[str]:
        """Per image, the key of the image it was made from; its own where nothing was drawn."""
        return self.keys

    @abstractmethod
    def read(self, index: int) -> Item:
        """The image at a position.

        Raises:
            FileNotFoundError, ValueError: naming the file.
        """

    def outline(self, index: int) -> Item:
        """:meth:`read` with pixels of no meaning where the rest is known without decoding the image; same errors."""
        return self.read(index)

    def shape(self, index: int) -> tuple[int, int]:
        """(H, W) of the image at a position, without decoding it where that is possible."""
        image = self.read(index).image
        return image.shape[0], image.shape[1]

    def fault(self, index: int) -> str | None:
        """What stops the image at a position from being read, as far as its files show undecoded; None: nothing."""
        return None

    def read_from(self, index: int) -> tuple[ImageSet, int]:
        """The set whose files the image at a position is read from, and its position there."""
        return self, index

    def file(self, index: int) -> Path | None:
        """The file by which the image at a position is left out; None where images are in no files."""
        return None

    def unreadable(self, index: int) -> str | None:
        """Why the image at a position cannot be read from its files; None: it can. Decodes it."""
        images, place = self.read_from(index)
        if images.file(place) is None:
            return None
        try:
            images.read(place)
        except (OSError, ValueError) as error:
            return one_line(error)
        return None

    @cached_property
    @abstractmethod
    def fingerprint(self) -> str:
        """sha256 in hex of the contents of the set."""


def fingerprint_of(*parts: object) -> str:
    """sha256 in hex over the text of the parts; names of files that are not UTF-8 count with their bytes."""
    return hashlib.sha256("\0".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()
