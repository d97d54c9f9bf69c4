"""Test parts of in-distribution sets, as OoD sets or to draw on."""

from __future__ import annotations

from datamodules.imagesets.base import ImageSet
from datamodules.ood.base import OODSet
from datamodules.registry import DATAMODULES, OOD_SETS


def tested(images: ImageSet) -> ImageSet:
    """The test part of an in-distribution set; raises ValueError: it has no images."""
    if not len(images):
        raise ValueError(f"{images.name}: its test images are needed, and there are none")
    return images


def located_set(name: str) -> OODSet:
    """The declared OoD set of a name, else the test part of the in-distribution set of that name."""
    if name in OOD_SETS:
        declared: OODSet = OOD_SETS[name]
        return declared
    module = DATAMODULES[name]
    return OODSet(
        name,
        f"test images of {name}",
        module.folders,
        module.source,
        layout=module.layout,
        there=module.is_there,
        read=lambda folder: tested(module(folder).split(folder)["test"]),
        fetch=module.fetch if module.can_be_fetched() else None,
    )
