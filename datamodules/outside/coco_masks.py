"""``coco-masks:DIR``: a segmentation set from the outlines of objects in COCO's format."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from datamodules.formats.coco import CocoSet
from datamodules.formats.coco_json import Outline
from datamodules.formats.coco_layouts import label_files, shared_categories
from datamodules.formats.labels import IGNORE
from datamodules.imagesets.base import Item, fingerprint_of
from datamodules.outside.base import OwnFolder, checked_folder, described
from datamodules.outside.coco import CocoFolder
from lsood.text import shown

MASKS = "coco-masks:"
BACKGROUND = "background"
STEP, LONGEST = 32, 640


class MaskSet(CocoSet):
    """Images with maps of classes: 0 background, then the categories by rising id; smaller objects lie on larger ones,
    crowds are ignored.
    """

    boxed, labelled = False, True

    def read(self, index: int) -> Item:
        item = super().read(index)
        return item._replace(target=self._map(index, (item.image.shape[0], item.image.shape[1])))

    def outline(self, index: int) -> Item:
        return self.read(index)

    def _map(self, index: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        found, masks = np.zeros(shape, np.uint8), []
        for outline in self.listed[index].outlines:
            mask = _mask(outline.segmentation, shape, f"{self.name}: image {self.keys[index]}")
            masks.append((not outline.crowd, -int(mask.sum()), _label(outline), mask))
        for *_, label, mask in sorted(masks, key=lambda one: one[:2]):
            found[mask] = label
        return found

    @cached_property
    def fingerprint(self) -> str:
        """Over images, boxes and outlines."""
        return fingerprint_of("masks", super().fingerprint, [one.outlines for one in self.listed])


def _label(outline: Outline) -> int:
    return IGNORE if outline.crowd or outline.label < 0 else outline.label + 1


def _mask(outline: Any, shape: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """(H, W) bool of polygons [[x, y, x, y, ...], ...], or of run lengths {"counts", "size"}.

    Raises:
        ValueError: neither of them, or of another size.
    """
    height, width = shape
    try:
        if isinstance(outline, list) and outline:
            polygons = [np.asarray(one, np.float64).ravel() for one in outline]
            if any(len(one) < 6 or len(one) % 2 or not np.isfinite(one).all() for one in polygons):
                raise ValueError("a polygon needs at least three points x y")
            coded = rle.merge(rle.frPyObjects([one.tolist() for one in polygons], height, width))
        elif isinstance(outline, Mapping) and "counts" in outline:
            if list(outline.get("size", ())) != [height, width]:
                raise ValueError(f"its size is {outline.get('size')}, the image's {[height, width]}")
            counts = outline["counts"]
            if isinstance(counts, list):
                if not all(isinstance(n, int) and n >= 0 for n in counts) or sum(counts) != height * width:
                    raise ValueError("its run lengths do not fill the image")
                coded = rle.frPyObjects(dict(outline), height, width)
            else:
                coded = {"size": [height, width], "counts": counts}
        else:
            raise ValueError("it is missing: coco-masks: needs polygons or run lengths for every object")
        return np.asarray(rle.decode(coded)).astype(bool)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: segmentation of an object: {error}") from None


class CocoMasks(CocoFolder):
    """The categories as classes of pixels, "background" before them. Parts as of `CocoFolder`; images are resized to
    the commonest size, at most 640 pixels a side, rounded to multiples of 32.
    """

    task = "segmentation"
    default_network = "deeplabv3plus-resnet18"
    kind = MaskSet
    category_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def _categories(cls) -> tuple[str, ...]:
        return cls.category_names

    def default_size(self) -> tuple[int, int]:
        train = self.sets["train"]
        shapes = [train.shape(i) for i in range(len(train))]
        height, width = max(sorted(set(shapes)), key=shapes.count)
        scale = min(1.0, LONGEST / max(height, width))
        return _rounded(height * scale), _rounded(width * scale)


def _rounded(side: float) -> int:
    return max(STEP, round(side / STEP) * STEP)


def data_module(folder: Path, keep_together: str | None = None) -> type[OwnFolder]:
    """The data module of a folder, see :class:`CocoMasks`; raises as `datamodules.outside.coco.data_module`."""
    place = checked_folder(MASKS, folder).resolve()
    labels = label_files(MASKS, place)
    categories = shared_categories(labels)
    names = tuple(categories.values())
    if len(names) >= IGNORE - 1:
        raise ValueError(
            f"{MASKS}{shown(place)} has {len(names)} categories; a map of classes holds {IGNORE - 2}"
        )
    if BACKGROUND in (name.lower() for name in names):
        raise ValueError(
            f"{MASKS}{shown(place)} has a category {BACKGROUND!r}, which is what has no outline here"
        )
    return described(
        CocoMasks,
        MASKS,
        place,
        keep_together,
        labels=labels,
        class_names=(BACKGROUND, *names),
        category_names=names,
        category_ids=tuple(categories),
    )
