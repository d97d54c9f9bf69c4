"""A faulty colour channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import Image
from anomalies.toolkit.faults import InColour, mixture

SHARES = (0.10, 0.20, 0.35, 0.60, 1.00)
FAULTS = ("drop", "stuck", "swap", "gain")
NOTICEABLE = 8


@dataclass(frozen=True)
class ChannelFault(InColour):
    """One colour channel is missing, stuck at white, swapped with another, or amplified too much.

    The severity sets the degree: 0.10, 0.20, 0.35, 0.60, 1.00 of the way to a channel without signal ("drop"), at
    white ("stuck"), exchanged with another ("swap"), or amplified to twice its value ("gain").

    Args:
        fault: one of these, or "any" to draw one for each image. A drawn fault that would be invisible (a swap in a
            grey image) is replaced by the next one.

    Raises:
        ValueError: unknown fault.
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
        drawn[..., first] = mixture(worst[1], image[..., first], share)
        if fault == "swap":
            drawn[..., second] = mixture(image[..., first], image[..., second], share)
        return drawn


def _worst(image: Image, fault: str, first: int, second: int) -> Image:
    """(H, W) the channel ``first`` with the whole fault."""
    channel = np.ascontiguousarray(image[..., first])
    if fault == "gain":
        amplified: Any = cv2.add(channel, channel)
        return amplified
    if fault == "swap":
        return np.ascontiguousarray(image[..., second])
    return np.full_like(channel, 255 if fault == "stuck" else 0)
