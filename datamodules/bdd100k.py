"""BDD100K (Yu et al., CVPR 2020): the 10k segmentation subset, and the detection labels of the 100k
frames.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datamodules.base import BenchmarkDataModule, hold_out
from datamodules.cityscapes import CLASSES
from datamodules.imageset import FileSet, ImageSet, Labels
from datamodules.locate import origin_of
from datamodules.reading import IGNORE, image_files, lookup

CLASS_IDS = lookup({i: i for i in range(19)} | {IGNORE: IGNORE})
PUBLISHED = {"train": 7000, "val": 1000}
BOX_CLASSES = (
    "pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle", "traffic light", "traffic sign",
)  # fmt: skip
OTHER_NAMES = {"person": "pedestrian", "bike": "bicycle", "motor": "motorcycle"}
IGNORED = ("other vehicle", "other person", "trailer")


class BDD100kDataModule(BenchmarkDataModule):
    """The segmentation labels of images/10k, 19 training ids. Official train less 10 % fits, those validate,
    official val tests.

    Normalised with ImageNet's constants.
    """

    name = "bdd100k"
    task = "segmentation"
    class_names = tuple(CLASSES)
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    default_size = (180, 320)
    miniature_size: ClassVar[tuple[int, int] | None] = (90, 160)
    folders = ("bdd100k", "BDD100K")
    layout = "images/10k/{train,val}/*.jpg with labels/sem_seg/masks/{train,val}/*.png"
    source = "https://bdd-data.berkeley.edu (registration)"

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return (folder / "images" / "10k" / "val").is_dir()

    @classmethod
    def part(cls, folder: Path, part: str) -> FileSet:
        """Official "train" or "val" of the segmentation subset."""
        files = image_files(folder / "images" / "10k" / part, "*")
        return FileSet(
            cls.name,
            folder,
            files,
            origin_of(folder, len(files), PUBLISHED[part]),
            Labels(label_of, CLASS_IDS),
        )

    def split(self, folder: Path) -> dict[str, ImageSet]:
        train, val = hold_out(self.part(folder, "train"), 0.1, self.seed)
        return {"train": train, "val": val, "test": self.part(folder, "val")}


def label_of(image: Path) -> Path:
    """images/10k/<split>/x.jpg -> labels/sem_seg/masks/<split>/x.png."""
    return image.parents[3] / "labels" / "sem_seg" / "masks" / image.parent.name / f"{image.stem}.png"


class Boxes(NamedTuple):
    """Objects of one frame.

    Attributes:
        boxes: (M, 4) float32, x1 y1 x2 y2 in pixels. classes: (M,) int64 indices into BOX_CLASSES.
            attributes: weather, timeofday, scene.
    """

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    attributes: dict[str, str]


def read_boxes(path: Path) -> dict[str, Boxes]:
    """Detection labels (Scalabel JSON, one list of frames) by image name; frames without labels have no
    boxes.

    The names of the 2018 release are mapped; "other vehicle", "other person" and "trailer" are left out, as
    in the official evaluation.

    Raises:
        FileNotFoundError: no such file. ValueError: damaged JSON, a frame without a name, an unknown
            category, or a box without area.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        frames = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no whole JSON file: {error}") from error
    if not isinstance(frames, list):
        raise ValueError(f"{path} must hold a list of frames")
    return {_name(frame, path): _objects(frame, path) for frame in frames}


def _name(frame: Any, path: Path) -> str:
    if not isinstance(frame, dict) or not isinstance(frame.get("name"), str):
        raise ValueError(f"{path} holds a frame without a name")
    return frame["name"]


def _objects(frame: dict[str, Any], path: Path) -> Boxes:
    boxes, classes = [], []
    for label in frame.get("labels") or []:
        category = OTHER_NAMES.get(label.get("category"), label.get("category"))
        if "box2d" not in label or category in IGNORED:
            continue
        if category not in BOX_CLASSES:
            raise ValueError(f"{path}: frame {frame['name']} has the unknown category {category!r}")
        box = [float(label["box2d"][side]) for side in ("x1", "y1", "x2", "y2")]
        if not (box[2] > box[0] and box[3] > box[1]):
            raise ValueError(f"{path}: frame {frame['name']} has a box without area: {box}")
        boxes.append(box)
        classes.append(BOX_CLASSES.index(category))
    return Boxes(
        np.asarray(boxes, dtype=np.float32).reshape(-1, 4),
        np.asarray(classes, dtype=np.int64),
        dict(frame.get("attributes") or {}),
    )
