"""How the OoD sets are read from their published files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.formats.reading import IGNORE, image_files, lookup
from datamodules.imagesets.base import ArraySet, FileSet, ImageSet, Item, Labels, fingerprint_of
from datamodules.ind.cifar100 import CIFAR100DataModule
from datamodules.ind.mnist import idx_files_there, idx_part
from datamodules.locate import origin_of

OMNIGLOT_TAKEN = 10_000
MASK_IDS = lookup({0: 0, 1: 1, IGNORE: IGNORE})


@dataclass(frozen=True)
class OODSet:
    """One OoD set.

    Attributes:
        description: for --list.
        folders: names looked for below the data root, besides the root itself.
        is_there: whether a folder holds the set.
        load: the set from its folder.
        layout, source: for the error when it is not there.
        fetch: download into a root, where torchvision can.
        mini: a miniature exists.
        boxed: the set with the boxes of its objects, where it has any; for detectors.
    """

    description: str
    folders: tuple[str, ...]
    is_there: Callable[[Path], bool]
    load: Callable[[Path], ImageSet]
    layout: str
    source: str
    fetch: Callable[[Path], Any] | None = None
    mini: bool = False
    boxed: Callable[[Path], ImageSet] | None = None


def from_torchvision(name: str, **options: Any) -> Callable[[Path], Any]:
    def fetch(root: Path) -> Any:
        import torchvision.datasets

        return getattr(torchvision.datasets, name)(root, download=True, **options)

    return fetch


def folder_set(name: str, published: int | None) -> Callable[[Path], ImageSet]:
    def load(folder: Path) -> ImageSet:
        files = image_files(folder)
        return FileSet(name, folder, files, origin_of(folder, len(files), published))

    return load


def image_folder(
    name: str, description: str, folders: tuple[str, ...], published: int | None, source: str, **more: Any
) -> OODSet:
    """A set that is a folder of images, possibly in class folders; only looked for in folders of its name."""
    return OODSet(
        description,
        folders,
        lambda folder: folder.name in {Path(f).name for f in folders} and folder.is_dir(),
        folder_set(name, published),
        f"{folders[0]}/**/*.png (or jpg, webp)",
        source,
        **more,
    )


class Inverted(FileSet):
    """Dark strokes on white turned to light on black, as MNIST has them."""

    def read(self, index: int) -> Item:
        item = super().read(index)
        return item._replace(image=255 - item.image)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("inverted", super().fingerprint)


def omniglot(folder: Path) -> ImageSet:
    """The first 10,000 in the order of alphabets and characters, as VMDLS takes them."""
    files = image_files(folder)
    return Inverted("omniglot", folder, files[:OMNIGLOT_TAKEN], origin_of(folder, len(files), 13_180))


def mnist_like(name: str, folder: str, source: str, torchvision_name: str, mini: bool) -> OODSet:
    return OODSet(
        f"{name}, 10,000 test images, grey 28x28",
        (folder,),
        lambda f: idx_files_there(f) and f.name == folder,
        lambda f: idx_part(name, f, "test"),
        f"{folder}/raw/t10k-images-idx3-ubyte",
        source,
        from_torchvision(torchvision_name),
        mini,
    )


def svhn(folder: Path) -> ImageSet:
    from scipy.io import loadmat

    path = folder / "test_32x32.mat"
    try:
        content = loadmat(path)
        images = np.asarray(content["X"], dtype=np.uint8).transpose(3, 0, 1, 2)
    except (ValueError, KeyError, TypeError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path} is no SVHN file: {error}") from error
    return ArraySet("svhn", np.ascontiguousarray(images), None, origin_of(folder, len(images), 26_032))


def stl10(folder: Path) -> ImageSet:
    pixels = np.fromfile(folder / "test_X.bin", dtype=np.uint8)
    if pixels.size == 0 or pixels.size % (3 * 96 * 96):
        raise ValueError(
            f"{folder / 'test_X.bin'} is truncated: {pixels.size} bytes are no 96 x 96 RGB images"
        )
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1))
    return ArraySet("stl10", images, None, origin_of(folder, len(images), 8000))


def cifar100(folder: Path) -> ImageSet:
    """The published batch, or class folders of its images."""
    there = (folder / "test").is_file()
    return CIFAR100DataModule.part(folder, "test") if there else folder_set("cifar100", 10_000)(folder)


def with_masks(
    name: str, published: int, images: str, mask_of: Callable[[Path], Path]
) -> Callable[[Path], ImageSet]:
    """Frames whose anomaly masks are 0, 1 and 255; frames without a mask file are left out."""

    def load(folder: Path) -> ImageSet:
        files = [path for path in image_files(folder / images, "**/*") if mask_of(path).is_file()]
        return FileSet(
            name,
            folder,
            files,
            origin_of(folder, len(files), published),
            Labels(mask_of, MASK_IDS, anomaly=True),
        )

    return load


def smiyc_mask(image: Path) -> Path:
    folder = image.parents[1] / "labels_masks"
    semantic = folder / f"{image.stem}_labels_semantic.png"
    return semantic if semantic.is_file() else folder / f"{image.stem}.png"


def fishyscapes_mask(image: Path) -> Path:
    matches = sorted((image.parents[1] / "labels").glob(f"*{image.stem}_labels.png"))
    return matches[0] if matches else image.parents[1] / "labels" / f"{image.stem}_labels.png"


def smiyc(
    name: str, description: str, folders: tuple[str, ...], published: int, mini: bool = False
) -> OODSet:
    return OODSet(
        description,
        folders,
        lambda folder: (
            (folder / "images").is_dir() and (folder / "labels_masks").is_dir() and folder.name in folders
        ),
        with_masks(name, published, "images", smiyc_mask),
        f"{folders[0]}/images/*.jpg with {folders[0]}/labels_masks/*_labels_semantic.png",
        "https://segmentmeifyoucan.com/datasets",
        mini=mini,
    )
