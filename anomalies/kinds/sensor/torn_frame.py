"""Rows shifted sideways after a loss of synchronisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import amount

TORN = (0.08, 0.18, 0.32, 0.50, 0.75)
TEARS, SHORTEST_SHIFT, LONGEST_SHIFT = 3, 0.03, 0.20


@dataclass(frozen=True)
class TornFrame(Anomaly):
    """Synchronisation is lost at some row: the rest of the frame is shifted sideways and wraps around.

    The severity sets the affected share of the rows, from the bottom: 0.08, 0.18, 0.32, 0.50, 0.75, in up to three
    pieces with random shifts of 0.03 to 0.20 W to either side. The kind is image-level: labels are shifted with the
    image.
    """

    kind = "torn_frame"
    family = "sensor"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        first = h - amount(self.severity, TORN, h)
        pieces = [0, *np.sort(h - np.ceil(rng.uniform(0, TORN[-1], TEARS - 1) * h)).astype(int), h]
        shifts = np.rint(rng.uniform(SHORTEST_SHIFT, LONGEST_SHIFT, TEARS) * w).clip(1).astype(int)
        shifts = shifts * rng.choice([-1, 1], TEARS)
        image, labels = image.copy(), None if scene.labels is None else scene.labels.copy()
        for top, bottom, shift in zip(pieces[:-1], pieces[1:], shifts, strict=True):
            rows = np.s_[max(top, first) : max(bottom, first)]
            image[rows] = np.roll(image[rows], shift, axis=1)
            if labels is not None:
                labels[rows] = np.roll(labels[rows], shift, axis=1)
        return Rendered(image, None, labels, details={"row": first})
