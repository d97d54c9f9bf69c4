"""Small variations that every camera shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.light import no_alpha, toned

STOPS = (0.03, 0.06, 0.09, 0.12, 0.15)
TINT = (0.01, 0.02, 0.03, 0.04, 0.05)
QUALITY = (98, 96, 94, 92, 90)
NOISE = (0.5, 0.8, 1.1, 1.4, 1.7)
SOFTER = (0.10, 0.20, 0.30, 0.40, 0.50)
VARIATIONS = ("exposure", "white_balance", "compression", "noise", "sharpness")


@dataclass(frozen=True)
class NearMiss(Anomaly):
    """Small variations between frames of any camera: brightness, colour, noise, sharpness, compression.

    A monitor must tolerate all severities: exposure by 0.03, 0.06, 0.09, 0.12, 0.15 stops up or down; white balance
    (red against blue) by 1 to 5 %; JPEG quality 98, 96, 94, 92, 90; noise with a standard deviation of 0.5, 0.8,
    1.1, 1.4, 1.7 levels; 10 to 50 % of a blur by 0.0007 H, at least 0.6 pixels.

    Args:
        variation: "exposure", "white_balance", "compression", "noise", "sharpness", or "any" to draw one per image.

    Raises:
        ValueError: unknown variation.
    """

    kind = "near_miss"
    family = "control"
    level = "pixel"

    variation: str = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variation != "any" and self.variation not in VARIATIONS:
            raise ValueError(
                f"near_miss: variation must be any or one of {', '.join(VARIATIONS)}, got {self.variation!r}"
            )

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        chosen = VARIATIONS[int(rng.integers(len(VARIATIONS)))]
        sign = 1.0 if rng.random() < 0.5 else -1.0
        name = chosen if self.variation == "any" else self.variation
        changed = {
            "exposure": lambda: _gained(image, [2 ** (sign * self.of(STOPS))] * 3),
            "white_balance": lambda: _gained(image, [1 + sign * self.of(TINT), 1, 1 - sign * self.of(TINT)]),
            "compression": lambda: _compressed(image, self.of(QUALITY)),
            "noise": lambda: _noisy(image, rng, self.of(NOISE)),
            "sharpness": lambda: _softer(image, self.of(SOFTER)),
        }[name]()
        return Rendered(changed, no_alpha(image), details={"variation": name, "control": True})


def _gained(image: Image, gains: list[float]) -> Image:
    """Light, not code values, is multiplied; grey images by the mean gain."""
    own = gains if image.shape[2] == 3 else [float(np.mean(gains))]
    levels = np.arange(256.0)[:, None] / 255
    return toned(image, 255 * (levels**2.2 * np.array(own)).clip(0, 1) ** (1 / 2.2))


def _compressed(image: Image, quality: int) -> Image:
    bgr = image[..., ::-1] if image.shape[2] == 3 else image
    data: Any = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    how = cv2.IMREAD_COLOR if image.shape[2] == 3 else cv2.IMREAD_GRAYSCALE
    decoded: Any = cv2.imdecode(data, how)
    return np.ascontiguousarray(decoded.reshape(image.shape)[..., ::-1])


def _noisy(image: Image, rng: np.random.Generator, deviation: float) -> Image:
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(deviation)
    return np.rint(image + noise[..., None]).clip(0, 255).astype(np.uint8)


def _softer(image: Image, share: float) -> Image:
    soft: Any = cv2.GaussianBlur(image, (0, 0), max(0.6, 0.0007 * image.shape[0]))
    mixed: Any = cv2.addWeighted(image, 1 - share, soft.reshape(image.shape), share, 0)
    return mixed.reshape(image.shape)
