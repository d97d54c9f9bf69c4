"""Snow, frost, fog, spatter and elastic transform of ImageNet-C."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image, Map
from anomalies.fields import Shape, fbm, resized, warped, working_shape
from anomalies.parts.imagenet_c_base import Corruption, truncated
from anomalies.parts.imagenet_c_filters import enlarged, gaussian, moved

WATER = np.array([175, 238, 238], dtype=np.float32)
MUD = np.array([63, 42, 20], dtype=np.float32)
MUD_FROM = 0.8
ICE = np.array([146, 167, 179], dtype=np.float32)
FROST_CELL = 90


class Snow(Corruption):
    """(Mean, deviation, size, threshold, radius and sigma of the motion, weight of the image) of falling flakes; the
    rest of the weight goes to a brightened grey image.
    """

    kind = "imagenet_c_snow"
    IMAGENET = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )
    CIFAR = (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    )

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        mean, deviation, size, threshold, radius, sigma, weight = c
        degrees, shape = rng.uniform(-135, -45), (image.shape[0], image.shape[1])
        grid = (math.ceil(shape[0] / size), math.ceil(shape[1] / size))
        flakes = rng.standard_normal(grid, dtype=np.float32) * np.float32(deviation) + np.float32(mean)
        layer = enlarged(flakes, size, shape)
        layer = np.clip(np.where(layer < threshold, 0, layer), 0, 1).astype(np.float32)
        layer = np.rint(moved(layer, radius, sigma, degrees) * 255)
        grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        pale = np.float32(127.5) + np.float32(1.5) * grey[..., None]
        mixed = np.float32(weight) * image + np.float32(1 - weight) * np.maximum(image, pale)
        return truncated(mixed + (layer + layer[::-1, ::-1])[..., None])


class Frost(Corruption):
    """(Weight of the image, weight of the frost). The published frost is six photographs without a licence; here it is
    drawn: crystals with the photographs' mean brightness.
    """

    kind = "imagenet_c_frost"
    IMAGENET = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
    CIFAR = ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        shape = (image.shape[0], image.shape[1])
        layer = _crystals(rng, shape)[..., None] * ICE * np.float32(c[1])
        return truncated(image * np.float32(c[0]) + layer)


class Fog(Corruption):
    """(Strength, decay of its details) of plasma that is added; the sum is scaled to the image's maximum."""

    kind = "imagenet_c_fog"
    IMAGENET = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
    CIFAR = ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        layer = plasma(rng, max(h, w), c[1])[:h, :w, None] * np.float32(255 * c[0])
        brightest = max(int(image.max()), 1) / 255
        return truncated((image + layer) * np.float32(brightest / (brightest + c[0])))


class Spatter(Corruption):
    """(Mean, deviation, size, threshold, strength or softness, mud) of drops: of water up to severity 3, then mud."""

    kind = "imagenet_c_spatter"
    IMAGENET = (
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    )
    CIFAR = (
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    )

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        mean, deviation, size, threshold, strength, mud = c
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32)
        liquid = gaussian(noise * np.float32(deviation) + np.float32(mean), size)
        if not mud:
            return truncated(image + _water(liquid, threshold)[..., None] * (WATER * np.float32(strength)))
        covered = gaussian((liquid > threshold).astype(np.float32), strength)
        covered = np.where(covered < MUD_FROM, 0, covered)[..., None]
        return truncated(image * (1 - covered) + covered * MUD)


