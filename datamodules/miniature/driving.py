"""Miniatures of the driving sets: Cityscapes, WoodScape and its soiling set, BDD100K, CamVid,
RoadAnomaly21.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from anomalies import Mud
from datamodules.miniature.files import save_image
from datamodules.miniature.objects import CIFAR10, OTHER, sprite
from datamodules.miniature.street.fisheye import render_fisheye
from datamodules.miniature.street.scene import Scene, render

Random = Callable[[int], np.random.Generator]
Sizes = dict[str, int]


def _table(groups: dict[int, tuple[int, ...]], rest: int) -> NDArray[np.uint8]:
    table = np.full(256, rest, dtype=np.uint8)
    for target, sources in groups.items():
        table[list(sources)] = target
    return table


CITYSCAPES = _table({7: (7, 40), 8: (8, 41)} | {i: (i,) for i in (1, *range(11, 34))}, 0)
TRAIN_IDS = _table(
    {
        t: (i,)
        for t, i in enumerate((7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33))
    }
    | {0: (7, 40), 1: (8, 41)},
    255,
)
WOODSCAPE = _table(
    {1: (7,), 2: (40,), 3: (41,), 4: (24,), 5: (25,), 6: (26, 27, 28, 31), 7: (33,), 8: (32,), 9: (20,)}, 0
)
CAMVID = _table(
    {0: (23,), 1: (11, 12), 2: (17,), 3: (7, 40), 4: (8, 41), 5: (21, 22), 6: (19, 20), 7: (13,), 8: (26, 27, 28, 31),
     9: (24,), 10: (25, 32, 33)}, 11,
)  # fmt: skip
WOODSCAPE_COLOURS = np.array(
    [(0, 0, 0), (255, 0, 255), (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (0, 255, 255), (255, 255, 0),
     (255, 128, 128), (128, 128, 0)], dtype=np.uint8,
)  # fmt: skip
SOILING_COLOURS = np.array([(0, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 0)], dtype=np.uint8)
COUNTED = {24: "pedestrian", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle",
           33: "bicycle", 19: "traffic light", 20: "traffic sign"}  # fmt: skip


def cityscapes(root: Path, sizes: Sizes, random: Random) -> None:
    """leftImg8bit and gtFine (labelIds, instanceIds), 512 x 256."""
    index = 0
    for split, count in sizes.items():
        for frame in range(count):
            scene = render(random(index))
            city = f"miniatown{split}"
            stem = f"{city}_{frame:06d}_000019"
            save_image(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", scene.image)
            labels, folder = CITYSCAPES[scene.labels], root / "gtFine" / split / city
            save_image(folder / f"{stem}_gtFine_labelIds.png", labels)
            save_image(folder / f"{stem}_gtFine_instanceIds.png", _instance_ids(labels, scene.instances))
            index += 1


def _instance_ids(labels: NDArray[np.uint8], instances: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Cityscapes' encoding: class * 1000 + running number for classes with instances, the class for the
    others.
    """
    ids = labels.astype(np.uint16)
    for label in (24, 25, 26, 27, 28, 31, 32, 33):
        inside = labels == label
        _, numbers = np.unique(instances[inside], return_inverse=True)
        ids[inside] = label * 1000 + numbers
    return ids


def woodscape(root: Path, sizes: Sizes, random: Random) -> None:
    """rgb_images and semantic_annotations, 320 x 242, fisheye."""
    for index in range(sizes["frames"]):
        scene = render_fisheye(random(index))
        labels, name = WOODSCAPE[scene.labels], f"{index:05d}_FV.png"
        save_image(root / "rgb_images" / name, scene.image)
        save_image(root / "semantic_annotations" / "gtLabels" / name, labels)
        save_image(root / "semantic_annotations" / "rgbLabels" / name, WOODSCAPE_COLOURS[labels])


def soiling(root: Path, sizes: Sizes, random: Random) -> None:
    """{train,test}/{rgbImages,gtLabels,rgbLabels}: dirt over fisheye frames, 0 clear to 3 opaque from its
    exact opacity.
    """
    index = 0
    for split, count in sizes.items():
        for frame in range(count):
            numbers = random(index)
            scene = render_fisheye(numbers)
            dirty = Mud(int(numbers.integers(2, 6))).render(scene.image, numbers)
            assert dirty.alpha is not None
            labels = np.digitize(dirty.alpha, (0.05, 0.35, 0.80)).astype(np.uint8)
            name = f"{frame:04d}_FV.png"
            save_image(root / split / "rgbImages" / name, dirty.image)
            save_image(root / split / "gtLabels" / name, labels)
            save_image(root / split / "rgbLabels" / name, SOILING_COLOURS[labels])
            index += 1


