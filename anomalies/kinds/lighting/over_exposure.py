"""Overexposure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.fields import blurred, resized, working_shape
from anomalies.toolkit.light import brightest_channel, coloured, screened, toned

GAMMA = 2.2
GAIN = (1.5, 2.0, 2.8, 4.0, 6.0)
BLACK_LEVEL = 4e-4
KNEE, SHOULDER = 0.6, 0.4
BLOOM = (0.10, 0.18, 0.28, 0.40, 0.55)
BLOOM_WIDTH = 0.02


@dataclass(frozen=True)
class OverExposure(Anomaly):
    """Overexposure: linear light x gain, compressed towards white above 60 % as cameras do, with bloom around
    saturated regions. Black-level noise is amplified as well.

    The severity sets the gain: 1.5, 2, 2.8, 4, 6, within 6 %, and the strength of the bloom: 0.10 to 0.55, 0.02 H
    wide.
    """

    kind = "over_exposure"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        exposed = toned(
            image, self._response(rng.uniform(0.94, 1.06))[:, None].repeat(image.shape[2], axis=1)
        )
        white = cv2.threshold(brightest_channel(resized(exposed, shape).reshape(*shape, -1)), 235, 255, 0)[1]
        around = blurred(white, max(0.5, BLOOM_WIDTH * shape[0]))
        light = coloured(resized(around, full), np.full(image.shape[2], 255 * self.of(BLOOM), np.float32))
        return Rendered(screened(exposed, light), None)

    def _response(self, error: float) -> NDArray[np.float64]:
        """(256,) new levels, none below the old one."""
        levels = np.arange(256) / 255
        linear = error * self.of(GAIN) * (levels**GAMMA + BLACK_LEVEL)
        beyond = np.maximum(linear - KNEE, 0) / (2 * SHOULDER)
        bent = np.where(linear > KNEE, 1 - SHOULDER / (1 + beyond) ** 2, linear)
        response: NDArray[np.float64] = 255 * np.maximum(levels, bent ** (1 / GAMMA))
        return response
