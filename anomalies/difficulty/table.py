"""Difficulty of an anomaly set: how well image statistics detect each kind at each severity.

A set on which eleven image statistics reach an AUROC of .95 is trivial: that a network reaches it too shows nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.difficulty.image_statistics import STATISTICS, Array, NaiveDetector
from anomalies.difficulty.pixel_scores import PIXEL_DETECTORS

Cell = tuple[str, int]
FEWEST = 20
TOO_FEW = "too few images"
LEVELS = ((0.95, "trivial"), (0.80, "easy"), (0.65, "medium"), (-math.inf, "hard"))
COLUMNS = (
    "kind", "severity", "n", "image_auroc", "image_detector", "pixel_auroc", "pixel_ap",
    "pixel_detector", "level",
)  # fmt: skip
BINS = 2048
LOWEST_BIN = (127 - 16) << 6
IDENTITY = 4


def level(auroc: float) -> str:
    """ "trivial" from .95, "easy" from .80, "medium" from .65, "hard" below; "too few images" for NaN."""
    return TOO_FEW if math.isnan(auroc) else next(name for least, name in LEVELS if auroc >= least)


@dataclass
class Difficulty:
    """Collects image statistics and pixel scores, and rates the difficulty of every cell (kind, severity).

    The order of calls does not matter, so parts made by several processes can be merged.

    Image level: the clean frames are split in two halves by a hash of their grey levels. The detectors are
    fitted on one half and tested on the other, clean frames and their anomalous versions alike; then the
    halves change places. Which of the twelve detectors counts is chosen on one test half and measured on the
    other, so that the best of twelve is no lucky one. Frames of one video that resemble each other can lie in
    both halves.

    Pixel level: all pixels of a cell are pooled in histograms of 64 bins per factor of two, whatever the
    number of images. The best of four detectors counts.
    """

    images: dict[Cell, list[tuple[Array, Array]]] = field(default_factory=dict)
    pixels: dict[Cell, NDArray[np.int64]] = field(default_factory=dict)
    masks: dict[Cell, int] = field(default_factory=dict)

    def add(self, kind: str, severity: int, clean_statistics: Array, statistics: Array) -> None:
        """An anomalous image and the clean one it was made from: (11,) each, or (N, 11) of N pairs.

        Raises:
            ValueError: another shape, or values that are not finite.
        """
        pair = [np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (clean_statistics, statistics)]
        if pair[0].shape != pair[1].shape or pair[0].shape[1:] != (len(STATISTICS),):
            raise ValueError(
                f"difficulty: clean and anomalous statistics must both be ({len(STATISTICS)},) "
                f"or (N, {len(STATISTICS)}), got {np.shape(clean_statistics)} and {np.shape(statistics)}"
            )
        if not (np.isfinite(pair[0]).all() and np.isfinite(pair[1]).all()):
            raise ValueError(f"difficulty: statistics of {kind} {severity} hold NaN or infinity")
        self.images.setdefault((kind, severity), []).extend(zip(*pair, strict=True))

    def add_pixels(self, kind: str, severity: int, scores: Mapping[str, Map], mask: Image) -> None:
        """The pixels of an anomalous image.

        Args:
            scores: of `pixel_scores`, (H, W) each.
            mask: (H, W) uint8: 1 anomalous, 0 not, 255 left out.

        Raises:
            ValueError: another shape, mask values, or scores that are negative or not finite.
        """
        side = np.full(256, 3, dtype=np.uint8)
        side[[0, 1, 255]] = 0, 1, 2
        sides = cv2.LUT(np.ascontiguousarray(mask), side).astype(np.int32) * np.int32(BINS)
        counts = np.zeros((len(PIXEL_DETECTORS), 2, BINS), dtype=np.int64)
        for i, name in enumerate(PIXEL_DETECTORS):
            score = np.ascontiguousarray(scores[name], dtype=np.float32)
            if score.shape != mask.shape:
                raise ValueError(f"difficulty: the mask is {mask.shape}, the {name} scores are {score.shape}")
            if not (score.min() >= 0 and score.max() < np.inf):
                raise ValueError(f"difficulty: {name} scores must be finite and not negative")
            # The leading bits of a float are its logarithm: exponent and six binary digits make 64 bins an octave.
            bins = np.clip((score.view(np.int32) >> 17) - LOWEST_BIN, 0, BINS - 1)
            found = np.bincount((bins + sides).ravel(), minlength=4 * BINS)
            if found[3 * BINS :].any():
                raise ValueError("difficulty: a mask may hold 0, 1 and 255 only")
            counts[i] = found[: 2 * BINS].reshape(2, BINS)
        cell = (kind, severity)
        self.pixels[cell] = self.pixels.get(cell, 0) + counts
        self.masks[cell] = self.masks.get(cell, 0) + 1

    def merge(self, other: Difficulty) -> Difficulty:
        """Add everything another instance collected; returns self."""
        for cell, pairs in other.images.items():
            self.images.setdefault(cell, []).extend(pairs)
        for cell, counts in other.pixels.items():
            self.pixels[cell] = self.pixels.get(cell, 0) + counts
            self.masks[cell] = self.masks.get(cell, 0) + other.masks[cell]
        return self

    def table(self) -> pd.DataFrame:
        """One row per kind and severity, in that order.

        Columns: kind, severity, n (anomalous images), image_auroc, image_detector ("a / b" when the halves
        chose differently), pixel_auroc, pixel_ap (average precision of the same detector), pixel_detector,
        level (of the higher AUROC). A figure is NaN where there are no such data, or fewer than 20 images: its
        standard error would exceed the width of a level.
        """
        halves, fitted = self._halves()
        rows = []
        for kind, severity in sorted({*self.images, *self.pixels}):
            cell = (kind, severity)
            image, image_detector = self._image_level(cell, halves, fitted)
            pixel = self._pixel_level(cell)
            n = max(len(self.images.get(cell, ())), self.masks.get(cell, 0))
            highest = max((x for x in (image, pixel[0]) if not math.isnan(x)), default=math.nan)
            rows.append((kind, severity, n, image, image_detector, *pixel, level(highest)))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _halves(self) -> tuple[dict[bytes, int], list[tuple[NaiveDetector, dict[str, Array]]]]:
        """{clean frame: half it belongs to}, and for each half the detector fitted on the other with the
        scores of its clean frames.
        """
        frames = {_identity(clean): clean for pairs in self.images.values() for clean, _ in pairs}
        ordered = sorted(frames)
        if len(ordered) < FEWEST:
            return {}, []
        parts = [np.stack([frames[name] for name in ordered[half::2]]) for half in (0, 1)]
        detectors = [NaiveDetector.fit(parts[1 - half]) for half in (0, 1)]
        tested = [(d, d.scores(part)) for d, part in zip(detectors, parts, strict=True)]
        return {name: i % 2 for i, name in enumerate(ordered)}, tested

    def _image_level(
        self, cell: Cell, halves: dict[bytes, int], fitted: list[tuple[NaiveDetector, dict[str, Array]]]
    ) -> tuple[float, str]:
        pairs = self.images.get(cell, [])
        tests = [[x for clean, x in pairs if halves.get(_identity(clean)) == half] for half in (0, 1)]
        if len(pairs) < FEWEST or not fitted or not all(tests):
            return math.nan, ""
        found = []
        for (detector, clean), test in zip(fitted, tests, strict=True):
            scores = detector.scores(np.stack(test))
            found.append({name: _auroc(clean[name], scores[name]) for name in scores})
        chosen = [max(half, key=half.__getitem__) for half in found]
        measured = [found[1][chosen[0]], found[0][chosen[1]]]
        return float(np.mean(measured)), " / ".join(dict.fromkeys(chosen))

    def _pixel_level(self, cell: Cell) -> tuple[float, float, str]:
        counts = self.pixels.get(cell)
        if counts is None or self.masks[cell] < FEWEST or not counts.sum(axis=2).all():
            return math.nan, math.nan, ""
        found = [_auroc_and_ap(*pair.astype(float)) for pair in counts]
        best = max(range(len(found)), key=lambda i: found[i][0])
        return *found[best], PIXEL_DETECTORS[best]


def _identity(clean: Array) -> bytes:
    """Names a clean frame by its grey levels, which are the same on every machine; evenly spread."""
    return hashlib.blake2b(clean[:IDENTITY].tobytes(), digest_size=16).digest()


def _auroc(inside: Array, outside: Array) -> float:
    """Probability that an anomalous image scores higher than a clean one, ties counted half."""
    ordered = np.sort(inside)
    wins = np.searchsorted(ordered, outside, "left") + np.searchsorted(ordered, outside, "right")
    return float(wins.mean() / (2 * len(ordered)))


def _auroc_and_ap(inside: Array, outside: Array) -> tuple[float, float]:
    """Of histograms over ascending scores; pixels of one bin are ties."""
    below = np.cumsum(inside) - inside / 2
    hits, alarms = np.cumsum(outside[::-1]), np.cumsum(inside[::-1])
    precision = hits / np.maximum(hits + alarms, 1)
    auroc = float(below @ outside / (inside.sum() * outside.sum()))
    return auroc, float(precision @ outside[::-1] / outside.sum())
