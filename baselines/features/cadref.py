"""CADRef and CARef, errors relative to the class mean (Ling et al., CVPR 2025).

    CARef:  score = e = ||d||_1 / ||f||_1,    d = f - mu_y^,    y^ = argmax_k z_k
    CADRef: score = e_p / L(z) + e_n / mean L,    e_p, e_n = ||relu(+-d sign(w_y^))||_1 / ||f||_1

f: the network's penultimate features (deepest feature layer, averaged over space); z, w: logits and weights of the last
linear layer; mu_c: mean of f over the fit images predicted as class c; L: a confidence, mean L that of the fit images.
e_p holds the features that raise the predicted logit above its class's, e_n those that lower it; where no weight is 0,
e_p + e_n = e.

As in the authors' code; the paper's printed equations 7 and 8 split by the signs of w_y^ f, not of w_y^ d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

from baselines.features.base import TINY, HeadDetector, class_means
from lsood.io import log
from lsood.probes.logit_scores import energy, generalised_entropy, max_logit

FLOOR = 1e-3
"""Least confidence of an image, as a share of the mean over the fit images."""


class CARef(HeadDetector):
    """CARef: see the module. ||f||_1 is at least 1e-12. A class that no fit image is predicted as has the mean of all
    fit images, with a warning (NaN in the authors' code).
    """

    name: ClassVar[str] = "caref"
    paper: ClassVar[str] = "Ling et al., CVPR 2025"
    formula: ClassVar[str] = "L1 norm of f - mean f of the predicted class / L1 norm of f"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "a float64 loop"

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        predicted, classes = self._logits(x).argmax(1), len(self.weight_)
        self.means_, found = x.mean(0).repeat(classes, 1), predicted.unique()
        self.means_[found] = class_means(x, predicted)[0]
        if missing := classes - len(found):
            what = (
                "no fit image is predicted as %d of %d classes; the mean of all fit images stands for theirs"
            )
            log.warning(f"{self.name}: {what}", missing, classes)

    def _relative(self, x: Tensor, predicted: Tensor) -> Tensor:
        """(N, D) d / ||f||_1."""
        return (x - self.means_[predicted]) / x.abs().sum(1, keepdim=True).clamp_min(TINY)

    def _anomaly(self, x: Tensor) -> Tensor:
        return self._relative(x, self._logits(x).argmax(1)).abs().sum(1)


def inverse_gen(z: Tensor) -> Tensor:
    """(N, K) -> (N,): 1 over the generalised entropy of the max(10, K / 10) largest p, g = 0.1."""
    return 1 / generalised_entropy(z, 0.1, max(10, z.shape[1] // 10))


CONFIDENCES: dict[str, Callable[[Tensor], Tensor]] = {
    "energy": lambda z: -energy(z),
    "max-logit": lambda z: -max_logit(z),
    "msp": lambda z: z.softmax(1).amax(1),
    "gen": inverse_gen,
}


class CADRef(CARef):
    """CADRef: see the module. An image's L is at least a thousandth of the mean L, so that an image whose logits are
    negative is no less anomalous for it (the authors' code divides by what there is, so that its score turns negative).

    Args:
        confidence: L: "energy" (log sum_k exp z_k, the authors' default), "max-logit", "msp" or "gen" (1 over the
            generalised entropy); typed as ``cadref@gen``.

    Raises:
        ValueError: in fit, where the mean L is not positive, as it can be with "energy" and "max-logit".
    """

    name: ClassVar[str] = "cadref"
    paper: ClassVar[str] = "Ling et al., CVPR 2025"
    formula: ClassVar[str] = (
        "caref split by the signs of w: the raising part / energy + the lowering part / mean energy"
    )
    argument: ClassVar[str] = "confidence"

    def __init__(self, confidence: str = "energy") -> None:
        if confidence not in CONFIDENCES:
            raise ValueError(f"confidence must be one of {', '.join(CONFIDENCES)}, got {confidence!r}")
        self.confidence = confidence

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        super()._learn(x, labels)
        self.mean_confidence_ = float(CONFIDENCES[self.confidence](self._logits(x)).mean())
        if not 0 < self.mean_confidence_ < math.inf:
            raise ValueError(
                f"{self.name}: the mean {self.confidence} confidence of the fit images is {self.mean_confidence_:.3g}, "
                "it must be positive and finite; use cadref@msp, which always is"
            )

    def _anomaly(self, x: Tensor) -> Tensor:
        z = self._logits(x)
        predicted = z.argmax(1)
        along = self._relative(x, predicted) * self.weight_[predicted].sign()
        confidence = CONFIDENCES[self.confidence](z).clamp_min(FLOOR * self.mean_confidence_)
        return along.clamp_min(0).sum(1) / confidence - along.clamp_max(0).sum(1) / self.mean_confidence_
