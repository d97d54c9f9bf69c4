"""The corruptions of ImageNet-C and CIFAR-10-C (Hendrycks & Dietterich, ICLR 2019) with their published constants.

For comparison with what others published; for images of your own, the other families are made to measure. These
are in pixels, as published, so the same severity is milder on a larger image. The published constants of glass
blur, snow, frost, fog, spatter, elastic transform and saturate do not promise that severities are monotone, and kinds
without anything random (brightness, contrast, ...) do the same to every image. What is random comes from the
image's own generator instead of three global ones.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image
from anomalies.parts.imagenet_c_base import Corruption, truncated
from anomalies.parts.imagenet_c_filters import (
    QUANTILES,
    boxes,
    disc,
    enlarged,
    gaussian,
    middle,
    moved,
    poisson_quantiles,
    shuffled,
)
from anomalies.parts.imagenet_c_weather import ElasticTransform, Fog, Frost, Snow, Spatter


class GaussianNoise(Corruption):
    """Standard deviation 0.08 to 0.38 of white."""

    kind = "imagenet_c_gaussian_noise"
    IMAGENET = (0.08, 0.12, 0.18, 0.26, 0.38)
    CIFAR = (0.04, 0.06, 0.08, 0.09, 0.10)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return truncated(image + noise * np.float32(255 * c))


class ShotNoise(Corruption):
    """Poisson noise of 60 to 3 photons in a white pixel; each pixel's is one of 4096 quantiles."""

    kind = "imagenet_c_shot_noise"
    IMAGENET = (60, 25, 12, 5, 3)
    CIFAR = (500, 250, 100, 75, 50)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        which = np.frombuffer(rng.bytes(2 * image.size), dtype=np.uint16) >> np.uint16(4)
        index = image.ravel().astype(np.int32) * np.int32(QUANTILES) + which
        return poisson_quantiles(c)[index].reshape(image.shape)


class ImpulseNoise(Corruption):
    """Salt and pepper in 3 to 27 % of the values."""

    kind = "imagenet_c_impulse_noise"
    IMAGENET = (0.03, 0.06, 0.09, 0.17, 0.27)
    CIFAR = (0.01, 0.02, 0.03, 0.05, 0.07)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        bits = np.frombuffer(rng.bytes(2 * image.size), dtype=np.uint16).reshape(image.shape)
        salt = (bits & 1).astype(np.uint8) * np.uint8(255)
        return np.where(bits >> 1 < c * 2**15, salt, image)


class SpeckleNoise(Corruption):
    """Noise in proportion to the brightness: standard deviation 0.15 to 0.6 of it."""

    kind = "imagenet_c_speckle_noise"
    IMAGENET = (0.15, 0.2, 0.35, 0.45, 0.6)
    CIFAR = (0.06, 0.1, 0.12, 0.16, 0.2)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return truncated(image * (1 + noise * np.float32(c)))


class GaussianBlur(Corruption):
    """Standard deviation 1 to 6 pixels."""

    kind = "imagenet_c_gaussian_blur"
    IMAGENET = (1, 2, 3, 4, 6)
    CIFAR = (0.4, 0.6, 0.7, 0.8, 1)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        return truncated(gaussian(image, c))


class DefocusBlur(Corruption):
    """A disc of 3 to 10 pixels (radius, softness)."""

    kind = "imagenet_c_defocus_blur"
    IMAGENET = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
    CIFAR = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        return truncated(np.asarray(cv2.filter2D(image, cv2.CV_32F, disc(*c))))


class GlassBlur(Corruption):
    """Pixels exchanged with near ones, between two blurs (blur, distance, times)."""

    kind = "imagenet_c_glass_blur"
    IMAGENET = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
    CIFAR = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        sigma, delta, times = c
        drawn = truncated(gaussian(image, sigma))
        for _ in range(times):
            drawn = shuffled(drawn, rng, delta)
        return truncated(gaussian(drawn, sigma))


class MotionBlur(Corruption):
    """(Radius, sigma) of a Gaussian's half, up to 45 degrees from horizontal."""

    kind = "imagenet_c_motion_blur"
    IMAGENET = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
    CIFAR = ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        radius, sigma = c
        return truncated(moved(image, radius, sigma, rng.uniform(-45, 45)))


