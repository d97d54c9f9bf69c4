"""Noise and compression."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.fields import resized
from anomalies.parts.faults import SMALL, InColour, stronger
from anomalies.scene import Scene

SIGMA = (0.01, 0.02, 0.04, 0.08, 0.15)
PHOTONS = (400, 150, 60, 25, 10)
DARK_COUNT = 0.5
LUMINANCE = (0.01, 0.02, 0.035, 0.055, 0.08)
CHROMA = (0.01, 0.018, 0.03, 0.045, 0.065)
GRAIN = 0.0025
QUALITY = (40, 25, 15, 10, 6)
JPEG_BLOCK = 16
SCALE = (0.7, 0.5, 0.35, 0.25, 0.15)
TILE = 512
SMALLER_STILL = 0.93 ** np.arange(24)
ENLARGED_BY = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)


@dataclass(frozen=True)
class GaussianNoise(InColour):
    """Read noise: independent of the signal, of the pixel and of the channel.

    The severity sets the standard deviation: 0.01, 0.02, 0.04, 0.08, 0.15 of white. A grey image gets the
    brightness of this noise, whose standard deviation is 0.67 of that.
    """

    kind = "gaussian_noise"
    family = "noise"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        tile = rng.standard_normal(_tile_shape(image), dtype=np.float32)
        return _with_noise(image, tile * np.float32(255 * self.of(SIGMA)), rng)


@dataclass(frozen=True)
class ShotNoise(InColour):
    """Few photons: their numbers follow Poisson's distribution, so that bright pixels scatter more.

    The severity sets the mean number of photons in a white pixel: 400, 150, 60, 25, 10. Half a dark count is
    added and its mean subtracted. Each pixel's number is one of 256 quantiles of the distribution.
    """

    kind = "shot_noise"
    family = "noise"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        table = _poisson(self.of(PHOTONS))
        which = np.frombuffer(rng.bytes(image.size), dtype=np.uint8)
        index = (image.reshape(-1).astype(np.uint16) << np.uint16(8)) | which
        return table[index].reshape(image.shape)


@dataclass(frozen=True)
class IsoNoise(InColour):
    """A high sensitivity setting: fine noise of the brightness and coarser blots of colour.

    The severity sets the standard deviations, in parts of white: brightness 0.01, 0.02, 0.035, 0.055, 0.08;
    both colour differences 0.01, 0.018, 0.03, 0.045, 0.065. The blots are 0.0025 H (Gaussian), at least 0.6 pixels.
    """

    kind = "iso_noise"
    family = "noise"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        shape = _tile_shape(image)
        tile = rng.standard_normal(shape, dtype=np.float32)
        blots = max(GRAIN * image.shape[0], 0.6)
        for c in (1, 2):
            soft: Any = cv2.GaussianBlur(np.ascontiguousarray(tile[..., c]), (0, 0), blots)
            tile[..., c] = soft / np.float32(max(soft.std(), 1e-6)) * np.float32(self.of(CHROMA))
        tile[..., 0] *= np.float32(self.of(LUMINANCE))
        from_ycrcb = np.array([[1, 1.402, 0], [1, -0.714, -0.344], [1, 0, 1.772]], dtype=np.float32)
        return _with_noise(image, cv2.transform(tile, 255 * from_ycrcb), rng)


@dataclass(frozen=True)
class Jpeg(Anomaly):
    """Compressed far too much: blocks, ringing, washed-out colours.

    The severity sets the quality of the JPEG: 40, 25, 15, 10, 6. The grid of its blocks starts at a pixel that
    is drawn, as in a frame that was cropped after an earlier compression. Up to 128 x 128 pixels the quality is
    lowered, if need be, until the error is larger than that of the severity below.
    """

    kind = "jpeg"
    family = "noise"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        top, left = (int(n) for n in rng.integers(0, JPEG_BLOCK, 2))
        padded: Any = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REFLECT_101)
        bgr = np.ascontiguousarray(padded.reshape(h + top, w + left, -1)[..., ::-1])

        def coded(quality: float) -> Image:
            code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
            decoded: Any = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
            return np.ascontiguousarray(decoded.reshape(bgr.shape)[top:, left:, ::-1])

        if h * w > SMALL:
            return Rendered(coded(self.of(QUALITY)), None)
        return Rendered(stronger(image, coded, [range(q, 0, -1) for q in QUALITY[: self.severity]]), None)


@dataclass(frozen=True)
class Downscale(Anomaly):
    """Too low a resolution, enlarged again, linearly or cubically (drawn).

    The severity sets the scale: 0.7, 0.5, 0.35, 0.25, 0.15, never below 2 pixels. Where the pixel grid starts
    is drawn. Up to 128 x 128 pixels it is a smaller scale, if need be, so that the error is larger than that of
    the severity below.
    """

    kind = "downscale"
    family = "noise"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        phases, how = rng.random(2), ENLARGED_BY[rng.integers(len(ENLARGED_BY))]

        def coarse(scale: float) -> Image:
            top, left = (int(phase / scale) for phase in np.minimum(phases, scale * (min(h, w) - 1)))
            padded: Any = cv2.copyMakeBorder(image, top, 0, left, 0, cv2.BORDER_REFLECT_101)
            size = (max(2, round((h + top) * scale)), max(2, round((w + left) * scale)))
            enlarged: Any = cv2.resize(resized(padded, size), (w + left, h + top), interpolation=how)
            return np.ascontiguousarray(enlarged[top:, left:]).reshape(image.shape)

        if h * w > SMALL:
            return Rendered(coarse(self.of(SCALE)), None)
        return Rendered(stronger(image, coarse, [s * SMALLER_STILL for s in SCALE[: self.severity]]), None)


def _tile_shape(image: Image) -> tuple[int, int, int]:
    return min(TILE, image.shape[0]), min(TILE, image.shape[1]), 3


def _with_noise(image: Image, tile: NDArray[Any], rng: np.random.Generator) -> Image:
    """The image with noise added: a tile of it in every place, mirrored, rolled and with a sign that are drawn
    anew each time, which is ten times as fast as noise for every pixel.
    """
    h, w = image.shape[:2]
    th, tw = tile.shape[:2]
    noise = np.rint(tile).astype(np.int16)
    drawn = np.empty_like(image)
    for top in range(0, h, th):
        for left in range(0, w, tw):
            dy, dx, sign, mirrored = (int(n) for n in rng.integers(0, (th, tw, 2, 2)))
            moved = np.roll(noise[:, ::-1] if mirrored else noise, (dy, dx), axis=(0, 1))
            part = np.s_[top : min(top + th, h), left : min(left + tw, w)]
            size = drawn[part].shape
            here = np.ascontiguousarray(moved[: size[0], : size[1]])
            combine = cv2.add if sign else cv2.subtract
            drawn[part] = combine(np.ascontiguousarray(image[part]), here, dtype=cv2.CV_8U)
    return drawn


@lru_cache(maxsize=8)
def _poisson(photons: int) -> NDArray[np.uint8]:
    """(65536,) level shown for 256 x level + quantile, for ``photons`` in a white pixel."""
    means = (photons * np.arange(256) / 255 + DARK_COUNT)[:, None]
    counts = np.arange(int(photons + 8 * math.sqrt(photons) + 12))
    logarithms = counts * np.log(means) - means - np.array([math.lgamma(k + 1) for k in counts])
    reached = np.cumsum(np.exp(logarithms), axis=1)
    quantiles = (np.arange(256) + 0.5) / 256
    drawn: Map = np.stack([np.searchsorted(row, quantiles) for row in reached])
    levels = np.rint((drawn - DARK_COUNT) * (255 / photons)).clip(0, 255).astype(np.uint8).reshape(-1)
    levels.flags.writeable = False
    return levels


KINDS: tuple[type[Anomaly], ...] = (GaussianNoise, ShotNoise, IsoNoise, Jpeg, Downscale)
