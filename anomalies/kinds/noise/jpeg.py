"""Strong JPEG compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import SMALL, stronger

QUALITY = (40, 25, 15, 10, 6)
JPEG_BLOCK = 16


@dataclass(frozen=True)
class Jpeg(Anomaly):
    """Strong JPEG compression: blocks, ringing, washed-out colours.

    The severity sets the quality: 40, 25, 15, 10, 6. The block grid starts at a random pixel, as in a frame that
    was cropped after an earlier compression. Up to 128 x 128 pixels the quality is lowered, if necessary, until the
    error exceeds that of the severity below.
    """

    kind = "jpeg"
    family = "noise"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        top, left = (int(n) for n in rng.integers(0, JPEG_BLOCK, 2))
        padded: Any = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REFLECT_101)
        bgr = np.ascontiguousarray(padded.reshape(h + top, w + left, -1)[..., ::-1])

        def coded(quality: float) -> Image:
            code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
            decoded: Any = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
            return np.ascontiguousarray(decoded.reshape(bgr.shape)[top:, left:, ::-1])

        if h * w > SMALL:
            return Rendered(coded(self.of(QUALITY)), None)
        return Rendered(stronger(image, coded, [range(q, 0, -1) for q in QUALITY[: self.severity]]), None)
