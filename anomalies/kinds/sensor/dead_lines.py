"""Defective rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import amount, best, flat

LINES = (1 / 1024, 3 / 1024, 8 / 1024, 20 / 1024, 50 / 1024)
COLUMN, COMPLETE, AMPLIFIER = 0.7, 0.7, 60


@dataclass(frozen=True)
class DeadLines(Anomaly):
    """Rows and columns without a signal (black), saturated (white), or read out by an amplifier with an offset of
    60 levels, across the whole image or from a defective pixel to the edge.

    The severity sets the number of lines per 1024 pixels of the shorter side: 1, 3, 8, 20, 50; at least 1, 2, 3, 4,
    5. Each is one pixel wide at every image size. A fault that would be invisible at its place is replaced by
    another of these.
    """

    kind = "dead_lines"
    family = "sensor"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        most = amount(5, LINES, min(h, w))
        across, along = rng.permutation(w)[:most], rng.permutation(h)[:most]
        chances = rng.random((most, 4))
        drawn, alpha = image.copy(), np.zeros((h, w), dtype=np.float32)
        for i in range(amount(self.severity, LINES, min(h, w))):
            column, complete, start, sort = chances[i]
            length = h if column < COLUMN else w
            first = 0 if i == 0 or complete < COMPLETE else round(0.8 * start * length)
            where = np.s_[first:, across[i]] if column < COLUMN else np.s_[along[i], first:]
            old = image[where][:, None]
            faults = (flat(0, old), flat(255, old), _shifted(old, AMPLIFIER), _shifted(old, -AMPLIFIER))
            turn = int(sort * 4)
            new = best(old, (*faults[turn:], *faults[:turn]))[:, 0]
            free = alpha[where] == 0
            drawn[where] = np.where(free[:, None], new, drawn[where])
            alpha[where] = 1
        return Rendered(drawn, alpha)


def _shifted(levels: Image, offset: int) -> Image:
    return np.clip(levels.astype(np.int16) + offset, 0, 255).astype(np.uint8)
