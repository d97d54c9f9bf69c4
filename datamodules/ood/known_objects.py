"""OoD sets for detectors: images that hold an object of an in-distribution class are no OoD images.

The names are those of VOS (Du et al., ICLR 2022) and of the FMIYC benchmark for BDD100K, in COCO's, OpenImages' and
VOC's words, as one list for all sets.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from datamodules.imagesets.base import ImageSet, Subset
from datamodules.imagesets.boxed import BoxedSet

log = logging.getLogger("lsood-bench")
COCO = "person, bicycle, bus, car, motorcycle, train, pedestrian, rider, truck, traffic light, traffic sign"
OPEN_IMAGES = (
    "person, human, human beard, man, woman, boy, girl, body part, bicycle, bicycle wheel, bus, car, taxi, van, "
    "limousine, motorcycle, train, land vehicle, human face, human arm, human head, human hand, human hair, "
    "human nose, human ear, human mouth, human eye"
)
VOC = "person, bicycle, bus, car, motorbike, train"
KNOWN: dict[str, frozenset[str]] = {
    "bdd100k": frozenset(f"{COCO}, {OPEN_IMAGES}, {VOC}".split(", ")),
}
"""{in-distribution set: names, in lower case, of objects that are of one of its classes}."""


def without_known(images: ImageSet, ind: str, class_names: Sequence[str]) -> ImageSet:
    """The images without an object of a class of the in-distribution set, by the names of its classes and those of
    ``KNOWN``; says how many were left out. Images
    without box labels cannot be told apart and stay, with a warning.

    Raises:
        ValueError: no image is left.
    """
    if not isinstance(images, BoxedSet):
        log.warning(
            "%s has no box labels: images with objects that %s knows cannot be left out", images.name, ind
        )
        return images
    known = KNOWN.get(ind, frozenset()) | {name.lower() for name in class_names}
    kept = [i for i, found in enumerate(images.objects) if not known & {n.lower() for n in found.names}]
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
