"""The OoD sets: where each lies, how it is read, where to get it, and what stands in for it where the user
has no data.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.bdd100k import BDD100kDataModule
from datamodules.camvid import CamVidDataModule
from datamodules.cifar10 import CIFAR10DataModule
from datamodules.cifar100 import CIFAR100DataModule
from datamodules.cityscapes import CityscapesDataModule
from datamodules.fashion_mnist import FashionMNISTDataModule
from datamodules.generated import GeneratedSet
from datamodules.gtsrb import GTSRBDataModule
from datamodules.imageset import (
    AnomalousSet,
    ArraySet,
    FileSet,
    ImageSet,
    Item,
    Labels,
    capped,
    fingerprint_of,
)
from datamodules.locate import find, miniature, missing, origin_of
from datamodules.mnist import MNISTDataModule, idx_files_there, idx_part
from datamodules.noise import NOISE, noise_set
from datamodules.reading import IGNORE, image_files, lookup
from datamodules.woodscape import WoodScapeDataModule, soiling_test

if TYPE_CHECKING:
    from datamodules.base import BenchmarkDataModule

DATAMODULES: dict[str, type[BenchmarkDataModule]] = {
    module.name: module
    for module in (
        CityscapesDataModule,
        WoodScapeDataModule,
        BDD100kDataModule,
        CamVidDataModule,
        CIFAR10DataModule,
        CIFAR100DataModule,
        FashionMNISTDataModule,
        MNISTDataModule,
        GTSRBDataModule,
    )
}
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
    """

    description: str
    folders: tuple[str, ...]
    is_there: Callable[[Path], bool]
    load: Callable[[Path], ImageSet]
    layout: str
    source: str
    fetch: Callable[[Path], Any] | None = None
    mini: bool = False


def _torchvision(name: str, **options: Any) -> Callable[[Path], Any]:
    def fetch(root: Path) -> Any:
        import torchvision.datasets

        return getattr(torchvision.datasets, name)(root, download=True, **options)

    return fetch


def _folder_set(name: str, published: int | None) -> Callable[[Path], ImageSet]:
    def load(folder: Path) -> ImageSet:
        files = image_files(folder)
        return FileSet(name, folder, files, origin_of(folder, len(files), published))

    return load


def _images(
    name: str, description: str, folders: tuple[str, ...], published: int | None, source: str, **more: Any
) -> OODSet:
    """A set that is a folder of images, possibly in class folders; only looked for in folders of its name."""
    return OODSet(
        description,
        folders,
        lambda folder: folder.name in {Path(f).name for f in folders} and folder.is_dir(),
        _folder_set(name, published),
        f"{folders[0]}/**/*.png (or jpg, webp)",
        source,
        **more,
    )


class _Inverted(FileSet):
    """Dark strokes on white turned to light on black, as MNIST has them."""

    def read(self, index: int) -> Item:
        item = super().read(index)
        return item._replace(image=255 - item.image)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("inverted", super().fingerprint)


def _omniglot(folder: Path) -> ImageSet:
    """The first 10,000 in the order of alphabets and characters, as VMDLS takes them."""
    files = image_files(folder)
    return _Inverted("omniglot", folder, files[:OMNIGLOT_TAKEN], origin_of(folder, len(files), 13_180))


def _mnist_like(name: str, folder: str, source: str, torchvision_name: str, mini: bool) -> OODSet:
    return OODSet(
        f"{name}, 10,000 test images, grey 28x28",
        (folder,),
        lambda f: idx_files_there(f) and f.name == folder,
        lambda f: idx_part(name, f, "test"),
        f"{folder}/raw/t10k-images-idx3-ubyte",
        source,
        _torchvision(torchvision_name),
        mini,
    )


def _svhn(folder: Path) -> ImageSet:
    from scipy.io import loadmat

    path = folder / "test_32x32.mat"
    try:
        content = loadmat(path)
        images = np.asarray(content["X"], dtype=np.uint8).transpose(3, 0, 1, 2)
    except (ValueError, KeyError, TypeError, OSError, NotImplementedError) as error:
        raise ValueError(f"{path} is no SVHN file: {error}") from error
    return ArraySet("svhn", np.ascontiguousarray(images), None, origin_of(folder, len(images), 26_032))


def _stl10(folder: Path) -> ImageSet:
    pixels = np.fromfile(folder / "test_X.bin", dtype=np.uint8)
    if pixels.size == 0 or pixels.size % (3 * 96 * 96):
        raise ValueError(
            f"{folder / 'test_X.bin'} is truncated: {pixels.size} bytes are no 96 x 96 RGB images"
        )
    images = np.ascontiguousarray(pixels.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1))
    return ArraySet("stl10", images, None, origin_of(folder, len(images), 8000))


def _cifar100(folder: Path) -> ImageSet:
    """The published batch, or class folders of its images."""
    there = (folder / "test").is_file()
    return CIFAR100DataModule.part(folder, "test") if there else _folder_set("cifar100", 10_000)(folder)


