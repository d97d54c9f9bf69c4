"""A band of rows lost in transmission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import NEARLY_ALL, amount, flat, visible

BAND = (0.03, 0.08, 0.15, 0.30, 0.50)


@dataclass(frozen=True)
class BandMissing(Anomaly):
    """A band of rows was not received. It is filled with the last good row, with rows from elsewhere in the image,
    or with one level.

    The severity sets the height of the band: 0.03, 0.08, 0.15, 0.30, 0.50 H. It grows downwards or upwards from a
    random row. The filling is drawn from those that change at least 95 % of the band's pixels visibly at every
    severity; alpha is 1 in the whole band.
    """

    kind = "band_missing"
    family = "sensor"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        heights = [amount(severity, BAND, h) for severity in range(1, 6)]
        upwards, start = rng.random() < 0.5, int(rng.random() * (h - heights[-1] + 1))
        order, far, aside = rng.permutation(4), rng.uniform(0.3, 0.7), int(rng.random() * w)
        frame = image[::-1] if upwards else image
        old = frame[start : start + heights[-1]]
        elsewhere = np.roll(
            np.roll(frame, -round(far * h), axis=0)[start : start + heights[-1]], aside, axis=1
        )
        stuck = np.broadcast_to(frame[start - 1], old.shape)
        fills = [stuck, elsewhere, flat(0, old), flat(128, old)]
        fill = _told_apart(old, [*(fills[i] for i in order), flat(255, old)], heights)
        drawn, alpha = image.copy(), np.zeros((h, w), dtype=np.float32)
        rows = np.s_[start : start + self.of(heights)]
        (drawn[::-1] if upwards else drawn)[rows] = fill[: self.of(heights)]
        (alpha[::-1] if upwards else alpha)[rows] = 1
        return Rendered(drawn, alpha, details={"rows": self.of(heights)})


def _told_apart(old: Image, fills: list[NDArray[Any]], heights: list[int]) -> NDArray[Any]:
    """The first fill from which nearly all pixels of the first ``heights`` rows can be told, for each of
    these heights, else the one that comes nearest. Every fourth column is looked at.
    """
    least = []
    for fill in fills:
        rows = visible(old[:, ::4], fill[:, ::4]).mean(axis=1)
        least.append(min(float(rows[:height].mean()) for height in heights))
        if least[-1] >= NEARLY_ALL:
            break
    return fills[int(np.argmax(least))]