class ElasticTransform(Corruption):
    """(Displacement of the noise, its smoothness, displacement of three corners), in parts of the image."""

    kind = "imagenet_c_elastic_transform"
    IMAGENET = ((0.0625, 0.01, 0), (0.08125, 0.01, 0), (0.10625, 0.01, 0), (0.125, 0.01, 0), (0.15, 0.01, 0))
    CIFAR = ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))

    def corrupted(self, image: Image, c: Any, rng: np.random.Generator) -> Image:
        amount, smoothness, corners = c
        h, w = image.shape[:2]
        grid = working_shape((h, w))
        # White noise on a coarser grid, blurred over as many cells fewer, deviates by as much more.
        scale = np.float32(amount * h * grid[0] / h)
        maps = []
        for start in np.meshgrid(*(np.arange(side, dtype=np.float32) for side in (w, h))):
            noise = rng.uniform(-1, 1, grid).astype(np.float32)
            soft = gaussian(noise, (smoothness * grid[0], smoothness * grid[1]), truncate=3)
            maps.append(start + resized(soft * scale, (h, w)))
        middle, side = np.array([h // 2, w // 2], dtype=np.float32), min(h, w) // 3
        here = np.array(
            [middle + side, [middle[0] + side, middle[1] - side], middle - side], dtype=np.float32
        )
        there = here + rng.uniform(-1, 1, here.shape).astype(np.float32) * np.float32(corners * h)
        if corners:
            matrix = cv2.getAffineTransform(here, there)
            image = np.asarray(cv2.warpAffine(image, matrix, (w, h), borderMode=cv2.BORDER_REFLECT_101))
        return np.asarray(cv2.remap(image, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def plasma(rng: np.random.Generator, side: int, decay: float) -> Map:
    """Diamond-square fractal from 0 to 1, periodic, (n, n) float32 with the smallest power of two n >= side.

    Args:
        decay: the noise of each halving of the grid is this squared times smaller.
    """
    field, amplitude = np.zeros((1, 1), dtype=np.float32), np.float32(1)
    while field.shape[0] < side:
        n = field.shape[0]
        noise = rng.random((3, n, n), dtype=np.float32) * (2 * amplitude) - amplitude
        right, down = np.roll(field, -1, axis=1), np.roll(field, -1, axis=0)
        centre = (field + right + down + np.roll(right, -1, axis=0)) / 4 + noise[0]
        finer = np.empty((2 * n, 2 * n), dtype=np.float32)
        finer[::2, ::2], finer[1::2, 1::2] = field, centre
        finer[::2, 1::2] = (field + right + centre + np.roll(centre, 1, axis=0)) / 4 + noise[1]
        finer[1::2, ::2] = (field + down + centre + np.roll(centre, 1, axis=1)) / 4 + noise[2]
        field, amplitude = finer, np.float32(amplitude / decay**2)
    field -= field.min()
    return field / max(field.max(), np.float32(1e-6))


def _water(liquid: Map, threshold: float) -> Map:
    """Strength of water's sheen, (h, w) from 0 to 1: thick drops, shaded as if lit from a corner."""
    thickness = truncated(np.where(liquid < threshold, 0, liquid) * 255)
    from_edge: Any = cv2.distanceTransform(255 - cv2.Canny(thickness, 50, 150), cv2.DIST_L2, 5)
    from_edge = cv2.blur(np.minimum(from_edge, 20), (3, 3)).astype(np.uint8)
    lit = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)
    shade: Any = cv2.filter2D(cv2.equalizeHist(from_edge), cv2.CV_8U, lit)
    sheen = thickness * cv2.blur(shade, (3, 3)).astype(np.float32)
    return sheen / max(sheen.max(), np.float32(1e-6))


def _crystals(rng: np.random.Generator, shape: Shape) -> Map:
    """Relative brightness of frost on a pane, mean 1: feathers of ice that grow along the ridges of a torn field."""
    grid = (max(shape[0], 64) // 2, max(shape[1], 64) // 2)
    cell = FROST_CELL / 2
    ridges = [
        1 - np.abs(warped(fbm(rng, grid, cell / s, 4, 0.6), rng, 0.25 * cell / s, cell / s)) for s in (1, 3)
    ]
    feathers = np.maximum(ridges[0], 0) ** 2 + 0.7 * np.maximum(ridges[1], 0) ** 3
    density = np.clip(1 + 0.35 * fbm(rng, grid, 3 * cell, 3), 0.2, 2)
    grain = rng.standard_normal(grid, dtype=np.float32) * np.float32(0.06)
    frost: Any = cv2.resize(feathers * density + grain, (2 * grid[1], 2 * grid[0]))[: shape[0], : shape[1]]
    frost = cv2.resize(frost, shape[::-1]) if frost.shape != shape else frost
    frost = np.maximum(frost, 0)
    return (0.6 + 0.4 * frost / max(frost.mean(), np.float32(1e-6))).astype(np.float32)
