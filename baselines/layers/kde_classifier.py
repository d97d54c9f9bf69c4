"""Supervised kernel density on latent entropies (Arnez et al., SafeAI 2023), protocol "oracle-val".

    score = log P(OoD | h) - log P(in | h),   P(c | h) ~ P(c) p_c(h)

h: PCA of the entropies of an image's Monte-Carlo latent samples; p_c: Gaussian kernel density of the validation
images of side c; P(c): their share.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lsood import Activations, Detector, KDEClassifier
from lsood.density.pca import PCA
from lsood.detector import Input, rows
from lsood.probes.image import LatentEntropy, Probe


class KDEClassifierDetector(Detector):
    """PCA and a density per side (in-distribution, OoD), fitted on validation images of both.

    Args:
        pca: components, fitted on both sets together as the authors do.
        bandwidth: of the kernels.
    """

    name: ClassVar[str] = "kde-classifier"
    paper: ClassVar[str] = "Arnez et al., SafeAI 2023"
    group: ClassVar[str] = "latent"
    formula: ClassVar[str] = (
        "log odds of two kernel densities of the latent entropies, in-distribution against OoD"
    )
    fitted_on: ClassVar[str] = "validation images of both sides"
    checked: ClassVar[str] = "its posterior: Bayes' rule over float64 sums; separated sides"
    protocols: ClassVar[tuple[str, ...]] = ("oracle-val", "fgsm-val")
    fixed_threshold: ClassVar[float | None] = 0.0

    def __init__(self, pca: int = 16, bandwidth: float = 0.8) -> None:
        self.pca, self.bandwidth = pca, bandwidth

    def _probe(self) -> LatentEntropy:
        s = self._model_info()
        return LatentEntropy(s.latent_layer, s.mc_samples, s.reduction, s.seed)

    def probes(self) -> list[Probe]:
        return [self._probe()]

    def _entropies(self, x: Input) -> Tensor:
        return rows(
            x[self._probe().name] if isinstance(x, Activations) else x, "kde-classifier: the entropies"
        )

    def fit_with_outliers(self, ind: Input, ood: Input) -> Self:
        """Learn from validation images of the in-distribution set and of the OoD set under test."""
        x, y = self._entropies(ind), self._entropies(ood)
        self._pca = PCA(self.pca).fit(torch.cat([x, y]))
        labels = np.r_[np.ones(len(x)), np.zeros(len(y))]
        self._classifier = KDEClassifier(self.bandwidth).fit(
            self._pca.transform(torch.cat([x, y])).numpy(), labels
        )
        return self

    def score(self, x: Input) -> Tensor:
        return -torch.from_numpy(
            self._classifier.decision_function(self._pca.transform(self._entropies(x)).numpy())
        )
