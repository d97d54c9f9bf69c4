"""Too little light: a dim scene with the noise of few photons, and night with headlights and street lamps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import Shape, blurred, resized, smoothstep, working_shape
from anomalies.light import LUMA, luma, screened, stacked, toned
from anomalies.parts.depth import below_horizon
from anomalies.parts.lens import discs
from anomalies.scene import Scene

GAMMA = 2.2
EXPOSURE = (0.50, 0.30, 0.18, 0.10, 0.05)
READ_NOISE = (1.5, 3.0, 5.0, 8.0, 12.0)
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


@dataclass(frozen=True)
class LowLight(Anomaly):
    """Under-exposure: less light in linear units, with the noise of a sensor that counts 4000 electrons at white.

    The severity sets the exposure: 0.5, 0.3, 0.18, 0.10, 0.05, and the read noise: 1.5, 3, 5, 8, 12 levels of 255.
    On scenes that are dark already the exposure is milder, see `exposed`.
    """

    kind = "low_light"
    family = "lighting"
    level = "image"
    version = 2

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        mean, deviation = underexposed(
            exposed(self.of(EXPOSURE), image), self.of(READ_NOISE), channels((1, 1, 1), image)
        )
        return Rendered(noisy(image, mean, deviation, rng), None)


DARKNESS = (0.30, 0.20, 0.13, 0.08, 0.05)
SKY_LEFT = (0.50, 0.40, 0.31, 0.23, 0.16)
NIGHT_NOISE = (1.5, 2.5, 3.7, 5.0, 6.5)
BLUE = (0.70, 0.86, 1.0)
BEAM = 0.42
HALO = 0.65
LAMPS = 5
SCENE_ROWS = 64
WARM = np.array([255, 200, 130], dtype=np.float32)
WHITE = np.array([255, 244, 220], dtype=np.float32)


@dataclass(frozen=True)
class Night(Anomaly):
    """A day made night: a dim bluish scene under a dark sky, lit by the own headlights and a row of street lamps,
    with the noise of a sensor at high gain.

    The severity sets the exposure of the scene: 0.30, 0.20, 0.13, 0.08, 0.05 in linear light; what the sky keeps of
    its level beyond that: 0.50 to 0.16; and the read noise: 1.5 to 6.5 levels. Lamps are 0.006 to 0.02 H wide,
    those below a pixel left out. The sky is that of the labels, else what is bright above the horizon. Images below
    64 rows are taken for single objects and just get dark. On scenes that are dark already the exposure is milder,
    see `exposed`.
    """

    kind = "night"
    family = "lighting"
    level = "image"
    version = 2

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        tint = channels(BLUE, image)
        mean, deviation = underexposed(exposed(self.of(DARKNESS), image), self.of(NIGHT_NOISE), tint)
        if full[0] < SCENE_ROWS:
            return Rendered(noisy(image, mean, deviation, rng), None)
        lamps = _lamps(rng, shape, scene.horizon)
        beam = _beam(shape, scene.horizon) * np.float32(BEAM)
        sky = resized(np.rint(255 * _sky(resized(image, shape), scene)).astype(np.uint8), full)
        keep = toned(sky[..., None], 255 - (1 - self.of(SKY_LEFT)) * np.arange(256)[:, None])
        dim: Any = cv2.multiply(image, stacked(keep, image.shape[2]), scale=1 / 255)
        dark = noisy(dim.reshape(image.shape), mean, deviation, rng)
        lit = self._lit(image, dark, beam, full)
        glow = lamps[..., None] * WARM
        glow = glow if image.shape[2] == 3 else (glow @ LUMA)[..., None]
        light = resized(np.rint(glow).clip(0, 255).astype(np.uint8), full).reshape(image.shape)
        return Rendered(screened(lit, light), None)

    def _lit(self, image: Image, dark: Image, beam: Map, full: Shape) -> Image:
        """What the headlights show of the scene, added to the dark one."""
        seen = toned(image, np.arange(256)[:, None] / 255 * channels(tuple(WHITE), image)[None])
        weight = resized(beam, full)
        added: Any = cv2.blendLinear(seen, np.zeros_like(seen), weight, 1 - weight)
        return screened(dark, added.reshape(image.shape))


def _lamps(rng: np.random.Generator, shape: Shape, horizon: float) -> Map:
    """(h, w) light of lamps along one side of the street, their halos, from 0 to 1."""
    h, w = shape
    side, first = rng.choice((-1.0, 1.0)), rng.uniform(0.9, 1.2)
    nearness = first / (1.0 + 0.9 * np.arange(LAMPS))
    x = w / 2 + side * (0.55 * nearness + 0.01) * h
    y = (horizon - 0.36 * nearness) * h
    centres = np.stack((x, y), axis=1)
    radii = (0.003 + 0.007 * nearness) * h
    bulbs = discs(shape, centres, radii, max(0.8, 0.003 * h))
    halo = blurred(bulbs, 0.02 * h) * 3 + blurred(bulbs, 0.08 * h) * 9
    light: Map = np.minimum(bulbs + np.float32(HALO) * np.minimum(halo, 1), 1)
    return light


def _sky(small: Image, scene: Scene) -> Map:
    """(h, w) share of sky."""
    shape = (small.shape[0], small.shape[1])
    known = scene.where("sky")
    if known is not None:
        return resized(known.astype(np.float32), shape)
    bright = blurred(luma(small), max(0.4, 0.004 * shape[0]))
    level = float(np.quantile(bright[: shape[0] // 2], 0.9))
    high = 1 - below_horizon(shape, scene.horizon - 0.08, 0.1)
    return (smoothstep(bright, 0.7 * level, 0.95 * level) * high).astype(np.float32)


def _beam(shape: Shape, horizon: float) -> Map:
    """(h, w) pattern of low beams: two overlapping cones on the road with a soft edge below the horizon."""
    h, w = shape
    v = ((np.arange(h, dtype=np.float32) + 0.5) / h - np.float32(horizon))[:, None]
    u = ((np.arange(w, dtype=np.float32) + 0.5 - w / 2) / h)[None, :]
    far = smoothstep(v, -0.01, 0.06) * np.exp(-np.maximum(v, 0) / np.float32(0.28))
    half = 0.16 + 0.9 * np.maximum(v, 0)
    cones = np.exp(-(((u - 0.08) / half) ** 2)) + np.exp(-(((u + 0.08) / half) ** 2))
    return (far * np.minimum(0.75 * cones, 1)).astype(np.float32)
