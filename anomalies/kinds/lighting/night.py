"""A day scene shown as at night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.kinds.lighting._exposure import channels, exposed, noisy, underexposed
from anomalies.scene import Scene
from anomalies.toolkit.depth import below_horizon
from anomalies.toolkit.fields import Shape, blurred, resized, smoothstep, working_shape
from anomalies.toolkit.lens import discs
from anomalies.toolkit.light import LUMA, luma, screened, stacked, toned

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
    """A day scene converted to night: dim and bluish under a dark sky, lit by the vehicle's headlights and a row of
    street lamps, with the noise of a sensor at high gain.

    The severity sets the exposure of the scene: 0.30, 0.20, 0.13, 0.08, 0.05 in linear light; the factor on the sky
    beyond that: 0.50 to 0.16; and the read noise: 1.5 to 6.5 levels. Lamps are 0.006 to 0.02 H wide; those below
    one pixel are left out. The sky is taken from the labels, or is what is bright above the horizon. Images below
    64 rows are treated as single objects and are only darkened. In scenes that are already dark the exposure is
    reduced less, so that something remains visible.
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
