"""Drawing with replacement: images, or the sources that several images were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lsood.metrics.curve import Array

RESAMPLES = 500
CELLS = 4_000_000  # resamples x images held at once

Sources = tuple[Sequence[str], Sequence[str]]


def blocks(resamples: int, images: int) -> Iterator[int]:
    """Sizes of the blocks in which resamples of so many images (or score levels) fit into memory."""
    block = max(1, CELLS // images)
    for start in range(0, resamples, block):
        yield min(block, resamples - start)


def source_weights(
    random: np.random.Generator, resamples: int, sides: Sequence[Sequence[str]]
) -> list[Array]:
    """How often each image of each side is in a resample of the sources: (R, n) for every side's n names. A
    resample that left a side empty is left out, so R may be smaller than asked for.
    """
    names, index = np.unique(np.array([n for side in sides for n in side]), return_inverse=True)
    weights = image_draws(random, resamples, len(names))[:, index]
    parts = np.split(weights, np.cumsum([len(side) for side in sides])[:-1], axis=1)
    whole = np.all([part.any(1) for part in parts], axis=0)
    return [part[whole] for part in parts]


def image_draws(random: np.random.Generator, resamples: int, n: int) -> Array:
    """(resamples, n): how often each of n images is drawn when n are drawn with replacement."""
    drawn = random.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)
