"""The sets of auxiliary outliers: 300K Random Images, training parts of in-distribution sets, whole OoD sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.origin import origin_of
from datamodules.locate import Place
from datamodules.ood.base import OODSet
from datamodules.ood.outliers.base import OutlierSet
from datamodules.registry import DATAMODULES, OOD_SETS

RANDOM_IMAGES = "300K_random_images.npy"


def _train_part(module: Any, folder: Path, drop: Sequence[str]) -> ImageSet:
    """The training images of a data module of arrays."""
    images = module.part(folder, "train")
    kept = ~np.isin(images.labels, [module.class_names.index(name) for name in drop])
    return ArraySet(f"{module.name} train", images.images[kept], None, images.origin, "outlier/")


def _whole(ood: OODSet, folder: Path, drop: Sequence[str]) -> ImageSet:
    return ood.load(folder)


def _random_images(place: Place, folder: Path, drop: Sequence[str]) -> ImageSet:
    path = folder / RANDOM_IMAGES
    try:
        images = np.load(
            path, mmap_mode="r", allow_pickle=False
        )  # a shape beyond the file's length is refused
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is no array of images: {error}") from error
    if not isinstance(images, np.ndarray):
        raise ValueError(f"{path} is no array of images: it is a zip archive")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"{path} must hold (N, H, W, 3) uint8, got {images.shape} {images.dtype}")
    return ArraySet(
        "300k-random-images", np.array(images), None, origin_of(folder, len(images), 300_000), "outlier/"
    )


class _RandomImages:
    """Where the 300K Random Images lie."""

    folders = ("300K_random_images", "outliers")
    layout = f"{RANDOM_IMAGES}, (300000, 32, 32, 3) uint8"
    source = "https://github.com/hendrycks/outlier-exposure"

    def is_there(self, folder: Path) -> bool:
        return (folder / RANDOM_IMAGES).is_file()


def _ind(name: str) -> Callable[[], Any]:
    return partial(DATAMODULES.__getitem__, name)


def _ood(name: str) -> Callable[[], Any]:
    return partial(OOD_SETS.__getitem__, name)


SETS = (
    OutlierSet(name="300k-random-images", place=_RandomImages, read=_random_images),
    OutlierSet(name="cifar10", place=_ind("cifar10"), read=_train_part),
    OutlierSet(name="cifar100", place=_ind("cifar100"), read=_train_part),
    OutlierSet(name="fashion-mnist", place=_ind("fashion-mnist"), read=_train_part),
    OutlierSet(name="mnist", place=_ind("mnist"), read=_train_part),
    OutlierSet(name="textures", place=_ood("textures"), read=_whole),
    OutlierSet(name="places365", place=_ood("places365"), read=_whole),
)
