"""The detection labels of BDD100K (Yu et al., CVPR 2020): the 100k frames."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.formats.scalabel import OTHER_NAMES, read_scalabel
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.boxed import BoxedSet
from datamodules.imagesets.boxes import Boxes
from datamodules.imagesets.origin import origin_of
from datamodules.imagesets.subset import hold_out
from lsood.images.listing import composed, image_files
from lsood.io import log

BOX_CLASSES = (
    "pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "traffic light", "traffic sign",
)  # fmt: skip
IGNORED = ("other vehicle", "other person", "trailer")
# What other data sets call objects of these classes, as VOS (Du et al., ICLR 2022) and the FMIYC benchmark list it.
COCO_NAMES = (
    "person", "bicycle", "bus", "car", "motorcycle", "train", "pedestrian", "rider", "truck", "traffic light",
    "traffic sign",
)  # fmt: skip
OPEN_IMAGES_NAMES = (
    "person", "human", "human beard", "man", "woman", "boy", "girl", "body part", "bicycle", "bicycle wheel", "bus",
    "car", "taxi", "van", "limousine", "motorcycle", "train", "land vehicle", "human face", "human arm", "human head",
    "human hand", "human hair", "human nose", "human ear", "human mouth", "human eye",
)  # fmt: skip
VOC_NAMES = ("person", "bicycle", "bus", "car", "motorbike", "train")
PUBLISHED = {"train": 69_863, "val": 10_000}
LABEL_FILES = ("labels/det_20/det_{part}.json", "labels/bdd100k_labels_images_{part}.json")


class BDD100kDataModule(BenchmarkDataModule):
    """The objects of images/100k, 10 classes. Official train less 10 % fits, those validate, official val tests.

    Scaled as in VOS and LaREx (short side 800, long side at most 1333), normalised with ImageNet's constants.
    """

    name = "bdd100k"
    task = "detection"
    class_names = BOX_CLASSES
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    image_size = (800, 1333)
    miniature_size: ClassVar[tuple[int, int] | None] = (180, 320)
    street = True
    folders = ("bdd100k", "BDD100K")
    layout = "images/100k/{train,val}/*.jpg with labels/det_20/det_{train,val}.json"
    source = "https://bdd-data.berkeley.edu (registration)"
    synonyms = COCO_NAMES + OPEN_IMAGES_NAMES + VOC_NAMES
    default_network = "faster-rcnn"
    miniature_network = "faster-rcnn-small"
    default_recipe = "driving"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return (folder / "images" / "100k" / "val").is_dir()

    @classmethod
    def part(cls, folder: Path, part: str) -> BoxedSet:
        """Official "train" or "val": the frames that the label file lists, less those without an image.

        Raises:
            FileNotFoundError: no label file. ValueError: no frame has an image; see `read_boxes` too.
        """
        path = label_file(folder, part)
        frames = read_boxes(path)
        images = folder / "images" / "100k" / part
        there = image_files(images, "*")
        files = [file for file in there if composed(file.name) in frames]
        if not files:
            raise ValueError(f"none of the {len(frames)} frames that {path} lists is in {images}")
        if missing := sorted(frames.keys() - {composed(file.name) for file in files}):
            log.warning(
                "%s lists %d frames that are not in %s, e.g. %s; they are left out",
                path, len(missing), images, missing[0],
            )  # fmt: skip
        if len(files) < len(there):
            log.warning(
                "%s: %d images are not listed in %s; they are left out", images, len(there) - len(files), path
            )
        origin = origin_of(folder, len(files), PUBLISHED[part])
        return BoxedSet(
            cls.name, folder, files, origin, [frames[composed(file.name)] for file in files], path
        )

    def split(self, folder: Path) -> dict[str, ImageSet]:
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "val")}


def label_file(folder: Path, part: str) -> Path:
    """The detection labels of 2020, else those of 2018.

    Raises:
        FileNotFoundError: neither is there.
    """
    paths = [folder / name.format(part=part) for name in LABEL_FILES]
    for path in paths:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"the frames in {folder} have no detection labels: expected {paths[0]} (or {paths[1]}); "
        f"get them from {BDD100kDataModule.source}"
    )


def read_boxes(path: Path) -> dict[str, Boxes]:
    """Detection labels by image name; frames without labels have no boxes.

    The names of the 2018 release are mapped; "other vehicle", "other person" and "trailer" are left out, as
    in the official evaluation.

    Raises:
        FileNotFoundError, ValueError: see `datamodules.formats.scalabel.read_scalabel`.
    """
    return read_scalabel(path, BOX_CLASSES, OTHER_NAMES, IGNORED)
