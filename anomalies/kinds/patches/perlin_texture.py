"""A foreign texture in part of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from anomalies.base import Image
from anomalies.kinds.patches._patch import Patch
from anomalies.kinds.patches._regions import Outline, Region, rectangle
from anomalies.kinds.patches._textures import texture
from anomalies.toolkit.fields import fbm
from anomalies.toolkit.light import luma, over

OPACITY = (0.25, 0.40, 0.55, 0.75, 1.0)
TEXTURED = 4.0


@dataclass(frozen=True)
class PerlinTexture(Patch):
    """A foreign texture where a noise field is high, as in DRAEM (Zavrtanik et al., ICCV 2021), with a procedural
    texture instead of a photograph. The severity also sets the opacity: 0.25, 0.40, 0.55, 0.75, 1.
    """

    kind = "perlin_texture"

    @property
    def area(self) -> float:
        return TEXTURED

    def outline(self, rng: np.random.Generator) -> Outline:
        return rectangle(math.exp(rng.uniform(-0.4, 0.4)))

    def fill(self, image: Image, region: Region, rng: np.random.Generator) -> Image:
        crop = image[region.crop]
        shape = (crop.shape[0], crop.shape[1])
        field = fbm(rng, shape, 0.35 * min(shape), octaves=3, gain=0.55)
        x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape[::-1])
        field -= np.float32(1.5) * np.maximum(np.abs(x)[None, :], np.abs(y)[:, None]) ** 2
        few = max(4, min(round(region.scale**2 / TEXTURED), field.size // 2))
        threshold = -np.partition(-field.ravel(), few)[few]
        edge = max(float(np.abs(np.diff(field, axis=1)).mean()), 1e-6)
        weight = np.clip((field - threshold) / np.float32(2 * edge) + np.float32(0.5), 0, 1)
        foreign = texture(rng, shape, image.shape[0])
        if image.shape[2] == 1:
            foreign = np.rint(luma(foreign)).astype(np.uint8)[..., None]
        return over(np.ascontiguousarray(crop), foreign, weight * np.float32(self.of(OPACITY)))
