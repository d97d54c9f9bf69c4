"""Object detection: the target is the boxes of the objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from datamodules.imagesets.base import ImageSet, Item
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import NO_BOXES, Boxes, Regions
from datamodules.imagesets.subset import Subset
from datamodules.loading.augment import flip_boxes
from datamodules.loading.preprocess import Preprocess
from datamodules.tasks.base import Task
from lsood.io import log


class Detection(Task):
    """Targets {"boxes": (M, 4) float32 x1 y1 x2 y2 in pixels of the resized image, "labels": (M,) int64, -1 for an
    object of no known class, "regions": {"boxes", "labels", "crowd": (R,) bool} of crowds and difficult objects,
    which are not to be learnt and count neither as found nor as missed}; images keep their aspect ratio and are
    mirrored in training.
    """

    task = "detection"
    keep_aspect = True
    boxed = True
    augment = staticmethod(flip_boxes)

    @staticmethod
    def target_of(item: Item, preprocess: Preprocess) -> dict[str, Any]:
        """The boxes in the network's size; none for images without box labels."""
        objects = item.target if isinstance(item.target, Boxes) else NO_BOXES
        height, width = item.image.shape[:2]

        def columns(some: Boxes | Regions) -> dict[str, Tensor]:
            corners = preprocess.boxes(some.boxes, height, width)
            return {"boxes": corners, "labels": torch.from_numpy(some.classes.copy())}

        left_out = objects.left_out
        return columns(objects) | {
            "regions": columns(left_out) | {"crowd": torch.from_numpy(left_out.crowd.copy())}
        }

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
            if not known & {name.lower() for name in (*found.names, *found.left_out.names)}
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
