"""The OoD sets: where each lies, how it is read, where to get it, and what stands in for it where the user
has no data.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datamodules.formats.coco import coco_boxed
from datamodules.formats.reading import image_files
from datamodules.formats.voc import voc, voc_boxed
from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import FileSet, ImageSet, capped
from datamodules.ind.bdd100k import BDD100kDataModule
from datamodules.ind.bdd100k_seg import BDD100kSegmentationDataModule
from datamodules.ind.camvid import CamVidDataModule
from datamodules.ind.cifar10 import CIFAR10DataModule
from datamodules.ind.cifar100 import CIFAR100DataModule
from datamodules.ind.cityscapes import CityscapesDataModule
from datamodules.ind.fashion_mnist import FashionMNISTDataModule
from datamodules.ind.gtsrb import GTSRBDataModule
from datamodules.ind.mnist import MNISTDataModule
from datamodules.ind.woodscape import WoodScapeDataModule, soiling_test
from datamodules.locate import find, miniature, missing
from datamodules.ood.generated import GeneratedSet
from datamodules.ood.known_objects import without_known
from datamodules.ood.noise import NOISE, noise_set
from datamodules.ood.readers import (
    OODSet,
    cifar100,
    fishyscapes_mask,
    from_torchvision,
    image_folder,
    mnist_like,
    omniglot,
    smiyc,
    stl10,
    svhn,
    with_masks,
)

if TYPE_CHECKING:
    from datamodules.base import BenchmarkDataModule

DATAMODULES: dict[str, type[BenchmarkDataModule]] = {
    module.name: module
    for module in (
        CityscapesDataModule,
        WoodScapeDataModule,
        BDD100kDataModule,
        BDD100kSegmentationDataModule,
        CamVidDataModule,
        CIFAR10DataModule,
        CIFAR100DataModule,
        FashionMNISTDataModule,
        MNISTDataModule,
        GTSRBDataModule,
    )
}


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
    "mnist": mnist_like("mnist", "MNIST", "http://yann.lecun.com/exdb/mnist (or --download)", "MNIST", True),
    "kmnist": mnist_like("kmnist", "KMNIST", "http://codh.rois.ac.jp/kmnist (or --download)", "KMNIST", False),
    "omniglot": replace(
        image_folder(
            "omniglot", "Omniglot, the first 10,000 characters of the evaluation alphabets, inverted",
            ("omniglot-py/images_evaluation", "images_evaluation", "omniglot"), 13_180,
            "https://github.com/brendenlake/omniglot (or --download)",
            fetch=from_torchvision("Omniglot", background=False),
        ),
        load=omniglot,
    ),
    "svhn": OODSet(
        "Street View House Numbers, 26,032 test images", ("svhn", "SVHN"),
        lambda folder: (folder / "test_32x32.mat").is_file(), svhn, "svhn/test_32x32.mat",
        "http://ufldl.stanford.edu/housenumbers (or --download)",
        lambda root: from_torchvision("SVHN", split="test")(root / "svhn"), True,
    ),
    "cifar100": OODSet(
        "CIFAR-100, 10,000 test images", ("cifar-100-python", "cifar100_test", "cifar100"),
        lambda folder: ((folder / "test").is_file() and (folder / "meta").is_file()) or folder.name == "cifar100_test",
        cifar100, "cifar-100-python/test, or class folders in cifar100_test/",
        "https://www.cs.toronto.edu/~kriz/cifar.html (or --download)", from_torchvision("CIFAR100"), True,
    ),
    "stl10": OODSet(
        "STL-10, 8,000 test images, 96x96", ("stl10_binary", "stl10"),
        lambda folder: (folder / "test_X.bin").is_file(), stl10, "stl10_binary/test_X.bin",
        "https://cs.stanford.edu/~acoates/stl10 (or --download)", from_torchvision("STL10", split="test"),
    ),
    "tiny-imagenet": image_folder(
        "tiny-imagenet", "TinyImageNet, 10,000 validation images, 64x64",
        ("tiny-imagenet-200/val", "tiny-imagenet"), 10_000, "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    ),
    "places365": image_folder(
        "places365", "Places365, small validation images",
        ("val_256", "places365"), 36_500, "http://places2.csail.mit.edu/download.html (or --download)",
        fetch=from_torchvision("Places365", split="val", small=True),
    ),
    "textures": image_folder(
        "textures", "Describable Textures (DTD), 5,640 images", ("dtd/images", "dtd", "dtd_subset", "textures"), 5640,
        "https://www.robots.ox.ac.uk/~vgg/data/dtd (or --download)", fetch=from_torchvision("DTD"), mini=True,
    ),
    "isun": image_folder("isun", "iSUN, 8,925 images of the ODIN archive", ("iSUN", "isun"), 8925, ODIN),
    "lsun-c": image_folder("lsun-c", "LSUN, cropped, of the ODIN archive", ("LSUN", "lsun-c"), 10_000, ODIN),
    "lsun-r": image_folder("lsun-r", "LSUN, resized, of the ODIN archive", ("LSUN_resize", "lsun-r"), 10_000, ODIN),
    "tiny-imagenet-c": image_folder(
        "tiny-imagenet-c", "TinyImageNet, cropped, of the ODIN archive", ("Imagenet", "tiny-imagenet-c"), 10_000, ODIN
    ),
    "tiny-imagenet-r": image_folder(
        "tiny-imagenet-r", "TinyImageNet, resized, of the ODIN archive",
        ("Imagenet_resize", "tiny-imagenet-r"), 10_000, ODIN,
    ),
    "voc": OODSet(
        "Pascal VOC 2012, validation images", ("VOCdevkit/VOC2012", "VOC2012", "voc"),
        lambda folder: (folder / "JPEGImages").is_dir(), voc,
        "VOCdevkit/VOC2012/JPEGImages/*.jpg with ImageSets/Main/val.txt (and Annotations/*.xml for detectors)",
        "http://host.robots.ox.ac.uk/pascal/VOC (or --download)", from_torchvision("VOCDetection"), True, voc_boxed,
    ),
    "openimages": image_folder(
        "openimages", "OpenImages, any folder of its images; for detectors with val_coco_format.json of VOS",
        ("openimages", "OpenImages"), None, "https://storage.googleapis.com/openimages/web/index.html",
        mini=True, boxed=coco_boxed("openimages"),
    ),
    "coco": image_folder(
        "coco", "COCO 2017, any folder of its images; for detectors with annotations/instances_val2017.json",
        ("coco", "COCO"), 5000, "https://cocodataset.org", boxed=coco_boxed("coco", 5000),
    ),
    "road-anomaly-21": smiyc(
        "road-anomaly-21", "RoadAnomaly21, 10 frames with masks", ("dataset_AnomalyTrack", "road_anomaly21"), 10, True
    ),
    "road-obstacle-21": smiyc(
        "road-obstacle-21", "RoadObstacle21, 30 frames with masks", ("dataset_ObstacleTrack", "road_obstacle21"), 30
    ),
    "fishyscapes": OODSet(
        "Fishyscapes Lost & Found, 100 frames with masks", ("fishyscapes", "fs_lost_found"),
        lambda folder: (folder / "labels").is_dir() and (folder / "images").is_dir(),
        with_masks("fishyscapes", 100, "images", fishyscapes_mask),
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
        return _unknown(FileSet(name, folder, image_files(folder), "official"), data)
    if name.startswith("generated:"):
        return GeneratedSet(name, Path(name.removeprefix("generated:")), data.root, data.task == "detection")
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
    return _unknown(_located(name, data), data)


def _unknown(images: ImageSet, data: BenchmarkDataModule) -> ImageSet:
    """What is out of distribution for a data module: a detector's images hold objects, some of which it may know."""
    return without_known(images, data.name, data.class_names) if data.task == "detection" else images


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
    return entry.boxed(folder) if data.task == "detection" and entry.boxed else entry.load(folder)
