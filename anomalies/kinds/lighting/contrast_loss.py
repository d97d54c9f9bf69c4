"""Low contrast through stray light."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.light import LUMA, toned

CONTRAST = (0.85, 0.70, 0.55, 0.40, 0.25)
STRAY_LIGHT, STRAY_SHARE = 200.0, 0.4


@dataclass(frozen=True)
class ContrastLoss(Anomaly):
    """Stray light in the lens: contrast x image + (1 - contrast) x veil. The veil is uniform, with a brightness
    between that of the scene and a bright grey.

    The severity sets the contrast: 0.85, 0.70, 0.55, 0.40, 0.25.
    """

    kind = "contrast_loss"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        mean = np.array(cv2.mean(image)[: image.shape[2]])
        brightness = mean @ LUMA if image.shape[2] == 3 else mean[0]
        veil = (1 - STRAY_SHARE) * brightness + STRAY_SHARE * STRAY_LIGHT + rng.normal(0, 4)
        left = self.of(CONTRAST)
        levels = np.arange(256)[:, None].repeat(image.shape[2], axis=1)
        return Rendered(toned(image, left * levels + (1 - left) * veil), None)
