"""Camera rotation during the exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.blur._kernels import segment
from anomalies.scene import Scene

LENGTH = (0.006, 0.012, 0.02, 0.035, 0.055)
SMALLEST_LENGTH = (1.5, 2.0, 2.6, 3.4, 4.4)
SIDEWAYS = 0.7


@dataclass(frozen=True)
class MotionBlur(Anomaly):
    """The camera rotates during the exposure: the image is blurred along one direction, mostly horizontal (the
    vehicle turns), sometimes vertical (a bump in the road).

    The severity sets the length of the motion: 0.006, 0.012, 0.02, 0.035, 0.055 H, on small images at least 1.5,
    2.0, 2.6, 3.4, 4.4 pixels. Nothing is blurred across the direction.
    """

    kind = "motion_blur"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        sideways, turn = rng.random() < SIDEWAYS, math.radians(rng.normal(0, 12))
        angle = turn if sideways else turn + math.pi / 2
        length = max(self.of(LENGTH) * image.shape[0], self.of(SMALLEST_LENGTH))
        doublings = max(0, int(math.log2(length / 2)))
        piece = length / 2**doublings
        step = (piece * math.cos(angle), piece * math.sin(angle))
        # A short way is a kernel. Each doubling adds the image to itself, moved by the way so far.
        kernel = segment(piece, angle)
        drawn: Any = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        for i in range(doublings):
            whole = [round(2**i * s) for s in step]
            # One half forwards, the next backwards keeps the image in its place.
            drawn = _with_moved(drawn.reshape(image.shape), whole if i % 2 else [-s for s in whole])
        return Rendered(drawn.reshape(image.shape), None)


def _with_moved(image: Image, step: list[int]) -> Image:
    """Average of the image and itself, moved by (dx, dy) whole pixels; what is missing at the border repeats
    the outermost pixel.
    """
    h, w = image.shape[:2]
    dx, dy = (int(np.clip(s, -side, side)) for s, side in zip(step, (w, h), strict=True))
    padded: Any = cv2.copyMakeBorder(
        image, max(dy, 0), max(-dy, 0), max(dx, 0), max(-dx, 0), cv2.BORDER_REPLICATE
    )
    y, x = max(-dy, 0), max(-dx, 0)
    mean: Any = cv2.addWeighted(image, 0.5, padded[y : y + h, x : x + w].reshape(image.shape), 0.5, 0)
    return mean.reshape(image.shape)
