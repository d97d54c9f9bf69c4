"""Bit errors in transmission."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Image
from anomalies.toolkit.faults import InColour, amount

BURSTS = (50, 200, 800, 3000, 12000)
BURST_SHARES = (0.002, 0.006, 0.014, 0.028, 0.05)
BURST_LENGTH = 0.03


@dataclass(frozen=True)
class BitErrors(InColour):
    """Bit errors in transmission: bursts that flip the same bit of neighbouring bytes, in red, green and blue
    alike.

    The severity sets the number of bursts per H x H pixels: 50, 200, 800, 3000, 12000, on small images at most
    0.002, 0.006, 0.014, 0.028, 0.05 of the pixels. Their length is random, on average 0.03 H + 3 bytes. One of the
    two upper bits flips; lower ones are barely visible.
    """

    kind = "bit_errors"
    family = "sensor"
    level = "pixel"

    def faulty(self, image: Image, rng: np.random.Generator) -> Image:
        h, w = image.shape[:2]
        shares = [min(n / h**2, share) for n, share in zip(BURSTS, BURST_SHARES, strict=True)]
        most, n = amount(5, shares, h * w), amount(self.severity, shares, h * w)
        starts = rng.choice(h * w, most, replace=False) * 3 + rng.integers(0, 3, most)
        lengths = np.rint(3 + rng.exponential(BURST_LENGTH * h, most)).astype(np.int64)
        bits = (64 << rng.integers(0, 2, most)).astype(np.uint8)
        # Backwards: the first burst to hit a byte stays, so that two never cancel.
        starts, lengths, bits = starts[:n][::-1], lengths[:n][::-1], bits[:n][::-1]
        ends = np.cumsum(lengths)
        steps = np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
        flipped = np.zeros(image.size, dtype=np.uint8)
        flipped[np.minimum(np.repeat(starts, lengths) + steps, image.size - 1)] = np.repeat(bits, lengths)
        return image ^ flipped.reshape(image.shape)
