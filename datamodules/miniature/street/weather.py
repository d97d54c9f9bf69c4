"""Light, sky and weather of a street scene, and what they do to the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.canvas import Canvas, Colour, noise
from datamodules.miniature.street.labels import SKY


@dataclass(frozen=True)
class Light:
    """Sunlight: brightness of faces turned left, right and to the camera, and strength of shadows."""

    left: float
    right: float
    front: float
    shadow: float


@dataclass(frozen=True)
class Mood:
    """Colours of sky and light of a frame."""

    zenith: Colour
    horizon: Colour
    tint: Colour
    exposure: float
    haze: float
    clouds: float
    light: Light
    weather: str
    timeofday: str


def mood(random: np.random.Generator) -> Mood:
    """Clear, partly cloudy, overcast or low sun, from either side."""
    kind = random.choice(["clear", "partly cloudy", "overcast", "evening"], p=[0.35, 0.3, 0.25, 0.1])
    bright, dull = random.uniform(1.0, 1.15), random.uniform(0.55, 0.75)
    left, right = (bright, dull) if random.random() < 0.5 else (dull, bright)
    light = Light(left, right, random.uniform(0.75, 1.0), 0.62)
    exposure = random.uniform(0.88, 1.1)
    if kind == "overcast":
        flat = Light(0.85, 0.85, 0.85, 0.4)
        return Mood(
            (0.72, 0.75, 0.78),
            (0.86, 0.87, 0.88),
            (0.97, 0.99, 1.02),
            exposure,
            0.22,
            0.5,
            flat,
            kind,
            "daytime",
        )
    if kind == "evening":
        return Mood(
            (0.40, 0.46, 0.62),
            (0.95, 0.76, 0.56),
            (1.06, 0.97, 0.84),
            0.8 * exposure,
            0.18,
            0.6,
            light,
            "clear",
            "dawn/dusk",
        )
    clouds = 0.25 if kind == "clear" else 0.9
    return Mood(
        (0.36, 0.56, 0.84),
        (0.78, 0.86, 0.93),
        (1.02, 1.0, 0.97),
        exposure,
        0.1,
        clouds,
        light,
        kind,
        "daytime",
    )


def draw_sky(canvas: Canvas, weather: Mood, random: np.random.Generator) -> None:
    """The sky over the upper part of the frame, with clouds."""
    height, width = canvas.labels.shape
    end = min(height, int(height * 0.62))
    share = np.linspace(0, 1, end, dtype=np.float32)[:, None, None] ** 0.8
    sky = np.array(weather.zenith, np.float32) * (1 - share) + np.array(weather.horizon, np.float32) * share
    puffs = np.clip(noise((end // 4, width // 4), random, width / 14) * 0.55 + 0.25, 0, 1) * weather.clouds
    puffs = cv2.resize(puffs, (width, end))[..., None] * (1 - 0.5 * share)
    canvas.image[:end] = sky * (1 - puffs) + np.float32(0.95 if weather.clouds > 0.4 else 0.98) * puffs
    canvas.labels[:end] = SKY


def develop(image: NDArray[Any], weather: Mood, random: np.random.Generator) -> NDArray[np.uint8]:
    """Haze with distance from the lower edge, tint, exposure, vignette, lens softness and sensor noise."""
    height, width = image.shape[:2]
    rows = np.abs(np.linspace(0, 1, height, dtype=np.float32)[:, None] - 0.45)
    haze = weather.haze * np.exp(-((rows / 0.09) ** 2))[..., None]
    image = image * (1 - haze) + np.array(weather.horizon, np.float32) * haze
    image = image * (np.array(weather.tint, np.float32) * np.float32(weather.exposure))
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    vignette = 1 - 0.14 * (columns**2 + (np.linspace(-1, 1, height, dtype=np.float32)[:, None]) ** 2) / 2
    image = cv2.GaussianBlur(image * vignette[..., None], (0, 0), 0.45)
    grain = random.standard_normal((height, width, 1), dtype=np.float32) * 0.010
    return np.clip((image + grain) * 255 + 0.5, 0, 255).astype(np.uint8)
