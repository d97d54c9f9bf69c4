"""A frame made of two frames."""

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
    """The synchronisation is lost at some row: the rest of the frame is shifted sideways and comes in again
    at the other side.

    The severity sets the torn share of the rows, at the bottom: 0.08, 0.18, 0.32, 0.50, 0.75 of them, in up
    to three pieces whose shifts are drawn, 0.03 to 0.20 W to either side. Image-level: labels move with the
    image, so that they still belong to what is seen.
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
