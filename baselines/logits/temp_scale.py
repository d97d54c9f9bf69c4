"""Temperature scaling (Guo et al., ICML 2017): score = 1 - max_k softmax_k(z / T*).

T* minimises the negative log-likelihood of the true labels on in-distribution validation images. In the inverse
temperature b = 1/T that is convex, with slope mean_i(sum_k p_ik z_ik - z_iy): its root is found by bracketing
(the authors and OpenOOD take some LBFGS steps from T = 1.5).
"""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from scipy.optimize import brentq
from torch import Tensor

from baselines.logits.base import LogitDetector
from lsood import Activations
from lsood.detector import Input
from lsood.probes.logit_scores import other_probability

COLDEST, HOTTEST = 0.01, 100.0


class TempScale(LogitDetector):
    """MSP at the temperature that calibrates the classifier, T in [0.01, 100]. If the likelihood has no maximum there
    (all predictions correct, or worse than chance), T is the nearer end. T = 1 before :meth:`calibrate`.
    """

    name: ClassVar[str] = "temp-scale"
    paper: ClassVar[str] = "Guo et al., ICML 2017"
    formula: ClassVar[str] = "1 - max softmax(z / T*)"
    fitted_on: ClassVar[str] = "T* by the likelihood of validation labels"
    checked: ClassVar[str] = "scipy's minimum of the negative log-likelihood; pytorch-ood (2 %)"
    needs_labels: ClassVar[bool] = True

    def __init__(self) -> None:
        self.temperature_ = 1.0

    def calibrate(self, validation: Input, labels: Tensor | None = None) -> Self:
        """Find T from Activations, or from logits (N, K) and ``labels`` (N,) class indices.

        Raises:
            ValueError: no labels, or labels that are no class indices.
        """
        z = self._logits(validation, "the validation logits")
        if isinstance(validation, Activations):
            labels = validation["labels"]
        if labels is None or len(labels) != len(z) or not 0 <= int(labels.min()) <= labels.max() < z.shape[1]:
            raise ValueError(f"temp-scale needs a label in 0 ... {z.shape[1] - 1} for each validation image")
        true = z.gather(1, labels.long()[:, None]).mean()

        def slope(inverse: float) -> float:
            return float(((z * inverse).softmax(1) * z).sum(1).mean() - true)

        low, high = 1 / HOTTEST, 1 / COLDEST
        if slope(low) >= 0:
            self.temperature_ = HOTTEST
        elif slope(high) <= 0:
            self.temperature_ = COLDEST
        else:
            self.temperature_ = 1 / brentq(slope, low, high, xtol=1e-12)
        return self

    def _anomaly(self, z: Tensor) -> Tensor:
        return other_probability(torch.div(z, self.temperature_))
