"""Underexposed images: signal, photon noise and read noise of a dark exposure."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.toolkit.light import LUMA, toned

GAMMA = 2.2
FULL_WELL = 4000.0
STEPS = 32
DAYLIGHT = 90.0


def underexposed(exposure: float, read_noise: float, tint: NDArray[Any]) -> tuple[Map, Map]:
    """A sensor's response to less light.

    Args:
        exposure: factor on linear light. tint: further factor per channel, (C,).
        read_noise: standard deviation in levels of the result, 0 to 255.

    Returns:
        Mean and standard deviation for each level before, (256, C) in levels 0 to 255: the Poisson noise of 4000
        electrons at white, brought to the brightness of the result, and read noise.
    """
    linear = (np.arange(256)[:, None] / 255) ** GAMMA * exposure * tint[None]
    mean = 255 * linear ** (1 / GAMMA)
    # Derivative of the gamma curve, bounded where it is infinite.
    slope = (np.maximum(linear, 1e-3) ** (1 / GAMMA - 1)) / GAMMA
    shot = 255 * slope * np.sqrt(linear / FULL_WELL)
    return mean.astype(np.float32), np.hypot(shot, read_noise).astype(np.float32)


def exposed(exposure: float, image: Image) -> float:
    """The exposure of an image's scene: where it is dark already (mean below 90 levels), less is taken, as a
    power down to 0.4, so that something is left to see.
    """
    mean = cv2.mean(image)[: image.shape[2]]
    brightness = float(np.dot(mean, LUMA)) if image.shape[2] == 3 else mean[0]
    return float(exposure ** min(max(brightness / DAYLIGHT, 0.4), 1.0))


def noisy(image: Image, mean: Map, deviation: Map, rng: np.random.Generator) -> Image:
    """Levels replaced by normally distributed ones, each pixel and channel for itself, clipped at 0 and 255.
    Grey images get the grey of the noise that colour images get.

    Args:
        mean, deviation: (256, C) for each level of the image.
    """
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
    size = (image.shape[0], image.shape[1], 3)
    draws = np.frombuffer(rng.bytes(math.prod(size)), dtype=np.uint8).reshape(size)
    normal: Any = cv2.LUT(draws, np.rint(STEPS * quantiles).astype(np.int16).reshape(256, 1))
    if image.shape[2] == 1:
        normal = cv2.transform(normal, LUMA[None])
    spread: Any = cv2.LUT(image, np.rint(STEPS * deviation).astype(np.int16).reshape(256, 1, -1))
    noise: Any = cv2.multiply(normal, spread, scale=1 / STEPS**2)
    mixed: Any = cv2.add(toned(image, mean), noise.reshape(image.shape), dtype=cv2.CV_8U)
    return mixed.reshape(image.shape)


def channels(tint: tuple[float, float, float], image: Image) -> NDArray[Any]:
    """(C,) a tint, or its brightness for grey images."""
    return np.array(tint) if image.shape[2] == 3 else np.array([np.array(tint) @ LUMA])