def _masked(
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


def _smiyc_mask(image: Path) -> Path:
    folder = image.parents[1] / "labels_masks"
    semantic = folder / f"{image.stem}_labels_semantic.png"
    return semantic if semantic.is_file() else folder / f"{image.stem}.png"


def _fishyscapes_mask(image: Path) -> Path:
    matches = sorted((image.parents[1] / "labels").glob(f"*{image.stem}_labels.png"))
    return matches[0] if matches else image.parents[1] / "labels" / f"{image.stem}_labels.png"


def _smiyc(
    name: str, description: str, folders: tuple[str, ...], published: int, mini: bool = False
) -> OODSet:
    return OODSet(
        description,
        folders,
        lambda folder: (
            (folder / "images").is_dir() and (folder / "labels_masks").is_dir() and folder.name in folders
        ),
        _masked(name, published, "images", _smiyc_mask),
        f"{folders[0]}/images/*.jpg with {folders[0]}/labels_masks/*_labels_semantic.png",
        "https://segmentmeifyoucan.com/datasets",
        mini=mini,
    )


def _voc(folder: Path) -> ImageSet:
    files = image_files(folder / "JPEGImages", "*")
    listed = folder / "ImageSets" / "Main" / "val.txt"
    if listed.is_file():
        names = set(listed.read_text(encoding="utf-8").split())
        files = [path for path in files if path.stem in names]
    return FileSet("voc", folder, files, origin_of(folder, len(files), 5823))


def _ind_test(module: type[BenchmarkDataModule]) -> OODSet:
    def load(folder: Path) -> ImageSet:
        return module(folder).split(folder)["test"]

    return OODSet(
        f"test images of {module.name}", module.folders, module.is_there, load, module.layout, module.source,
        module.fetch if "--download" in module.source else None, True,
    )  # fmt: skip


ODIN = "https://github.com/facebookresearch/odin (archives of resized and cropped sets)"
OOD_SETS: dict[str, OODSet] = {
    **{name: _ind_test(module) for name, module in DATAMODULES.items()},
    "mnist": _mnist_like("mnist", "MNIST", "http://yann.lecun.com/exdb/mnist (or --download)", "MNIST", True),
    "kmnist": _mnist_like("kmnist", "KMNIST", "http://codh.rois.ac.jp/kmnist (or --download)", "KMNIST", False),
    "omniglot": replace(
        _images(
            "omniglot", "Omniglot, the first 10,000 characters of the evaluation alphabets, inverted",
            ("omniglot-py/images_evaluation", "images_evaluation", "omniglot"), 13_180,
            "https://github.com/brendenlake/omniglot (or --download)", fetch=_torchvision("Omniglot", background=False),
        ),
        load=_omniglot,
    ),
    "svhn": OODSet(
        "Street View House Numbers, 26,032 test images", ("svhn", "SVHN"),
        lambda folder: (folder / "test_32x32.mat").is_file(), _svhn, "svhn/test_32x32.mat",
        "http://ufldl.stanford.edu/housenumbers (or --download)",
        lambda root: _torchvision("SVHN", split="test")(root / "svhn"), True,
    ),
    "cifar100": OODSet(
        "CIFAR-100, 10,000 test images", ("cifar-100-python", "cifar100_test", "cifar100"),
        lambda folder: ((folder / "test").is_file() and (folder / "meta").is_file()) or folder.name == "cifar100_test",
        _cifar100, "cifar-100-python/test, or class folders in cifar100_test/",
        "https://www.cs.toronto.edu/~kriz/cifar.html (or --download)", _torchvision("CIFAR100"), True,
    ),
    "stl10": OODSet(
        "STL-10, 8,000 test images, 96x96", ("stl10_binary", "stl10"),
        lambda folder: (folder / "test_X.bin").is_file(), _stl10, "stl10_binary/test_X.bin",
        "https://cs.stanford.edu/~acoates/stl10 (or --download)", _torchvision("STL10", split="test"),
    ),
    "tiny-imagenet": _images(
        "tiny-imagenet", "TinyImageNet, 10,000 validation images, 64x64",
        ("tiny-imagenet-200/val", "tiny-imagenet"), 10_000, "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    ),
    "places365": _images(
        "places365", "Places365, small validation images",
        ("val_256", "places365"), 36_500, "http://places2.csail.mit.edu/download.html (or --download)",
        fetch=_torchvision("Places365", split="val", small=True),
    ),
    "textures": _images(
        "textures", "Describable Textures (DTD), 5,640 images", ("dtd/images", "dtd", "dtd_subset", "textures"), 5640,
        "https://www.robots.ox.ac.uk/~vgg/data/dtd (or --download)", fetch=_torchvision("DTD"), mini=True,
    ),
    "isun": _images("isun", "iSUN, 8,925 images of the ODIN archive", ("iSUN", "isun"), 8925, ODIN),
    "lsun-c": _images("lsun-c", "LSUN, cropped, of the ODIN archive", ("LSUN", "lsun-c"), 10_000, ODIN),
    "lsun-r": _images("lsun-r", "LSUN, resized, of the ODIN archive", ("LSUN_resize", "lsun-r"), 10_000, ODIN),
    "tiny-imagenet-c": _images(
        "tiny-imagenet-c", "TinyImageNet, cropped, of the ODIN archive", ("Imagenet", "tiny-imagenet-c"), 10_000, ODIN
    ),
    "tiny-imagenet-r": _images(
        "tiny-imagenet-r", "TinyImageNet, resized, of the ODIN archive",
        ("Imagenet_resize", "tiny-imagenet-r"), 10_000, ODIN,
    ),
    "voc": OODSet(
        "Pascal VOC 2012, validation images", ("VOCdevkit/VOC2012", "VOC2012", "voc"),
        lambda folder: (folder / "JPEGImages").is_dir(), _voc,
        "VOCdevkit/VOC2012/JPEGImages/*.jpg with ImageSets/Main/val.txt",
        "http://host.robots.ox.ac.uk/pascal/VOC (or --download)", _torchvision("VOCDetection"), True,
    ),
    "openimages": _images(
        "openimages", "OpenImages, any folder of its images", ("openimages", "OpenImages"), None,
        "https://storage.googleapis.com/openimages/web/index.html",
    ),
    "road-anomaly-21": _smiyc(
        "road-anomaly-21", "RoadAnomaly21, 10 frames with masks", ("dataset_AnomalyTrack", "road_anomaly21"), 10, True
    ),
    "road-obstacle-21": _smiyc(
        "road-obstacle-21", "RoadObstacle21, 30 frames with masks", ("dataset_ObstacleTrack", "road_obstacle21"), 30
    ),
    "fishyscapes": OODSet(
        "Fishyscapes Lost & Found, 100 frames with masks", ("fishyscapes", "fs_lost_found"),
        lambda folder: (folder / "labels").is_dir() and (folder / "images").is_dir(),
        _masked("fishyscapes", 100, "images", _fishyscapes_mask),
        "fishyscapes/images/*.png with fishyscapes/labels/*_labels.png",
        "https://fishyscapes.com/dataset and the Lost and Found data set it refers to",
    ),
    "woodscape-soiling": OODSet(
        "WoodScape soiling, 1,000 test frames with masks", ("soiling_dataset", "woodscape/soiling_dataset"),
        lambda folder: (folder / "test" / "rgbImages").is_dir(), soiling_test,
        "soiling_dataset/test/{rgbImages,gtLabels}/*.png", "https://woodscape.valeo.com (terms of use)", mini=True,
    ),
}  # fmt: skip


def known_names() -> list[str]:
    """Every name after --ood but ``folder:PATH`` and ``generated:PATH``."""
    return [*(f"{ind}-anomalies" for ind in DATAMODULES), *OOD_SETS, *NOISE]


def check_names(names: list[str] | tuple[str, ...]) -> None:
    """Raise ValueError for the first name that is no OoD set; it lists the right ones."""
    known = known_names()
    for name in names:
        if name not in known and not name.startswith(("folder:", "generated:")):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"unknown OoD set {name!r}; {hint}OoD sets: {', '.join(known)}, folder:PATH, generated:PATH"
            )


def load_ood(name: str, data: BenchmarkDataModule) -> ImageSet:
    """An OoD set for a data module that is set up.

    Args:
        name: one of :func:`known_names`, ``folder:PATH``, or ``generated:PATH`` of a set that
            ``python -m anomalies.generate`` made.
        data: gives root, seed, recipe, download, and its test images for anomalies and noise.

    Raises:
        ValueError: unknown name, or no images. FileNotFoundError: not below the root; says what is expected
            and where to get it.
    """
    check_names([name])
    if name.startswith("folder:"):
        folder = Path(name.removeprefix("folder:"))
        if not folder.is_dir():
            raise FileNotFoundError(f"{name}: {folder} is no folder")
        return FileSet(name, folder, image_files(folder), "official")
    if name.startswith("generated:"):
        return GeneratedSet(name, Path(name.removeprefix("generated:")), data.root)
    if name in NOISE:
        shape = (*data.image_size, data.channels)
        return noise_set(name, shape, len(data.sets["test"]), data.seed, partial(_located, "mnist", data))
    if name.endswith("-anomalies"):
        ind = name.removesuffix("-anomalies")
        base = data.sets["test"] if ind == data.name else capped(_located(ind, data), data.limit, data.seed)
        view = DATAMODULES[ind].view()
        return AnomalousSet(base, data.recipe, data.seed, name, view, data.severity, data.every_kind)
    if name == data.name:
        raise ValueError(f"{name} is the in-distribution set; name another OoD set")
    return _located(name, data)


def _located(name: str, data: BenchmarkDataModule) -> ImageSet:
    entry = OOD_SETS[name]
    if data.root is None:
        if not entry.mini:
            raise FileNotFoundError(
                f"{name} has no generated miniature; name a --data-root that holds {entry.layout}; "
                f"get it from {entry.source}"
            )
        folder = find(miniature(name, data.seed), entry.folders, entry.is_there)
    else:
        folder = find(data.root, entry.folders, entry.is_there)
        if folder is None and data.download and entry.fetch is not None:
            entry.fetch(data.root)
            folder = find(data.root, entry.folders, entry.is_there)
    if folder is None:
        raise missing(name, data.root or Path(), entry.layout, entry.source)
    return entry.load(folder)
