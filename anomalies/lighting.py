"""Light the camera was not made for: exposure and colour; what the other files of the family draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.fields import blurred, resized, working_shape
from anomalies.light import LUMA, brightest_channel, coloured, screened, toned
from anomalies.parts.flare import SunFlare
from anomalies.parts.glare import HeadlightGlare, LowSun
from anomalies.parts.night import LowLight, Night
from anomalies.parts.shadow import CastShadow
from anomalies.parts.tunnel import TunnelExit
from anomalies.scene import Scene

GAMMA = 2.2
GAIN = (1.5, 2.0, 2.8, 4.0, 6.0)
BLACK_LEVEL = 4e-4
KNEE, SHOULDER = 0.6, 0.4
BLOOM = (0.10, 0.18, 0.28, 0.40, 0.55)
BLOOM_WIDTH = 0.02


@dataclass(frozen=True)
class OverExposure(Anomaly):
    """Exposed too long: linear light x gain, bent into white above 60 % as cameras do, with a bloom around what
    is white. Noise of the black level is lifted with it.

    The severity sets the gain: 1.5, 2, 2.8, 4, 6, give or take 6 %, and the strength of the bloom: 0.10 to 0.55, 0.02 H
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


CONTRAST = (0.85, 0.70, 0.55, 0.40, 0.25)
STRAY_LIGHT, STRAY_SHARE = 200.0, 0.4


@dataclass(frozen=True)
class ContrastLoss(Anomaly):
    """Stray light in the lens: contrast x image + (1 - contrast) x veil, where the veil is one brightness, between
    that of the scene and a bright grey.

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


CAST = (0.10, 0.18, 0.28, 0.40, 0.60)
LOST: dict[str, tuple[float, float, float]] = {
    "warm": (0.0, 0.30, 1.0),
    "cold": (1.0, 0.35, 0.0),
    "green": (0.9, 0.0, 1.0),
    "magenta": (0.1, 1.0, 0.0),
}
STRAY = 14.0


@dataclass(frozen=True)
class ColourCast(Anomaly):
    """Wrong white balance or coloured light: warm as under sodium lamps, cold as at dusk, green as under
    fluorescent lamps, or magenta. Channels lose light in proportion; a little of the colour lies over black.

    The severity sets how much the weakest channel loses: 10, 18, 28, 40, 60 %. Grey images get darker as the grey
    of the coloured one does.
    """

    kind = "colour_cast"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        cast = list(LOST)[int(rng.integers(len(LOST)))]
        lost = np.array(LOST[cast]) * rng.uniform(0.9, 1.0)
        levels = np.arange(256)[:, None]
        change: Any = self.of(CAST) * (STRAY * (lost.max() - lost) - lost * levels)
        table = np.clip(levels + change, 0, 255)
        table = table if image.shape[2] == 3 else (table @ LUMA)[:, None]
        return Rendered(toned(image, table), None, details={"cast": cast})


KINDS: tuple[type[Anomaly], ...] = (
    SunFlare,
    LowSun,
    HeadlightGlare,
    LowLight,
    Night,
    OverExposure,
    ContrastLoss,
    ColourCast,
    CastShadow,
    TunnelExit,
)
