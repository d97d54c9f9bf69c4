"""What a broken or badly read-out sensor does to an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.fields import blurred, resized, smoothstep, working_shape
from anomalies.light import enlarged_alpha, over
from anomalies.parts.faults import InColour, amount, best, flat
from anomalies.parts.sensor_colour import BayerMismatch, ChannelFault, Quantisation
from anomalies.parts.sensor_rows import Flicker, RowNoise
from anomalies.parts.transmission import BandMissing, BitErrors, BlockLoss, TornFrame
from anomalies.scene import Scene

DEFECTS = (5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2)
HOT, CLEAR = 0.7, 50
RED_BLUE = np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
GREEN = np.array([[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]])
LINES = (1 / 1024, 3 / 1024, 8 / 1024, 20 / 1024, 50 / 1024)
COLUMN, COMPLETE, AMPLIFIER = 0.7, 0.7, 60
FALLOFF = (0.30, 0.45, 0.60, 0.75, 0.90)
COVERED = (0.20, 0.40, 0.60, 0.80, 0.95)


@dataclass(frozen=True)
class DeadPixels(InColour):
    """Hot (stuck at white) and dead (stuck at black) pixels of a sensor with a Bayer pattern. Demosaicing
    spreads each over its neighbours, so that it shows as a small red, green or blue cross or blot.

    The severity sets the share of the sensor's pixels that are broken: 0.0005, 0.001, 0.0025, 0.005, 0.01,
    on small images at least 5, 10, 15, 20, 25. Seven of ten are hot; one that would hardly show is of the other
    sort. Alpha is 1 in every pixel that demosaicing changes by 3 levels or more.
    """

    kind = "dead_pixels"
    family = "sensor"
    level = "pixel"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        most = amount(5, DEFECTS, h * w, step=5)
        places, hot = rng.choice(h * w, most, replace=False), rng.random(most) < HOT
        n = amount(self.severity, DEFECTS, h * w, step=5)
        rows, columns = np.divmod(places[:n], w)
        channels = rows % 2 + columns % 2  # RGGB
        level = image[rows, columns, channels].astype(np.int16)
        bright = np.where(hot[:n], level <= 255 - CLEAR, level < CLEAR)
        error = np.where(bright, 255 - level, -level)
        planes: Any = list(cv2.split(image))
        for channel, kernel in enumerate((RED_BLUE, GREEN, RED_BLUE)):
            of_channel = channels == channel
            errors = np.zeros((h, w), dtype=np.int16)
            errors[rows[of_channel], columns[of_channel]] = error[of_channel]
            spread = cv2.filter2D(errors, -1, kernel, borderType=cv2.BORDER_CONSTANT)
            planes[channel] = cv2.add(planes[channel], spread, dtype=cv2.CV_8U)
        drawn: Any = cv2.merge(planes)
        return drawn


@dataclass(frozen=True)
class DeadLines(Anomaly):
    """Rows and columns without a signal (black), saturated (white), or read out by an amplifier whose offset
    is wrong by 60 levels, across the whole image or from a broken pixel to the edge.

    The severity sets how many per 1024 pixels of the shorter side: 1, 3, 8, 20, 50; at least 1, 2, 3, 4, 5.
    Each is one pixel wide, as on a sensor, whatever the size of the image. A line that would not show where it
    lies is of another of these sorts.
    """

    kind = "dead_lines"
    family = "sensor"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        most = amount(5, LINES, min(h, w))
        across, along = rng.permutation(w)[:most], rng.permutation(h)[:most]
        chances = rng.random((most, 4))
        drawn, alpha = image.copy(), np.zeros((h, w), dtype=np.float32)
        for i in range(amount(self.severity, LINES, min(h, w))):
            column, complete, start, sort = chances[i]
            length = h if column < COLUMN else w
            first = 0 if i == 0 or complete < COMPLETE else round(0.8 * start * length)
            where = np.s_[first:, across[i]] if column < COLUMN else np.s_[along[i], first:]
            old = image[where][:, None]
            faults = (flat(0, old), flat(255, old), _shifted(old, AMPLIFIER), _shifted(old, -AMPLIFIER))
            turn = int(sort * 4)
            new = best(old, (*faults[turn:], *faults[:turn]))[:, 0]
            free = alpha[where] == 0
            drawn[where] = np.where(free[:, None], new, drawn[where])
            alpha[where] = 1
        return Rendered(drawn, alpha)


@dataclass(frozen=True)
class Vignetting(Anomaly):
    """The image gets darker towards its corners, as with a lens hood or filter in the way.

    The severity sets the light missing in the corner that is farthest from the optical centre: 0.30, 0.45,
    0.60, 0.75, 0.90 of it. The falloff grows with the square of the distance at first, less in the corner
    (half squared, half to the fourth power). The optical centre is up to 0.08 H off the middle.
    """

    kind = "vignetting"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        h, w = working_shape(full)
        dx, dy = rng.uniform(-0.08, 0.08, 2) * h
        x = (np.arange(w, dtype=np.float32) - np.float32((w - 1) / 2 + dx))[None, :]
        y = (np.arange(h, dtype=np.float32) - np.float32((h - 1) / 2 + dy))[:, None]
        squared = x**2 + y**2
        squared = squared / squared.max()
        gain = 255 * (1 - np.float32(self.of(FALLOFF)) * (squared + squared**2) / 2)
        small = np.repeat(np.rint(gain).astype(np.uint8)[..., None], image.shape[2], axis=2)
        drawn: Any = cv2.multiply(image, resized(small, full).reshape(image.shape), scale=1 / 255)
        return Rendered(drawn, None)


@dataclass(frozen=True)
class LensCap(Anomaly):
    """Something dark covers the lens from below or from the side: a slipped cap or hood, a sticker, a hand. It
    is so close that its edge is a wide, soft shadow.

    The severity sets the covered share of the image (opacity >= 0.5): 0.20, 0.40, 0.60, 0.80, 0.95. The edge
    is 0.16 H wide, slightly bent, and turned by up to 55 degrees. The cover shows a little of the light
    around it, and never less than 9 levels.
    """

    kind = "lens_cap"
    family = "sensor"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        h, w = shape = working_shape(full)
        angle, bend = np.radians(rng.uniform(-55, 55)), rng.uniform(-0.25, 0.25)
        x = ((np.arange(w, dtype=np.float32) - np.float32(w / 2)) / h)[None, :]
        y = ((np.arange(h, dtype=np.float32) - np.float32(h / 2)) / h)[:, None]
        depth = y * np.float32(np.cos(angle)) + x * np.float32(np.sin(angle))
        along = x * np.float32(np.cos(angle)) - y * np.float32(np.sin(angle))
        depth = depth + np.float32(bend) * along**2
        edge = float(np.quantile(depth, 1 - self.of(COVERED)))
        opacity = smoothstep(depth, edge - 0.08, edge + 0.08)
        small = resized(image, shape).reshape(*shape, -1)
        light = blurred(small, 0.2 * h).reshape(small.shape).astype(np.float32)
        cover = np.rint(np.minimum(9 + 0.06 * light, 255)).astype(np.uint8)
        alpha = enlarged_alpha(opacity, full)
        return Rendered(over(image, resized(cover, full).reshape(image.shape), alpha), alpha)


def _shifted(levels: Image, offset: int) -> Image:
    return np.clip(levels.astype(np.int16) + offset, 0, 255).astype(np.uint8)


KINDS: tuple[type[Anomaly], ...] = (
    DeadPixels,
    DeadLines,
    BandMissing,
    BlockLoss,
    BitErrors,
    ChannelFault,
    BayerMismatch,
    Quantisation,
    RowNoise,
    Flicker,
    Vignetting,
    LensCap,
    TornFrame,
)
