"""Faults of the sensor's colours and levels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.parts.faults import InColour
from anomalies.scene import Scene

SHARES = (0.10, 0.20, 0.35, 0.60, 1.00)
FAULTS = ("drop", "stuck", "swap", "gain")
NOTICEABLE = 8
MIXED = (0.10, 0.25, 0.45, 0.70, 1.00)
BITS = (6, 5, 4, 3, 2)
WHITE_BALANCE = np.array((1.6, 1.0, 1.4))
BLACK_LEVELS = (10.0, 2.0, 6.0)


@dataclass(frozen=True)
class ChannelFault(InColour):
    """One colour channel is missing, stuck at white, swapped with another, or amplified too much.

    The severity sets how far: 0.10, 0.20, 0.35, 0.60, 1.00 of the way to a channel without signal ("drop"),
    at white ("stuck"), exchanged with another ("swap"), or amplified to twice its value ("gain").

    Args:
        fault: one of these, or "any": one is drawn for each image. A drawn one that would not show (a swap
            in a grey image) makes place for the next.

    Raises:
        ValueError: an unknown fault.
    """

    kind = "channel_fault"
    family = "sensor"
    level = "image"

    fault: str = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fault not in (*FAULTS, "any"):
            raise ValueError(
                f"channel_fault: fault must be one of {', '.join((*FAULTS, 'any'))}, got {self.fault!r}"
            )

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        first, second = (int(c) for c in rng.permutation(3)[:2])
        order = [FAULTS[i] for i in rng.permutation(len(FAULTS))]
        for fault in [self.fault] if self.fault != "any" else order:
            worst = image[..., first], _worst(image, fault, first, second)
            if np.mean(cv2.absdiff(np.ascontiguousarray(worst[0]), worst[1])[::4, ::4]) >= NOTICEABLE:
                break
        drawn, share = image.copy(), self.of(SHARES)
        drawn[..., first] = _mixed(worst[1], image[..., first], share)
        if fault == "swap":
            drawn[..., second] = _mixed(image[..., first], image[..., second], share)
        return drawn


@dataclass(frozen=True)
class BayerMismatch(InColour):
    """The raw image is demosaiced with the wrong colour pattern: white balance and black level of one colour
    go to another, so that colours are wrong and edges get a mesh of single pixels.

    The severity sets the share of the wrong result in a mixture with the right one: 0.10, 0.25, 0.45, 0.70,
    1.00. Which of the three wrong patterns it is, is drawn. Red and blue pixels are taken to be about 1.6 and
    1.4 times less sensitive than green ones.
    """

    kind = "bayer_mismatch"
    family = "sensor"
    level = "image"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        dy, dx = ((0, 1), (1, 0), (1, 1))[rng.integers(3)]
        gains = WHITE_BALANCE ** rng.uniform(0.8, 1.2, 3)
        levels = np.arange(256, dtype=np.float32)
        raw = np.empty(image.shape[:2], dtype=np.uint8)
        for y in range(2):
            for x in range(2):
                # Written by an RGGB sensor, read as one whose pattern starts dy rows and dx columns later.
                written, read = y + x, (y + dy) % 2 + (x + dx) % 2
                signal = levels / gains[written] + BLACK_LEVELS[written]
                table = (signal - BLACK_LEVELS[read]) * gains[read]
                balanced = np.rint(table).clip(0, 255).astype(np.uint8)
                raw[y::2, x::2] = balanced[image[y::2, x::2, written]]
        # OpenCV names a pattern after its second row; RGGB is "BG" there.
        code = {(0, 1): cv2.COLOR_BayerGB2RGB, (1, 0): cv2.COLOR_BayerGR2RGB, (1, 1): cv2.COLOR_BayerRG2RGB}
        wrong: Any = cv2.cvtColor(raw, code[dy, dx])
        return _mixed(wrong, image, self.of(MIXED))


@dataclass(frozen=True)
class Quantisation(Anomaly):
    """Too few bits: smooth surfaces fall apart into steps. The reference of the converter drifts by one step
    while the image is read out, so that the steps lie elsewhere in every row.

    The severity sets the number of bits: 6, 5, 4, 3, 2; no row has more than 2^bits + 1 levels.
    """

    kind = "quantisation"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h = image.shape[0]
        step = 2 ** (8 - self.of(BITS))
        drift = np.floor(step * ((rng.random() + np.arange(h) / h) % 1)).astype(np.int64)
        starts = [0, *(np.flatnonzero(np.diff(drift)) + 1), h]
        drawn = np.empty_like(image)
        for first, last in pairwise(starts):
            offset = int(drift[first])
            levels = (np.arange(256) + offset) // step * step + step // 2 - offset
            stepped: Any = cv2.LUT(image[first:last], levels.clip(0, 255).astype(np.uint8))
            drawn[first:last] = stepped.reshape(-1, *image.shape[1:])
        return Rendered(drawn, None)


def _worst(image: Image, fault: str, first: int, second: int) -> Image:
    """(H, W) the channel ``first`` with the whole fault."""
    channel = np.ascontiguousarray(image[..., first])
    if fault == "gain":
        amplified: Any = cv2.add(channel, channel)
        return amplified
    if fault == "swap":
        return np.ascontiguousarray(image[..., second])
    return np.full_like(channel, 255 if fault == "stuck" else 0)


def _mixed(changed: Image, image: Image, share: float) -> Image:
    """share x changed + (1 - share) x image."""
    mixed: Any = cv2.addWeighted(
        np.ascontiguousarray(changed), share, np.ascontiguousarray(image), 1 - share, 0
    )
    return mixed.reshape(image.shape)
