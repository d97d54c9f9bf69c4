"""Blocks lost in transmission."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import Scene
from anomalies.toolkit.faults import amount, best, flat
from anomalies.toolkit.light import colour

RUNS = (2, 6, 16, 40, 90)
SHORTEST_RUN, LONGEST_RUN = 0.05, 0.20
BLOCK = 1 / 64
EMPTY_CODE = (0.0, 135.0, 0.0)


@dataclass(frozen=True)
class BlockLoss(Anomaly):
    """Runs of macroblocks of the video codec are lost. The decoder shows a piece from elsewhere, repeats the block
    before the run, or shows an empty one (green, grey).

    Blocks are H / 64 wide. The severity sets the number of runs: 2, 6, 16, 40, 90; below 128 rows, where blocks are
    2 pixels wide, proportionally fewer. Their length is random, 0.05 to 0.20 W. Alpha is 1 in the whole run; the
    replacement is chosen so that the brightness of nearly all of its pixels changes visibly.
    """

    kind = "block_loss"
    family = "sensor"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        h, w = image.shape[:2]
        size = max(2, round(BLOCK * h))
        down, across = h // size, w // size
        most, n = (amount(severity, RUNS, min(1, BLOCK * h / size)) for severity in (5, self.severity))
        # The first runs lie in different rows: none is hidden by another.
        rows, columns = np.resize(rng.permutation(down), most), rng.integers(0, across, most)
        lengths = np.rint(rng.uniform(SHORTEST_RUN, LONGEST_RUN, most) * across).astype(int).clip(1)
        shifts, sorts = rng.uniform(-0.25, 0.25, (most, 2)) * h, rng.random(most)
        drawn, alpha = image.copy(), np.zeros((h, w), dtype=np.float32)
        # Backwards: where runs overlap, the earlier one stays, whatever the severity adds.
        for i in range(n - 1, -1, -1):
            y, x = size * int(rows[i]), size * int(columns[i])
            where = np.s_[y : y + size, x : min(x + size * int(lengths[i]), w)]
            old = image[where]
            sy = int(np.clip(y + shifts[i, 0], 0, h - old.shape[0]))
            sx = int(np.clip(x + shifts[i, 1], 0, w - old.shape[1]))
            copied = image[sy : sy + old.shape[0], sx : sx + old.shape[1]]
            neighbour = image[y : y + size, max(0, x - size) : max(x, size)]
            before = flat(np.rint(neighbour.mean(axis=(0, 1))), old)
            fills = [copied, before, flat(np.rint(colour(EMPTY_CODE, image)), old), flat(128, old)]
            turn = 0 if sorts[i] < 0.5 else 1 if sorts[i] < 0.75 else 2
            drawn[where] = best(old, (*fills[turn:], flat(0, old), flat(255, old)))
            alpha[where] = 1
        return Rendered(drawn, alpha)
