"""Forward motion during the exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene

ZOOM = (0.005, 0.01, 0.02, 0.035, 0.05)
SMALLEST_ZOOM = (1.5, 2.0, 2.6, 3.4, 4.4)
FINEST_STREAM, CROPPED = 2.5, 4


@dataclass(frozen=True)
class ZoomBlur(Anomaly):
    """Fast forward motion in poor light: the image is blurred radially from the point the vehicle drives to;
    distant objects near that point stay sharp.

    The severity sets the magnification during the exposure: 0.005, 0.01, 0.02, 0.035, 0.05, on small images at
    least so much that corners move by 1.5, 2.0, 2.6, 3.4, 4.4 pixels. The point lies on the horizon, up to 0.1 W
    off the centre.
    """

    kind = "zoom_blur"
    family = "blur"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        x, y = (w - 1) * (0.5 + rng.uniform(-0.1, 0.1)), (h - 1) * (scene.horizon + rng.uniform(-0.02, 0.02))
        reach = math.hypot(max(x, w - x), max(y, h - y))
        growth = math.log(1 + max(self.of(ZOOM), self.of(SMALLEST_ZOOM) / reach))
        doublings = max(1, math.ceil(math.log2(growth * reach / FINEST_STREAM)))
        drawn: Any = image
        for i in range(doublings):
            scale = math.exp(growth * 2 ** (i - doublings))
            larger = _enlarged(drawn, scale, x, y)
            drawn = cv2.addWeighted(drawn, 0.5, larger, 0.5, 0).reshape(image.shape)
        return Rendered(drawn, None)


def _enlarged(image: Image, scale: float, x: float, y: float) -> Image:
    """The image enlarged about a point in it, at the size of the image."""
    h, w = image.shape[:2]
    margins = [(1 - 1 / scale) * part for part in (y, h - 1 - y, x, w - 1 - x)]
    if max(margins) < CROPPED:
        about = np.array([[scale, 0, x * (1 - scale)], [0, scale, y * (1 - scale)]])
        larger: Any = cv2.warpAffine(image, about, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    else:  # Margins of whole pixels make it three times as fast.
        top, bottom, left, right = (round(margin) for margin in margins)
        larger = cv2.resize(image[top : h - bottom, left : w - right], (w, h), interpolation=cv2.INTER_LINEAR)
    return larger.reshape(image.shape)
