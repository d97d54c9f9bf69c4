"""What goes wrong between the sensor and the computer: lost lines and blocks, flipped bits, torn frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Rendered
from anomalies.light import colour
from anomalies.parts.faults import NEARLY_ALL, InColour, amount, best, flat, visible
from anomalies.scene import Scene

BAND = (0.03, 0.08, 0.15, 0.30, 0.50)
RUNS = (2, 6, 16, 40, 90)
SHORTEST_RUN, LONGEST_RUN = 0.05, 0.20
BLOCK = 1 / 64
EMPTY_CODE = (0.0, 135.0, 0.0)
BURSTS = (50, 200, 800, 3000, 12000)
BURST_SHARES = (0.002, 0.006, 0.014, 0.028, 0.05)
BURST_LENGTH = 0.03
TORN = (0.08, 0.18, 0.32, 0.50, 0.75)
TEARS, SHORTEST_SHIFT, LONGEST_SHIFT = 3, 0.03, 0.20


@dataclass(frozen=True)
class BandMissing(Anomaly):
    """A band of rows was not received. The buffer shows the last good row again and again, rows from
    elsewhere in the image, or one level.

    The severity sets the height of the band: 0.03, 0.08, 0.15, 0.30, 0.50 H. It grows downwards or upwards
    from a row that is drawn. What fills it is drawn among those from which at least 95 % of the rows'
    pixels can be told at every severity; alpha is 1 in the whole band.
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


@dataclass(frozen=True)
class BlockLoss(Anomaly):
    """Runs of macro-blocks of the video codec are lost: the decoder shows a piece from elsewhere, repeats the
    block before the run, or an empty one (green, grey).

    Blocks are H / 64 wide. The severity sets the number of runs: 2, 6, 16, 40, 90; below 128 rows, where
    blocks are 2 pixels wide, fewer in proportion. Their length is drawn, 0.05 to 0.20 W. Alpha is 1 in the
    whole run; what replaces it is chosen so that the brightness of nearly all of its pixels changes visibly.
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


@dataclass(frozen=True)
class BitErrors(InColour):
    """Bits flip on the way: bursts that hit the same bit of neighbouring bytes, in red, green and blue alike.

    The severity sets the number of bursts per H x H pixels: 50, 200, 800, 3000, 12000, on small images at most
    0.002, 0.006, 0.014, 0.028, 0.05 of the pixels; their length is drawn, on average 0.03 H + 3 bytes. One of the
    two upper bits flips, the others hardly show.
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
