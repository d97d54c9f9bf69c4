"""Putting layers and light on an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.toolkit.fields import resized

NIGHT_AIR = 64
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
INVISIBLE = 0.01


def veiled(image: Image, air: Map, clarity: float, light: float) -> Image:
    """light x (clarity x image + (1 - clarity) x air), per channel."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    return toned(image, light * (clarity * levels + (1 - clarity) * air[None]))


def with_light(image: Image, light: Map) -> Image:
    """Light, (h, w, 3) in [0, 1] on the working grid, screened over the image."""
    seen = light if image.shape[2] == 3 else (light @ LUMA)[..., None]
    levels = np.rint(255 * np.clip(seen, 0, 1)).astype(np.uint8)
    return screened(image, resized(levels, (image.shape[0], image.shape[1])).reshape(image.shape))


def no_alpha(image: Image) -> Map:
    return np.zeros(image.shape[:2], dtype=np.float32)


def colour(rgb: Sequence[float], image: Image) -> Map:
    """A colour in the image's channels: (3,), or its brightness (1,) for grey images."""
    value = np.asarray(rgb, dtype=np.float32)
    return value if image.shape[2] == 3 else (value @ LUMA).reshape(1)


def luma(image: Image) -> Map:
    """(h, w) brightness, 0 to 255."""
    if image.ndim == 2 or image.shape[2] == 1:
        return image.reshape(image.shape[:2]).astype(np.float32)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def over(image: Image, layer: Image, weight: Map) -> Image:
    """weight x layer + (1 - weight) x image, rounded once. All of one height and width."""
    mixed: Any = cv2.blendLinear(layer, image, weight, 1 - weight)
    return mixed.reshape(image.shape)


def screened(image: Image, light: Image) -> Image:
    """Light added by something between scene and sensor, without ever passing white: what is missing to
    white shrinks by the light's share.
    """
    missing: Any = cv2.multiply(cv2.bitwise_not(image), cv2.bitwise_not(light), scale=1 / 255)
    light_added: Any = cv2.bitwise_not(missing)
    return light_added.reshape(image.shape)


def toned(image: Image, table: NDArray[Any]) -> Image:
    """Every level of every channel replaced by its entry in a (256, C) table, 0 to 255."""
    levels = np.rint(table).clip(0, 255).astype(np.uint8).reshape(256, 1, -1)
    replaced: Any = cv2.LUT(image, levels)
    return replaced.reshape(image.shape)


def coloured(light: Image, peak: Map) -> Image:
    """(h, w) light in a colour: 255 becomes ``peak``, (C,) 0 to 255."""
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    return toned(stacked(light, len(peak)), levels * peak[None])


def stacked(plane: Image, channels: int) -> Image:
    """(h, w) as (h, w, channels), all alike."""
    merged: Any = cv2.merge([plane] * channels)
    return merged.reshape(*plane.shape[:2], channels)


def uniform(peak: Map, shape: tuple[int, ...]) -> Image:
    """(H, W, C) of one colour, (C,) 0 to 255."""
    levels = np.broadcast_to(np.rint(peak).clip(0, 255).astype(np.uint8), shape[2:])
    merged: Any = cv2.merge([np.full(shape[:2], level) for level in levels])
    return merged.reshape(shape)


def brightest_channel(image: Image) -> Image:
    """(h, w) largest value of each pixel."""
    channels: Any = cv2.split(image)
    return channels[0] if len(channels) == 1 else cv2.max(cv2.max(channels[0], channels[1]), channels[2])


def enlarged_alpha(alpha: Map, shape: tuple[int, int]) -> Map:
    """Alpha at the size of the image, cleared where it is too small to be seen."""
    large: Any = cv2.threshold(resized(alpha, shape), INVISIBLE, 1, cv2.THRESH_TOZERO)[1]
    return large


def sky_light(image: Image, least: float = 110) -> Map:
    """Colour of the light from the sky, (C,) 0 to 255: somewhat brighter than the brightest parts of the
    upper half, with half their tint, and neither black at night (``least``) nor clipped.
    """
    small = resized(image, (16, 32)).reshape(16, 32, image.shape[2])[:8].reshape(-1, image.shape[2])
    brightest = np.argsort(small.mean(axis=1), kind="stable")[-26:]
    light = small[brightest].mean(axis=0, dtype=np.float32)
    grey = light.mean()
    return np.clip(1.1 * grey + 20, least, 235) + np.float32(0.5) * (light - grey)
