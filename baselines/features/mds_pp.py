"""Mahalanobis++ (Mueller & Hein, ICML 2025): score = min_c (f^ - mu_c)' P (f^ - mu_c), f^ = f / ||f||.

f: the network's penultimate features (deepest feature layer, averaged over space); mu_c: mean of f^ over the fit images
of class c; P: pseudo-inverse of their tied covariance (1/N) sum_i (f^_i - mu_yi)(f^_i - mu_yi)'.
"""

from __future__ import annotations

from typing import ClassVar

from baselines.features.base import PixelFeatureDetector
from baselines.features.class_distance import ClassDistance
from lsood.probes.pixel.gaussian import PixelGaussians


class MDSPlusPlus(ClassDistance, PixelFeatureDetector):
    """See the module; no hyper-parameter. Images of segmentation networks and of object detectors have one mean.

    Pixels: f is the feature at a position of the layer's map, mu_c the mean over fit pixels of true class c; the map is
    the log of the score.

    Args:
        layer: another feature layer, or the latent layer; None: the deepest.
    """

    name: ClassVar[str] = "mds-pp"
    paper: ClassVar[str] = "Mueller & Hein, ICML 2025"
    formula: ClassVar[str] = (
        "squared Mahalanobis distance of f / |f| to the nearest class mean, tied covariance"
    )
    fitted_on: ClassVar[str] = "fit set, labels"
    checked: ClassVar[str] = "scikit-learn; mahalanobis on unit-length features"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")
    unit_length: ClassVar[bool] = True

    def pixel_probe(self) -> PixelGaussians:
        return PixelGaussians(self._probe().layer, self.whitener_, self.means_)
