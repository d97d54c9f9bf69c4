"""Pixel scores of one image without a network: colour, noise, JPEG error, edges."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from anomalies.base import Image, Map
from anomalies.difficulty.image_statistics import jpeg, planes

PIXEL_DETECTORS = ("lab", "noise", "jpeg_error", "gradient")
WINDOW = 0.015
ERROR_QUALITY = 90


def pixel_scores(image: Image) -> dict[str, Map]:
    """Scores (H, W) float32, finite and not negative, by the names in `PIXEL_DETECTORS`; higher = more
    anomalous.

    lab: Mahalanobis distance of the pixel's Lab colour to those of the whole image. The others say how far a
    local mean lies from the image's own median, as |log ratio|, so that what is too smooth stands out as much
    as what is too rough: noise of the residual of a 3x3 median filter, jpeg_error of the difference to the
    image compressed at quality 90 (error level analysis), gradient of the Sobel magnitude; each in windows of
    0.015 H.

    Args:
        image: (H, W, 3) RGB or (H, W, 1) grey uint8.

    Raises:
        ValueError: an image of another type or shape.
    """
    image, grey = planes(image)
    residual = cv2.absdiff(grey, cv2.medianBlur(grey, 3))
    dx, dy = (cv2.convertScaleAbs(cv2.Sobel(grey, cv2.CV_16S, x, 1 - x)) for x in (1, 0))
    return {
        "lab": _colour_distance(image),
        "noise": _unusual(residual),
        "jpeg_error": _unusual(_jpeg_error(image)),
        "gradient": _unusual(cv2.addWeighted(dx, 0.5, dy, 0.5, 0)),
    }


def _colour_distance(image: Image) -> Map:
    colours: Any = cv2.cvtColor(image, cv2.COLOR_RGB2LAB) if image.shape[2] == 3 else image
    flat = colours.reshape(-1, colours.shape[2])
    # The covariance from a sample: a few thousand colours tell it as well as two million.
    sample = flat[:: max(1, len(flat) // 50_000)].astype(np.float64)
    mean = sample.mean(axis=0)
    covariance = (sample - mean).T @ (sample - mean) / len(sample) + np.eye(len(mean))
    values, vectors = np.linalg.eigh(covariance)
    whitener = (vectors / np.sqrt(values)).T
    affine = np.column_stack([whitener, -whitener @ mean]).astype(np.float32)
    z: Any = cv2.transform(colours.astype(np.float32), affine).reshape(*image.shape[:2], -1)
    return np.sqrt(np.einsum("hwc,hwc->hw", z, z))


def _jpeg_error(image: Image) -> Image:
    decoded: Any = cv2.imdecode(jpeg(image, ERROR_QUALITY), cv2.IMREAD_COLOR if image.shape[2] == 3 else 0)
    plain = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[2] == 3 else image[..., 0]
    error = cv2.absdiff(plain, decoded)
    return error if error.ndim == 2 else cv2.transform(error, np.full((1, 3), 1 / 3, dtype=np.float32))  # type: ignore[return-value]


def _unusual(local: Any) -> Map:
    """|log ratio| of the local mean of a (H, W) uint8 map to its median over the image."""
    side = 2 * round(WINDOW * local.shape[0] / 2) + 1
    mean = np.log(cv2.blur(local.astype(np.float32), (side, side)) + np.float32(0.1))
    return np.abs(
        mean - np.float32(np.median(mean[:: 1 + mean.shape[0] // 256, :: 1 + mean.shape[1] // 256]))
    )
