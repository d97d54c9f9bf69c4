"""Object detection: the target is the boxes of the objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.imagesets.base import ImageSet, Item
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import NO_BOXES, Boxes
from datamodules.imagesets.subset import Subset
from datamodules.loading.augment import flip_boxes
from datamodules.loading.preprocess import Preprocess
from datamodules.tasks.base import Task
from lsood.io import log


class Detection(Task):
    """Targets {"boxes": (M, 4) float32 x1 y1 x2 y2 in pixels of the resized image, "labels": (M,) int64, -1 for an
    object of no known class}; images keep their aspect ratio and are mirrored in training.
    """

    task = "detection"
    keep_aspect = True
    boxed = True
    augment = staticmethod(flip_boxes)

    @staticmethod
    def target_of(item: Item, preprocess: Preprocess) -> dict[str, Tensor]:
        """The boxes in the network's size; none for images without box labels."""
        objects = item.target if isinstance(item.target, Boxes) else NO_BOXES
        corners = preprocess.boxes(objects.boxes, *item.image.shape[:2])
        return {"boxes": corners, "labels": torch.from_numpy(objects.classes.copy())}

    @staticmethod
    def without_known(images: ImageSet, ind: str, names: Sequence[str]) -> ImageSet:
        """The images without an object of an in-distribution class; logs how many are left out. Images without box
        labels cannot be checked and stay, with a warning.

        Raises:
            ValueError: no image is left.
        """
        if not isinstance(images, BoxedSet):
            log.warning(
                "%s has no box labels: images with objects that %s knows cannot be left out", images.name, ind
            )
            return images
        known = {name.lower() for name in names}
        kept = [
            i
            for i, found in enumerate(images.objects)
            if not known & {name.lower() for name in (*found.names, *found.left_out)}
        ]
        left_out = len(images) - len(kept)
        if not kept:
            raise ValueError(
                f"{images.name}: all {left_out} images hold objects of classes of {ind}; none is left to test on"
            )
        if left_out:
            log.info(
                "%s: %d of %d images hold objects of classes of %s and are left out",
                images.name, left_out, len(images), ind,
            )  # fmt: skip
        return Subset(images, kept)
