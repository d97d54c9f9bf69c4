"""Another place in the same image to take a patch from."""

from __future__ import annotations

import numpy as np

from anomalies.base import Image
from anomalies.kinds.patches._regions import Region

CANDIDATES = 4


def offset_to(image: Image, region: Region, rng: np.random.Generator, apart: bool = False) -> tuple[int, int]:
    """(down, right) from the region's crop to another one that lies in the image: of several, the one that
    differs most, so that the paste can be seen; if they are to lie apart, that counts first.
    """
    rows, columns = region.crop
    h, w = rows.stop - rows.start, columns.stop - columns.start
    free = np.array([region.shape[0] - h, region.shape[1] - w])
    starts = np.rint(rng.random((CANDIDATES, 2)) * free).astype(int)
    step = max(1, h // 48)
    target = image[region.crop][::step, ::step].astype(np.int16)
    best, best_score = (0, 0), -1.0
    for down, right in starts - (rows.start, columns.start):
        other = image[shifted(region, (down, right))][::step, ::step]
        score = float(np.abs(other - target).mean())
        if apart:
            score += 255 * min(1.0, max(abs(down) / h, abs(right) / w))
        if score > best_score:
            best, best_score = (int(down), int(right)), score
    return best


def shifted(region: Region, offset: tuple[int, int]) -> tuple[slice, slice]:
    rows, columns = region.crop
    down, right = offset
    return slice(rows.start + down, rows.stop + down), slice(columns.start + right, columns.stop + right)


def elsewhere(image: Image, region: Region, rng: np.random.Generator) -> Image:
    """What another part of the image shows, (h, w, C) of the region's crop."""
    return image[shifted(region, offset_to(image, region, rng))]
