"""Miniature of Drive-SynOOD-OD: street scenes with an animal, stroller or scooter in them, and the same without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.driving import COUNTED, frame_labels
from datamodules.miniature.files import save_image
from datamodules.miniature.objects import CIFAR10, OTHER, sprite
from datamodules.miniature.street.scene import render
from lsood.images.reading import read_image

Random = Callable[[int], np.random.Generator]
Sizes = dict[str, int]
HAZARDS = {"Dog": "dog", "Other Deer": "deer", "Roe Deer": "deer", "Scooter": "chair", "Stroller": "sofa",
           "Wild Boar": "horse"}  # fmt: skip
"""{hazard of Drive-SynOOD-OD: the shape that stands for it}."""
SUBSETS: tuple[str, ...] = ("ood_positive", "ood_positive_hiconf", "clean_paired")


def drive_synood_od(root: Path, sizes: Sizes, random: Random) -> None:
    """dataset/images (clean .jpg, two .png with a hazard for each), and a COCO file for each subset; every second
    hazard is in the high-confidence subset. 320 x 180.
    """
    names = [*HAZARDS, *COUNTED.values()]
    subsets: dict[str, list[dict[str, object]]] = {name: [] for name in SUBSETS}
    objects: dict[str, list[dict[str, object]]] = {name: [] for name in SUBSETS}
    for index in range(sizes["frames"]):
        numbers = random(index)
        scene = render(numbers, (180, 320))
        frame = "-".join(f"{numbers.integers(1 << 32):08x}" for _ in range(2))
        images = root / "dataset" / "images"
        save_image(images / "clean" / f"{frame}.jpg", scene.image)
        clean = read_image(images / "clean" / f"{frame}.jpg")  # as decoded, so that only the hazard differs
        known: list[dict[str, object]] = [
            {"category_id": names.index(label["category"]) + 1, "bbox": _width_height(label["box2d"])}
            for label in frame_labels(f"{frame}.jpg", scene)["labels"]
        ]
        versions: list[tuple[str, list[dict[str, object]], tuple[str, ...]]] = [
            (f"clean/{frame}.jpg", known, ("clean_paired",))
        ]
        for turn in range(2):
            hazard = list(HAZARDS)[(2 * index + turn) % len(HAZARDS)]
            image, box = _painted(clean, HAZARDS[hazard], numbers)
            name = f"ood/{frame}_{hazard.lower().replace(' ', '_')}_{turn}.png"
            save_image(images / name, image)
            added = {"category_id": names.index(hazard) + 1, "bbox": box}
            versions.append((name, [*known, added], SUBSETS[: 2 - turn]))
        for name, found, where in versions:
            for subset in where:
                number = len(subsets[subset])
                subsets[subset].append({"id": number, "file_name": name, "height": 180, "width": 320})
                objects[subset] += [
                    {**one, "id": len(objects[subset]) + i, "image_id": number, "iscrowd": 0}
                    for i, one in enumerate(found)
                ]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    folder = root / "dataset" / "annotations" / "coco"
    folder.mkdir(parents=True, exist_ok=True)
    for name in SUBSETS:
        content = {"images": subsets[name], "annotations": objects[name], "categories": categories}
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _width_height(box: dict[str, int]) -> list[int]:
    return [box["x1"], box["y1"], box["x2"] - box["x1"], box["y2"] - box["y1"]]


def _painted(
    image: NDArray[np.uint8], shape: str, random: np.random.Generator
) -> tuple[NDArray[np.uint8], list[int]]:
    """An image with a thing on the road, and x y width height of it."""
    tall = int(random.integers(30, 70))
    figure = sprite(CIFAR10.get(shape) or OTHER[shape], random, tall, tilt=3)
    top, left = int(random.integers(90, 175 - tall)), int(random.integers(40, 280 - tall))
    painted, area = image.astype(np.float32) / 255, (slice(top, top + tall), slice(left, left + tall))
    painted[area] = painted[area] * (1 - figure[..., 3:]) + figure[..., :3]
    rows, columns = np.nonzero(figure[..., 3] > 0.5)
    corner = [left + int(columns.min()), top + int(rows.min())]
    size = [int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    return np.rint(painted * 255).clip(0, 255).astype(np.uint8), [*corner, *size]
