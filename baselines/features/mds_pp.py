"""Mahalanobis++ (Mueller & Hein, ICML 2025): score = min_c (f^ - mu_c)' P (f^ - mu_c), f^ = f / ||f||.

f: the network's penultimate features (deepest feature layer, averaged over space); mu_c: mean of f^ over the fit images
of class c; P: pseudo-inverse of their tied covariance (1/N) sum_i (f^_i - mu_yi)(f^_i - mu_yi)'.
"""

from __future__ import annotations

from typing import ClassVar

from baselines.features.class_distance import ClassDistance


class MDSPlusPlus(ClassDistance):
    """See the module; no hyper-parameter. Images of segmentation networks and of object detectors have one mean.

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
    unit_length: ClassVar[bool] = True
