"""Miniatures of the small-image sets: CIFAR, MNIST, FashionMNIST, SVHN, GTSRB, DTD."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.canvas import noise
from datamodules.miniature.digits import handwritten, house_number
from datamodules.miniature.files import rows_of, save_batch, save_idx, save_image
from datamodules.miniature.objects import (
    CIFAR10,
    FASHION,
    OTHER,
    Shape,
    background,
    grey_picture,
    picture,
)

Random = Callable[[int], np.random.Generator]
Sizes = dict[str, int]


def _pictures(
    shapes: dict[str, Shape], start: int, count: int, random: Random
) -> tuple[NDArray[np.uint8], list[int]]:
    """``count`` 32 x 32 pictures, classes in turn."""
    kinds = list(shapes.values())
    labels = [i % len(kinds) for i in range(count)]
    return np.stack([picture(kinds[label], random(start + i)) for i, label in enumerate(labels)]), labels


def cifar10(root: Path, sizes: Sizes, random: Random) -> None:
    """cifar-10-batches-py: five training batches and one test batch."""
    images, labels = _pictures(CIFAR10, 0, sizes["train"] + sizes["test"], random)
    edges = np.linspace(0, sizes["train"], 6).astype(int)
    parts = [(f"data_batch_{i + 1}", edges[i], edges[i + 1]) for i in range(5)]
    for name, start, end in (*parts, ("test_batch", sizes["train"], len(images))):
        names = [f"miniature_{i:05d}.png".encode() for i in range(start, end)]
        content = {b"batch_label": name.encode(), b"labels": labels[start:end], b"filenames": names}
        save_batch(root / name, content | {b"data": rows_of(images[start:end])})
    meta = {
        b"label_names": [name.encode() for name in CIFAR10],
        b"num_cases_per_batch": int(edges[1]),
        b"num_vis": 3072,
    }
    save_batch(root / "batches.meta", meta)


def cifar100(root: Path, sizes: Sizes, random: Random) -> None:
    """cifar-100-python with objects that CIFAR-10 does not have; the other classes have no image."""
    start = 0
    for part, count in sizes.items():
        images, labels = _pictures(OTHER, start, count, random)
        names = [f"{part}_{i:05d}.png".encode() for i in range(count)]
        classes = {b"fine_labels": labels, b"coarse_labels": labels, b"filenames": names}
        save_batch(root / part, {b"batch_label": part.encode(), b"data": rows_of(images), **classes})
        start += count
    names = [name.encode() for name in OTHER]
    save_batch(root / "meta", {b"fine_label_names": names, b"coarse_label_names": names})


def _idx(root: Path, sizes: Sizes, draw: Callable[[int, int], NDArray[np.uint8]]) -> None:
    start = 0
    for part, count in sizes.items():
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.stack([draw(int(label), start + i) for i, label in enumerate(labels)])
        stem = {"train": "train", "test": "t10k"}[part]
        save_idx(root / "raw" / f"{stem}-images-idx3-ubyte", images)
        save_idx(root / "raw" / f"{stem}-labels-idx1-ubyte", labels)
        start += count


def mnist(root: Path, sizes: Sizes, random: Random) -> None:
    """MNIST/raw: handwritten-looking digits."""
    _idx(root, sizes, lambda label, index: handwritten(label, random(index)))


def fashion_mnist(root: Path, sizes: Sizes, random: Random) -> None:
    """FashionMNIST/raw: silhouettes of clothes."""
    shapes = list(FASHION.values())
    _idx(root, sizes, lambda label, index: grey_picture(shapes[label], random(index)))


def svhn(root: Path, sizes: Sizes, random: Random) -> None:
    """test_32x32.mat: house numbers, X (32, 32, 3, N), y with 10 for zero."""
    from scipy.io import savemat

    images = np.stack([house_number(i % 10, random(i)) for i in range(sizes["test"])])
    labels = np.array([[i % 10 or 10] for i in range(len(images))], dtype=np.uint8)
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "test_32x32.mat", {"X": images.transpose(1, 2, 3, 0), "y": labels})


def gtsrb(root: Path, sizes: Sizes, random: Random) -> None:
    """GTSRB: round, triangular and octagonal signs with their class number on them, in tracks of five frames."""
    listed = ["Filename;ClassId"]
    for index in range(sum(sizes.values())):
        track, frame = divmod(index, 5)
        label = track % 43
        image = _sign(label, random(index))
        if index < sizes["train"]:
            path = root / "Final_Training" / "Images" / f"{label:05d}" / f"{track // 43:05d}_{frame:05d}.ppm"
        else:
            path = root / "Final_Test" / "Images" / f"{index - sizes['train']:05d}.ppm"
            listed.append(f"{path.name};{label}")
        save_image(path, image)
    (root / "Final_Test" / "Images" / "GT-final_test.csv").write_text(
        "\n".join(listed) + "\n", encoding="utf-8"
    )


def _sign(label: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """(S, S, 3) uint8, S 30 to 60: corners and colours go with the class."""
    corners, rim, face = [(24, RED, WHITE), (3, RED, WHITE), (24, BLUE, BLUE), (8, RED, RED)][label % 4]
    scene = (background("leaves", random, 64) * 255).clip(0, 255).astype(np.uint8)
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) - np.pi / 2 + random.normal(0, 0.05)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    centre, radius = 32 + random.normal(0, 2, 2), random.uniform(24, 30)
    for share, colour in ((1.0, rim), (0.78, face)):
        cv2.fillPoly(
            scene, [np.round(centre + share * radius * circle).astype(np.int32)], colour, cv2.LINE_AA
        )
    ink = BLACK if face == WHITE else WHITE
    place = (int(centre[0]) - 13, int(centre[1]) + 9)
    cv2.putText(scene, f"{label:02d}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, ink, 2, cv2.LINE_AA)
    lit = (scene * random.uniform(0.4, 1.1)).clip(0, 255).astype(np.uint8)
    size = int(random.integers(30, 61))
    return cv2.resize(lit, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


RED, BLUE, WHITE, BLACK = (200, 20, 30), (20, 60, 170), (235, 235, 235), (10, 10, 10)


def textures(root: Path, sizes: Sizes, random: Random) -> None:
    """dtd/images/<class>: eight procedural textures."""
    for index in range(sizes["images"]):
        numbers = random(index)
        name = list(TEXTURES)[index % len(TEXTURES)]
        rows, columns = np.mgrid[0:128, 0:128].astype(np.float32) / 128
        angle, frequency = numbers.uniform(0, np.pi), numbers.uniform(4, 14)
        u = (columns * np.cos(angle) + rows * np.sin(angle)) * frequency * 2 * np.pi
        v = (rows * np.cos(angle) - columns * np.sin(angle)) * frequency * 2 * np.pi
        grain = noise((128, 128), numbers, 32, 5)
        share = np.clip(TEXTURES[name](u, v, grain), 0, 1)[..., None]
        first, second = numbers.uniform(0, 1, 3), numbers.uniform(0, 1, 3)
        image = (first * (1 - share) + second * share) * (1 + 0.08 * grain[..., None])
        save_image(
            root / "images" / name / f"{name}_{index:04d}.jpg", (image * 255).clip(0, 255).astype(np.uint8)
        )


Field = NDArray[Any]
TEXTURES: dict[str, Callable[[Field, Field, Field], Field]] = {
    "banded": lambda u, v, g: 0.5 + 4 * np.sin(u),
    "chequered": lambda u, v, g: 0.5 + 8 * np.sin(u) * np.sin(v),
    "dotted": lambda u, v, g: (np.sin(u) + np.sin(v) - 1.0) * 4,
    "grid": lambda u, v, g: 4 * np.maximum(np.sin(u), np.sin(v)) - 2.6,
    "marbled": lambda u, v, g: 0.5 + 0.6 * np.sin(u * 0.4 + 2.5 * g),
    "stained": lambda u, v, g: (g - 0.3) * 2,
    "swirly": lambda u, v, g: 0.5 + np.sin(u * 0.5 + 3 * np.sin(v * 0.4)),
    "wrinkled": lambda u, v, g: 1 - np.abs(g) * 1.2,
}
