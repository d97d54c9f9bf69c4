"""Small data sets in COCO's format: images with coloured rectangles, an object each."""

import json
from pathlib import Path

import numpy as np

from datamodules.miniature.files import save_image

CATEGORIES = {3: "red", 7: "green"}
COLOURS = {"red": 0, "green": 1, "blue": 2}


def content(images, categories=CATEGORIES, crowd=False):
    """A label file: ``images`` are {file name: [(category id, [x, y, w, h])]}."""
    annotations = []
    for number, objects in enumerate(images.values()):
        for category, (x, y, w, h) in objects:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number + 100,
                    "category_id": category,
                    "bbox": [x, y, w, h],
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                    "iscrowd": 0,
                }
            )
    return {
        "images": [
            {"id": number + 100, "file_name": name, "height": 64, "width": 96}
            for number, name in enumerate(images)
        ],
        "categories": [{"id": number, "name": name} for number, name in categories.items()],
        "annotations": annotations,
    }


def pictures(folder: Path, n: int, seed: int = 0, categories=CATEGORIES, start: int = 0):
    """Write n images of 64 x 96 pixels; {file name: objects}."""
    random, found = np.random.default_rng(seed), {}
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(start, start + n):
        image = random.integers(60, 90, (64, 96, 3), dtype=np.uint8)
        objects = []
        for _ in range(1 + i % 2):
            number = list(categories)[int(random.integers(len(categories)))]
            w, h = (int(side) for side in random.integers(16, 30, 2))
            x, y = int(random.integers(0, 96 - w)), int(random.integers(0, 64 - h))
            image[y : y + h, x : x + w, COLOURS[categories[number]]] = 230
            objects.append((number, [x, y, w, h]))
        save_image(folder / f"{i:04}.png", image)
        found[f"{i:04}.png"] = objects
    return found


def write(path: Path, found) -> Path:
    """Write a label file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    return path


def coco(folder: Path, n: int = 12) -> Path:
    """COCO's layout: train2017, val2017, annotations."""
    for seed, part in enumerate(("train", "val")):
        images = pictures(folder / f"{part}2017", n, seed, start=1000 * seed)
        write(folder / "annotations" / f"instances_{part}2017.json", content(images))
    return folder


def single(folder: Path, n: int = 15, categories=CATEGORIES, seed: int = 5) -> Path:
    """One label file beside the images."""
    write(folder / "labels.json", content(pictures(folder, n, seed, categories, start=5000), categories))
    return folder


def roboflow(folder: Path, n: int = 6) -> Path:
    """Roboflow's layout, with its category that stands above all others."""
    categories = {0: "shapes", **CATEGORIES}
    for seed, part in enumerate(("train", "valid", "test")):
        images = pictures(folder / part, n, seed, CATEGORIES)
        found = content(images, categories)
        for category in found["categories"]:
            category["supercategory"] = "none" if category["id"] == 0 else "shapes"
        write(folder / part / "_annotations.coco.json", found)
    return folder
