"""Eleven statistics of an image and the baseline detector built on them: no network, only their mean and covariance.

What it detects needs no understanding of the scene, so a useful detector must do better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image

Array = NDArray[np.float64]
STATISTICS = (
    "brightness",
    "contrast",
    "shadows",
    "highlights",
    "saturation",
    "warmth",
    "dark_channel",
    "sharpness",
    "noise",
    "direction",
    "jpeg_size",
)
MAHALANOBIS = "mahalanobis"
DARK_WINDOW = 0.03
JPEG_QUALITY = 75
SECOND_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
SMALLEST_SCALE = 1e-6


def statistics(image: Image) -> Array:
    """Eleven numbers about a whole image, in the order of `STATISTICS`.

    brightness, contrast: mean and standard deviation of the luma. shadows, highlights: its 1 % and 99 %
    quantiles. saturation: mean HSV saturation. warmth: mean of red - blue. dark_channel: mean of the lowest
    channel in a window of 0.03 H, which haze raises (He et al., CVPR 2009). sharpness: log(1 + variance of
    the Laplacian). noise: log(1 + median of |second difference in both directions|), which scene structure
    hardly moves (after Immerkaer, CVIU 1996). direction: log of the mean horizontal over the mean vertical
    step, which motion blur and rain move. jpeg_size: log of the bytes per pixel at JPEG quality 75. Levels
    are 0 to 255; grey images have saturation and warmth 0.

    Args:
        image: (H, W, 3) RGB or (H, W, 1) grey uint8.

    Returns:
        (11,) float64, finite.

    Raises:
        ValueError: an image of another type or shape.
    """
    image, grey = planes(image)
    colour = image.shape[2] == 3
    histogram = np.bincount(grey.ravel(), minlength=256)
    levels = np.arange(256)
    brightness = float(histogram @ levels) / grey.size
    contrast = float(np.sqrt(max(float(histogram @ levels**2) / grey.size - brightness**2, 0.0)))
    second = np.abs(cv2.filter2D(grey, cv2.CV_16S, SECOND_DIFFERENCE, borderType=cv2.BORDER_REFLECT_101))
    laplacian = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item() ** 2
    values = (
        brightness,
        contrast,
        _quantile(histogram, 0.01),
        _quantile(histogram, 0.99),
        cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))[1] if colour else 0.0,
        float(np.subtract(*cv2.mean(image)[0:3:2])) if colour else 0.0,
        _dark_channel(image),
        np.log1p(laplacian),
        np.log1p(_quantile(np.bincount(second.ravel()), 0.5)),
        np.log((_step(grey, 1) + 0.1) / (_step(grey, 0) + 0.1)),
        np.log(jpeg(image, JPEG_QUALITY).size / grey.size),
    )
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True)
class NaiveDetector:
    """Scores images by how far their statistics lie from those of clean images; higher = more anomalous.

    Attributes:
        centre, scale: (11,) mean and standard deviation of the clean statistics.
        whitener: (11, 11) W with W W' = inverse of the correlation matrix, shrunk towards the identity by
            11 / (N + 11) so that few clean images suffice.
    """

    centre: Array
    scale: Array
    whitener: Array

    @classmethod
    def fit(cls, clean: Array) -> NaiveDetector:
        """From the statistics (N, 11) of clean images.

        Raises:
            ValueError: no matrix of 11 columns, fewer than two images, or values that are not finite.
        """
        clean = np.asarray(clean, dtype=np.float64)
        if clean.ndim != 2 or clean.shape[1] != len(STATISTICS) or len(clean) < 2:
            raise ValueError(
                f"naive: statistics must be (N, {len(STATISTICS)}) of at least 2 images, got {clean.shape}"
            )
        if not np.isfinite(clean).all():
            raise ValueError("naive: statistics hold NaN or infinity")
        centre, scale = clean.mean(axis=0), np.maximum(clean.std(axis=0), SMALLEST_SCALE)
        z = (clean - centre) / scale
        weight = z.shape[1] / (len(z) + z.shape[1])
        values, vectors = np.linalg.eigh((1 - weight) * (z.T @ z) / len(z) + weight * np.eye(z.shape[1]))
        return cls(centre, scale, vectors / np.sqrt(values))

    def scores(self, statistics: Array) -> dict[str, Array]:
        """Of images with statistics (N, 11): the Mahalanobis distance, and for each statistic alone its
        distance from the clean mean in standard deviations, to either side; (N,) each.
        """
        z = (np.asarray(statistics, dtype=np.float64) - self.centre) / self.scale
        # Not a matrix product: its rounding depends on the number of rows, and with it a score on its batch.
        distances = np.sqrt(np.square(np.einsum("nd,de->ne", z, self.whitener)).sum(axis=1))
        return {MAHALANOBIS: distances} | dict(zip(STATISTICS, np.abs(z).T, strict=True))


def planes(image: Image) -> tuple[Image, Image]:
    """An image in contiguous memory, and its luma (H, W) uint8.

    Raises:
        ValueError: not (H, W, 3) or (H, W, 1) uint8, or empty.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"naive: image must be a numpy array of uint8 (0 to 255), got {found}")
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"naive: image must have shape (H, W, 3) or (H, W, 1), got {image.shape}")
    image = np.ascontiguousarray(image)
    grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image[..., 0]
    return image, grey


def _quantile(histogram: NDArray[np.intp], share: float) -> float:
    """Between the levels, so that it changes smoothly with the image."""
    reached = np.concatenate([[0], np.cumsum(histogram)])
    return float(np.interp(share * reached[-1], reached, np.arange(len(reached)) - 0.5))


def _dark_channel(image: Image) -> float:
    planes_ = cv2.split(image)
    lowest = planes_[0] if len(planes_) == 1 else cv2.min(cv2.min(planes_[0], planes_[1]), planes_[2])
    side = 2 * round(DARK_WINDOW * image.shape[0] / 2) + 1
    return cv2.mean(cv2.erode(lowest, np.ones((side, side), dtype=np.uint8)))[0]


def _step(grey: Image, axis: int) -> float:
    """Mean |difference| of neighbours along an axis; 0 where there are none."""
    if grey.shape[axis] < 2:
        return 0.0
    later, earlier = (grey[1:], grey[:-1]) if axis == 0 else (grey[:, 1:], grey[:, :-1])
    return cv2.mean(cv2.absdiff(later, earlier))[0]


def jpeg(image: Image, quality: int) -> NDArray[np.uint8]:
    """The bytes of a JPEG file of an RGB or grey image."""
    plain = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[2] == 3 else image
    encoded: Any = cv2.imencode(".jpg", plain, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return encoded