class ZoomBlur(Corruption):
    """The mean of the image and of its enlargements by 1 to 1.11 ... 1.31 (end, step)."""

    kind = "imagenet_c_zoom_blur"
    IMAGENET = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
    CIFAR = ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        factors, total, shape = np.arange(1, *c), image.astype(np.float32), (image.shape[0], image.shape[1])
        for factor in factors:
            cv2.accumulate(enlarged(middle(image, factor), factor, shape), total)
        return truncated(total / np.float32(len(factors) + 1))


class Brightness(Corruption):
    """0.1 to 0.5 added to the value of HSV."""

    kind = "imagenet_c_brightness"
    IMAGENET = (0.1, 0.2, 0.3, 0.4, 0.5)
    CIFAR = (0.05, 0.1, 0.15, 0.2, 0.3)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        value = np.arange(256)[:, None]
        lit = np.minimum(value + 255 * c, 255)
        table = truncated(np.where(value > 0, np.arange(256) * lit / np.maximum(value, 1), lit))
        return table[image.max(axis=2)[..., None], image]


class Saturate(Corruption):
    """The saturation of HSV times the first constant plus the second. Grey has the hue of red there."""

    kind = "imagenet_c_saturate"
    IMAGENET = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))
    CIFAR = ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        channels: Any = cv2.split(image)
        value, least = (
            cv2.max(cv2.max(*channels[:2]), channels[2]),
            cv2.min(cv2.min(*channels[:2]), channels[2]),
        )
        spread = np.arange(256, dtype=np.float32)[None, :]
        v = np.arange(256, dtype=np.float32)[:, None]
        wanted = v * np.clip(c[0] * spread / np.maximum(v, 1) + c[1], 0, 1)
        factor = np.where(spread > 0, wanted / np.maximum(spread, 1), wanted)[
            value, cv2.subtract(value, least)
        ]
        below = cv2.subtract(np.repeat(np.asarray(value)[..., None], 3, axis=2), image)
        below[..., 1:][value == least] = 1
        return truncated(np.asarray(value)[..., None] - below * factor[..., None])


class Contrast(Corruption):
    """Differences to the mean of each channel times 0.4 to 0.05."""

    kind = "imagenet_c_contrast"
    IMAGENET = (0.4, 0.3, 0.2, 0.1, 0.05)
    CIFAR = (0.75, 0.5, 0.4, 0.3, 0.15)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        mean = np.array(cv2.mean(image)[:3])
        table = truncated((np.arange(256)[:, None] - mean) * c + mean)
        return np.asarray(cv2.LUT(image, table.reshape(256, 1, 3)))


class Pixelate(Corruption):
    """Reduced to 0.6 ... 0.25 of the size and enlarged by repetition."""

    kind = "imagenet_c_pixelate"
    IMAGENET = (0.6, 0.5, 0.4, 0.3, 0.25)
    CIFAR = (0.95, 0.9, 0.85, 0.75, 0.65)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        rows, columns = int(h * c), int(w * c)
        y, x = (np.arange(h) + 0.5) * (rows / h), (np.arange(w) + 0.5) * (columns / w)
        return boxes(image, (rows, columns))[y.astype(int)[:, None], x.astype(int)[None, :]]


class JpegCompression(Corruption):
    """Quality 25 to 7."""

    kind = "imagenet_c_jpeg_compression"
    IMAGENET = (25, 18, 15, 10, 7)
    CIFAR = (80, 65, 58, 50, 40)

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        bgr = np.ascontiguousarray(image[..., ::-1])
        code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, c])[1]
        decoded: Any = cv2.imdecode(code, cv2.IMREAD_COLOR)
        return np.ascontiguousarray(decoded[..., ::-1])


KINDS: tuple[type[Anomaly], ...] = (
    GaussianNoise,
    ShotNoise,
    ImpulseNoise,
    DefocusBlur,
    GlassBlur,
    MotionBlur,
    ZoomBlur,
    Snow,
    Frost,
    Fog,
    Brightness,
    Contrast,
    ElasticTransform,
    Pixelate,
    JpegCompression,
    SpeckleNoise,
    GaussianBlur,
    Spatter,
    Saturate,
)
