"""Auxiliary outliers for training with Outlier Exposure (Hendrycks et al., ICLR 2019): images of none of the
classes that are known, and of none of the OoD sets under test.

The authors' 80 Million Tiny Images were withdrawn in 2020; their "300K Random Images" are what is left of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.formats.reading import image_files
from datamodules.imagesets.base import ArraySet, FileSet, ImageSet
from datamodules.ind.cifar10 import CIFAR10DataModule
from datamodules.ind.cifar100 import CIFAR100DataModule
from datamodules.ind.fashion_mnist import FashionMNISTDataModule
from datamodules.ind.mnist import MNISTDataModule
from datamodules.locate import find, missing, origin_of
from datamodules.ood.sets import OOD_SETS, check_names

log = logging.getLogger("lsood-bench")
DEAD_LEAVES = "dead-leaves"
ROAD_VEHICLES = ("pickup_truck", "bus", "streetcar", "tractor")
CARS = ("automobile", "truck")
DROPPED = {  # (outliers, other set): the outliers' classes that hold objects of the other set
    ("cifar100", "cifar10"): ROAD_VEHICLES,
    ("cifar100", "stl10"): ROAD_VEHICLES,
    ("cifar10", "cifar100"): CARS,
}
SHARED = {  # pairs of sets no few classes of which can be dropped to part them, and why
    ("cifar10", "stl10"): "nine of ten classes are the same",
    **{(cifar, name): "TinyImageNet holds animals, vehicles and things of the same classes"
       for cifar in ("cifar10", "cifar100") for name in ("tiny-imagenet", "tiny-imagenet-c", "tiny-imagenet-r")},
    **{(cifar, name): "both hold animals, vehicles and furniture"
       for cifar in ("cifar10", "cifar100") for name in ("voc", "openimages", "coco")},
    **{("places365", name): "both hold the same scenes" for name in ("lsun-c", "lsun-r", "isun")},
    **{("places365", name): "both hold scenes" for name in ("openimages", "coco")},
    ("mnist", "svhn"): "both hold the digits",
}  # fmt: skip


@dataclass(frozen=True)
class OutlierSet:
    """Where outliers lie and how they are read: (folder, names of the classes to drop) -> set."""

    folders: tuple[str, ...]
    is_there: Callable[[Path], bool]
    load: Callable[[Path, Sequence[str]], ImageSet]
    layout: str
    source: str


def _train_part(
    module: type[CIFAR10DataModule | CIFAR100DataModule | FashionMNISTDataModule | MNISTDataModule],
) -> OutlierSet:
    def load(folder: Path, drop: Sequence[str]) -> ImageSet:
        images = module.part(folder, "train")
        assert images.labels is not None
        kept = ~np.isin(images.labels, [module.class_names.index(name) for name in drop])
        return ArraySet(f"{module.name} train", images.images[kept], None, images.origin, "outlier/")

    return OutlierSet(module.folders, module.is_there, load, module.layout, module.source)


def _whole(name: str) -> OutlierSet:
    """All images of an OoD set."""
    entry = OOD_SETS[name]
    return OutlierSet(
        entry.folders, entry.is_there, lambda folder, drop: entry.load(folder), entry.layout, entry.source
    )


def _random_images(folder: Path, drop: Sequence[str]) -> ImageSet:
    path = folder / "300K_random_images.npy"
    try:
        images = np.load(path)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no array of images: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"{path} must hold (N, H, W, 3) uint8, got {images.shape} {images.dtype}")
    return ArraySet("300k-random-images", images, None, origin_of(folder, len(images), 300_000), "outlier/")


OUTLIER_SETS: dict[str, OutlierSet] = {
    "300k-random-images": OutlierSet(
        ("300K_random_images", "outliers"), lambda folder: (folder / "300K_random_images.npy").is_file(),
        _random_images, "300K_random_images.npy, (300000, 32, 32, 3) uint8",
        "https://github.com/hendrycks/outlier-exposure",
    ),
    **{module.name: _train_part(module) for module in (
        CIFAR10DataModule, CIFAR100DataModule, FashionMNISTDataModule, MNISTDataModule
    )},
    "textures": _whole("textures"),
    "places365": _whole("places365"),
}  # fmt: skip
CHOICES: dict[
    str, tuple[str, ...]
] = {  # by in-distribution set, the first that is there and clashes with nothing
    "fashion-mnist": ("cifar10", "300k-random-images", "cifar100", "textures"),
    "mnist": ("cifar10", "300k-random-images", "cifar100", "fashion-mnist", "textures"),
    "cifar10": ("300k-random-images", "cifar100", "places365", "textures"),
    "cifar100": ("300k-random-images", "cifar10", "places365", "textures"),
}


def clash(outliers: str, other: str) -> str | None:
    """Why a set cannot lend outliers where ``other`` is known or under test; None where it can."""
    other = other.removesuffix("-anomalies")
    if other == outliers or (outliers, other) == ("mnist", "mnist-noise"):
        return "it is the same set"
    return SHARED.get((outliers, other)) or SHARED.get((other, outliers))


def outliers_for(
    ind: str, root: Path | None, ood: Sequence[str] = (), name: str | None = None, seed: int = 0
) -> ImageSet:
    """The auxiliary outliers to train with, unlabelled.

    FashionMNIST and MNIST get CIFAR-10's training images (in grey, by the pre-processing), as the authors gave
    their MNIST networks grey tiny images; the CIFARs get the 300K random images, from which their authors took
    the images of CIFAR's classes, else what is there. CIFAR-100's road vehicles are left out beside CIFAR-10,
    CIFAR-10's beside CIFAR-100.

    Args:
        ind: name of the in-distribution set.
        root: data root; None: generated dead leaves (discs of random sizes and colours that cover each other)
            stand in, origin "miniature".
        ood: names of the OoD sets under test.
        name: one of ``OUTLIER_SETS``, ``folder:PATH``, or "dead-leaves", which needs no data; None: by
            in-distribution set, see ``CHOICES``.
        seed: of the generated ones.

    Raises:
        ValueError: unknown name, an in-distribution set without a choice, or outliers that are among the OoD
            sets under test or share classes with them or with the in-distribution set; says which.
        FileNotFoundError: not below the root; says which layout is expected and where to get it.
    """
    check_names(list(ood))
    folder = Path(name.removeprefix("folder:")) if name is not None and name.startswith("folder:") else None
    known = f"outliers: {', '.join([*OUTLIER_SETS, DEAD_LEAVES])}, folder:PATH"
    if name is not None and folder is None and name not in (*OUTLIER_SETS, DEAD_LEAVES):
        raise ValueError(f"unknown outliers {name!r}; {known}")
    if name is None and ind not in CHOICES:
        raise ValueError(f"no outliers are chosen for {ind}; name some; {known}")
    names = CHOICES[ind] if name is None else (name,)
    clashes = {n: reason for n in names if (reason := _reason(n, ind, ood)) is not None}
    if name in clashes:
        raise ValueError(f"{clashes[name]}; {known}")
    if folder is not None:
        return FileSet(str(name), folder, image_files(folder), "official")
    if root is None or name == DEAD_LEAVES:
        origin = "official" if name == DEAD_LEAVES else "miniature"
        return ArraySet(DEAD_LEAVES, dead_leaves(500, seed), None, origin, "outlier/")
    return _first_there(root, names, clashes, (ind, *ood))


def _first_there(
    root: Path, names: Sequence[str], clashes: dict[str, str], others: Sequence[str]
) -> ImageSet:
    """The first of the sets without a clash that lies below the root, less the classes it shares with others."""
    free = {n: OUTLIER_SETS[n] for n in names if n not in clashes}
    for name, entry in free.items():
        folder = find(root, entry.folders, entry.is_there)
        if folder is not None:
            drop = sorted({c for o in others for c in DROPPED.get((name, o.removesuffix("-anomalies")), ())})
            log.info("outliers: %s%s", name, f" without {', '.join(drop)}" if drop else "")
            return entry.load(folder, drop)
    if not free:
        raise ValueError("; ".join(clashes.values()))
    name, entry = next(iter(free.items()))
    error = missing(f"{name}, for outliers,", root, entry.layout, entry.source)
    raise FileNotFoundError("; ".join([str(error), *clashes.values()]))


def _reason(outliers: str, ind: str, ood: Sequence[str]) -> str | None:
    """Why these outliers cannot be used, as an error; None where they can."""
    sets = [("in-distribution set", ind), *(("OoD set under test", name) for name in ood)]
    for role, other in sets:
        if reason := clash(outliers, other):
            return f"outliers {outliers} clash with the {role} {other}: {reason}"
    return None


def dead_leaves(count: int, seed: int = 0, size: int = 32) -> NDArray[np.uint8]:
    """(count, size, size, 3) uint8: discs with radii of density r^-3 cover each other (Lee, Mumford & Huang,
    2001): the statistics of natural images without an object.
    """
    images = np.empty((count, size, size, 3), dtype=np.uint8)
    for index, image in enumerate(images):
        random = np.random.default_rng([seed, index])
        image[:] = random.integers(0, 256, 3)
        discs = 40
        radii = 1.5 / np.sqrt(1 - random.uniform(0, 0.99, discs))
        centres, colours = random.uniform(0, size, (discs, 2)), random.integers(0, 256, (discs, 3))
        for (x, y), radius, colour in zip(centres, radii, colours, strict=True):
            cv2.circle(
                image, (round(x * 8), round(y * 8)), round(radius * 8), colour.tolist(), -1, cv2.LINE_AA, 3
            )
    return images