def bdd100k(root: Path, sizes: Sizes, random: Random) -> None:
    """images/10k with labels/sem_seg/masks, images/100k with labels/det_20, 320 x 180: the same frames in both."""
    index = 0
    for split in ("train", "val"):
        segmented, detected = sizes[f"10k/{split}"], sizes[f"100k/{split}"]
        frames = []
        for number in range(max(segmented, detected)):
            numbers = random(index)
            scene = render(numbers, (180, 320))
            name = "-".join(f"{numbers.integers(1 << 32):08x}" for _ in range(2))
            if number < segmented:
                save_image(root / "images" / "10k" / split / f"{name}.jpg", scene.image)
                masks = root / "labels" / "sem_seg" / "masks" / split
                save_image(masks / f"{name}.png", TRAIN_IDS[scene.labels])
            if number < detected:
                save_image(root / "images" / "100k" / split / f"{name}.jpg", scene.image)
                frames.append(frame_labels(f"{name}.jpg", scene))
            index += 1
        path = root / "labels" / "det_20" / f"det_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(frames), encoding="utf-8")


def frame_labels(name: str, scene: Scene) -> dict[str, Any]:
    """One frame of BDD100K's detection labels: the visible extent of every counted object that shows at least 30
    pixels, 5 in width and height.
    """
    counted = np.isin(scene.labels, list(COUNTED))
    codes = np.where(counted, scene.instances.astype(np.int64) * 256 + scene.labels, 0)
    found, objects, shown = np.unique(codes, return_inverse=True, return_counts=True)
    numbered = np.asarray(objects).reshape(codes.shape)
    labels: list[dict[str, object]] = []
    for number, extent in enumerate(find_objects(numbered), start=1):
        rows, columns = extent
        sides = rows.stop - rows.start, columns.stop - columns.start
        if found[0] != 0 or shown[number] < 30 or min(sides) < 5:
            continue
        box = {"x1": columns.start, "y1": rows.start, "x2": columns.stop, "y2": rows.stop}
        attributes = {"occluded": False, "truncated": False, "trafficLightColor": "NA"}
        category = COUNTED[int(found[number]) % 256]
        labels.append({"id": str(len(labels)), "category": category, "attributes": attributes, "box2d": box})
    attributes = {"weather": scene.weather, "timeofday": scene.timeofday, "scene": scene.place}
    return {"name": name, "attributes": attributes, "timestamp": 10000, "labels": labels}


def camvid(root: Path, sizes: Sizes, random: Random) -> None:
    """SegNet's layout: {train,val,test} and {train,val,test}annot, 240 x 180."""
    index = 0
    for split, count in sizes.items():
        for frame in range(count):
            scene = render(random(index), (180, 240), ego=False)
            name = f"0001TP_{frame * 30:06d}.png"
            save_image(root / split / name, scene.image)
            save_image(root / f"{split}annot" / name, CAMVID[scene.labels])
            index += 1


def road_anomaly(root: Path, sizes: Sizes, random: Random) -> None:
    """images and labels_masks (0 normal, 1 anomaly, 255 ignore): an animal, boulder or other unknown thing on
    the road.
    """
    unknown = [CIFAR10[name] for name in ("deer", "horse", "dog", "cat")] + [
        OTHER[name] for name in ("boulder", "sofa", "chair")
    ]
    for index in range(sizes["frames"]):
        numbers = random(index)
        scene = render(numbers, (256, 512))
        mask = np.where(scene.labels == 1, 255, 0).astype(np.uint8)
        image = scene.image.astype(np.float32) / 255
        tall = int(numbers.integers(40, 110))
        figure = sprite(unknown[int(numbers.integers(len(unknown)))], numbers, tall, tilt=3)
        foot = int(np.clip(112 + tall * 0.85 + numbers.integers(0, 20), tall, 235))
        left = int(numbers.integers(90, 422 - tall))
        area = (slice(foot - tall, foot), slice(left, left + tall))
        alpha = cv2.GaussianBlur(figure[..., 3], (0, 0), 0.6)[..., None]
        image[area] = image[area] * (1 - alpha) + figure[..., :3] * 0.9 * (alpha > 0.02) * alpha
        part = mask[area]
        part[alpha[..., 0] >= 0.5] = 1
        part[(alpha[..., 0] >= 0.05) & (alpha[..., 0] < 0.5)] = 255
        save_image(root / "images" / f"scene{index:04d}.jpg", (image * 255).clip(0, 255).astype(np.uint8))
        save_image(root / "labels_masks" / f"scene{index:04d}_labels_semantic.png", mask)
