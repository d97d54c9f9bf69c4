"""Bootstrap over images of metrics of what lies on them: the objects of one image are not independent, so images are
drawn, each with all its objects. An image's objects are counted once per level of the score; a resample adds up rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from lsood.metrics.curve import Array, Curve

LEVELS = 1000
Rows = NDArray[np.int64]


def levels(scores: Array, threshold: float) -> Array:
    """(G,) rising: the distinct scores, or where there are more than 1000 so many quantiles, and the threshold.

    A score counts as the first level that is not below it, so what is above the threshold stays above.
    """
    distinct = np.unique(scores)
    if len(distinct) > LEVELS:
        distinct = np.quantile(scores, np.linspace(0, 1, LEVELS), method="inverted_cdf")
    return np.unique(np.append(distinct, threshold))


@dataclass(frozen=True)
class Counts:
    """Objects of every image at every level of the score.

    Attributes:
        table: (I, G) of images and levels.
    """

    table: csr_array

    @classmethod
    def of(cls, image: Rows, scores: Array, at: Array, images: int) -> Counts:
        """From objects (N,) on images (N,), and the levels (G,)."""
        place = np.searchsorted(at, scores, "left")
        return cls(csr_array((np.ones(len(place)), (image, place)), shape=(images, len(at))))

    def above(self, weights: Array) -> Array:
        """(R, G) objects at or above each level, the highest first, when images are drawn so often (R, I)."""
        return np.cumsum((weights @ self.table)[:, ::-1], axis=1)


def curve(scores_in: Counts, scores_out: Counts, at: Array, w_in: Array, w_out: Array) -> Curve:
    """The curve of resamples that draw the images of each side so often, (R, I) and (R, J)."""
    return Curve(at[::-1], scores_out.above(w_out), scores_in.above(w_in))
