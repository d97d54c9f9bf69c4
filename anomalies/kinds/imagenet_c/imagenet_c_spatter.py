"""ImageNet-C's spatter."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image, Map
from anomalies.kinds.imagenet_c._corruption import Corruption, truncated
from anomalies.kinds.imagenet_c._filters import gaussian

WATER = np.array([175, 238, 238], dtype=np.float32)
MUD = np.array([63, 42, 20], dtype=np.float32)
MUD_FROM = 0.8


class ImageNetCSpatter(Corruption):
    """Drops of water up to severity 3, of mud above. Constants: mean, standard deviation, size and threshold of the
    drops, strength or softness, mud (0 or 1).
    """

    kind = "imagenet_c_spatter"
    IMAGENET = (
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    )
    CIFAR = (
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    )

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        mean, deviation, size, threshold, strength, mud = c
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32)
        liquid = gaussian(noise * np.float32(deviation) + np.float32(mean), size)
        if not mud:
            return truncated(image + _water(liquid, threshold)[..., None] * (WATER * np.float32(strength)))
        covered = gaussian((liquid > threshold).astype(np.float32), strength)
        covered = np.where(covered < MUD_FROM, 0, covered)[..., None]
        return truncated(image * (1 - covered) + covered * MUD)


def _water(liquid: Map, threshold: float) -> Map:
    """Strength of water's sheen, (h, w) from 0 to 1: thick drops, shaded as if lit from a corner."""
    thickness = truncated(np.where(liquid < threshold, 0, liquid) * 255)
    from_edge: Any = cv2.distanceTransform(255 - cv2.Canny(thickness, 50, 150), cv2.DIST_L2, 5)
    from_edge = cv2.blur(np.minimum(from_edge, 20), (3, 3)).astype(np.uint8)
    lit = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    shade: Any = cv2.filter2D(cv2.equalizeHist(from_edge), cv2.CV_8U, lit)
    sheen = thickness * cv2.blur(shade, (3, 3)).astype(np.float32)
    return sheen / max(sheen.max(), np.float32(1e-6))
