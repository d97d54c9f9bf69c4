"""Miniatures of Pascal VOC and OpenImages: photographs of a few things, with their boxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.canvas import Camera, Canvas
from datamodules.miniature.files import save_image
from datamodules.miniature.objects import CIFAR10, OTHER, Shape, background, sprite
from datamodules.miniature.street.traffic import person
from datamodules.miniature.street.weather import Light

Random = Callable[[int], np.random.Generator]
Sizes = dict[str, int]
Box = tuple[int, int, int, int]
Thing = tuple[str, Box]
KNOWN_EVERY = 6
"""Every sixth image also holds a person or a car, so that a detector of them cannot take it for unknown."""
VOC = {"bottle": "bottle", "chair": "chair", "sofa": "sofa", "aeroplane": "airplane", "boat": "ship", "bird": "bird",
       "cat": "cat", "dog": "dog", "horse": "horse"}  # fmt: skip
OPEN_IMAGES = {"Mushroom": "mushroom", "Flower": "flower", "Clock": "clock", "Coffee cup": "cup", "Fish": "fish",
               "Butterfly": "butterfly", "Frog": "frog", "Deer": "deer", "Couch": "sofa", "Rock": "boulder",
               }  # fmt: skip


def voc(root: Path, sizes: Sizes, random: Random) -> None:
    """VOCdevkit/VOC2012: JPEGImages, Annotations (XML boxes), ImageSets/Main/val.txt."""
    stems = []
    for index in range(sizes["val"]):
        numbers = random(index)
        stem = f"2012_{index + 1:06d}"
        size = (200, 300) if numbers.random() < 0.8 else (300, 200)
        image, things = _photograph(numbers, VOC, size, ("person", "car"), index % KNOWN_EVERY == 2)
        stems.append(stem)
        save_image(root / "JPEGImages" / f"{stem}.jpg", image)
        path = root / "Annotations" / f"{stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_annotation(stem, size, things), encoding="utf-8")
    listed = root / "ImageSets" / "Main" / "val.txt"
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("\n".join(stems) + "\n", encoding="utf-8")


def _annotation(stem: str, size: tuple[int, int], things: Sequence[Thing]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
        f"<bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, (x1, y1, x2, y2) in things
    )
    return (
        f"<annotation><folder>VOC2012</folder><filename>{stem}.jpg</filename><size><width>{size[1]}</width>"
        f"<height>{size[0]}</height><depth>3</depth></size><segmented>0</segmented>{objects}</annotation>\n"
    )


def openimages(root: Path, sizes: Sizes, random: Random) -> None:
    """openimages: images, COCO-Format/val_coco_format.json."""
    names = [*OPEN_IMAGES, "Person", "Car"]
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for index in range(sizes["images"]):
        numbers = random(index)
        size = [(192, 256), (256, 192), (192, 288)][int(numbers.integers(3))]
        image, things = _photograph(numbers, OPEN_IMAGES, size, ("Person", "Car"), index % KNOWN_EVERY == 2)
        name = f"{numbers.integers(1 << 63):016x}.jpg"
        save_image(root / "images" / name, image)
        images.append({"id": index, "file_name": name, "height": size[0], "width": size[1]})
        for thing, (x1, y1, x2, y2) in things:
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {"id": len(annotations), "image_id": index, "category_id": names.index(thing), "bbox": box,
                 "area": box[2] * box[3], "iscrowd": 0}
            )  # fmt: skip
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    path = root / "COCO-Format" / "val_coco_format.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(content), encoding="utf-8")


def _photograph(
    random: np.random.Generator,
    shapes: dict[str, str],
    size: tuple[int, int],
    known: tuple[str, str],
    with_known: bool,
) -> tuple[NDArray[np.uint8], list[Thing]]:
    """(H, W, 3) uint8 of one to three things side by side, with tight boxes; the last may be a person or a car,
    under the names in ``known``.
    """
    height, width = size
    chosen = list(random.choice(list(shapes), int(random.integers(1, 4)), replace=False))
    if with_known:
        chosen[-1] = known[int(random.integers(2))]
    place = _shape(shapes.get(chosen[0], "automobile"))[2]
    scene = background(place, random, max(size))[:height, :width].copy()
    slot = width // len(chosen)
    things = []
    for position, name in enumerate(chosen):
        tall = int(random.uniform(0.6, 1.0) * min(slot, height))
        if name == known[0]:
            figure = _figure(random, tall)
        else:
            figure = sprite(_shape(shapes.get(name, "automobile")), random, tall)
        top = int(random.integers(0, height - tall + 1))
        left = position * slot + int(random.integers(0, slot - tall + 1))
        area, alpha = (slice(top, top + tall), slice(left, left + tall)), figure[..., 3:]
        scene[area] = scene[area] * (1 - alpha) + figure[..., :3]
        rows, columns = np.nonzero(alpha[..., 0] > 0.5)
        box = (left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1)
        things.append((str(name), tuple(map(int, box))))
    scene = scene * random.uniform(0.8, 1.1) + random.normal(0, 0.012, scene.shape).astype(np.float32)
    return (scene * 255).clip(0, 255).astype(np.uint8), things  # type: ignore[return-value]


def _shape(name: str) -> Shape:
    return OTHER.get(name) or CIFAR10[name]


def _figure(random: np.random.Generator, size: int) -> NDArray[np.float32]:
    """(size, size, 4) float32 RGBA, premultiplied, of a person of the streets."""
    canvas = Canvas(Camera((size, size), horizon=0.2))
    person(canvas, Light(1.0, 0.8, 0.95, 0.0), random, 0.0, 2.11, tall=1.5)  # these fill the picture
    image, labels, _ = canvas.finish()
    alpha = (labels > 0).astype(np.float32)[..., None]
    return np.concatenate([image * alpha, alpha], axis=2)
