"""Kernels of a defocused disc and of a line, each pixel by its covered share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Map

LENS_TOLERANCE = 0.08
OVERSAMPLING = 8


def disc(across: float, along: float, angle: float) -> Map:
    """Kernel of an elliptical disc: the covered share of each pixel, of sum 1."""
    half = math.ceil(max(across, along))
    fine = (np.arange(OVERSAMPLING * (2 * half + 1)) + 0.5) / OVERSAMPLING - half - 0.5
    x, y = np.meshgrid(fine, fine)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return averaged((u / across) ** 2 + (v / along) ** 2 <= 1)


def segment(length: float, angle: float) -> Map:
    """Kernel of a line one pixel wide: the covered share of each pixel, of sum 1."""
    half = math.ceil(length / 2 + 0.5)
    fine = (np.arange(OVERSAMPLING * (2 * half + 1)) + 0.5) / OVERSAMPLING - half - 0.5
    x, y = np.meshgrid(fine, fine)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    # An exact tent, not a covered share, along the line: lengths of a fraction of a pixel differ.
    inside = np.clip((length + 1) / 2 - np.abs(u), 0, 1) * np.clip(1 - np.abs(v), 0, 1)
    return averaged(inside)


def averaged(fine: NDArray[Any]) -> Map:
    n = fine.shape[0] // OVERSAMPLING
    coarse = fine.reshape(n, OVERSAMPLING, n, OVERSAMPLING).mean(axis=(1, 3))
    return (coarse / coarse.sum()).astype(np.float32)
