"""ActSub, activation subspaces (Zöngür, Hesse & Roth, ICCV 2025): score = -E(f) S(f)^l.

    W = U diag(s) V',  V = [V_d, V_r]: its first k columns, and the rest
    E: log sum_j exp z_j of the logits that the last layer, with its bias, gives for SCALE of V_d V_d' f
    S = -log(1 - mean of the 10 largest cosines between V_r' f and those of the fit images)

f: the network's penultimate features (deepest feature layer, averaged over space); W: weights of the last layer;
k: where the mean lengths of V_d' f and V_r' f over the fit images are closest. SCALE: see `baselines.features.scale`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.features.ash import sharpness
from baselines.features.base import HeadDetector, warn_few
from baselines.features.nnguide import mean_of_largest
from baselines.features.rectified import checked_percentile, largest
from lsood.density.kernel import CHUNK

NEIGHBOURS, TINY = 10, 1e-12


class ActSub(HeadDetector):
    """See the module. The authors choose l and SCALE's percentile on OoD images; here both are fixed, at what they
    report for CIFAR-10 and ImageNet's ResNet-50.

    Differences: all fit images are neighbours, not a random tenth of them. k is at least 1 and at most the rank of W:
    beyond it the singular vectors, and with them the score, are whatever the SVD routine returns. S is at least 0:
    their code squares negative ones, so that opposite features count as known. 1 - cosine is at least 1e-12, so that a
    copy of ten fit images has a finite score.

    Args:
        power: l, at least 0; 0 leaves SCALE on the decisive part. percentile: SCALE's, 0 to 100.
    """

    name: ClassVar[str] = "actsub"
    paper: ClassVar[str] = "Zöngür et al., ICCV 2025"
    formula: ClassVar[str] = (
        "scale of f in W's first singular vectors x log(1 - cosine to fit images in the rest)^2"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "float64 loop"

    def __init__(self, power: float = 2.0, percentile: float = 95.0) -> None:
        if power < 0:
            raise ValueError(f"power must not be negative, got {power}")
        self.power, self.percentile = power, checked_percentile(percentile)

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        warn_few(self.name, len(x), NEIGHBOURS, "all are neighbours")
        vectors = torch.linalg.svd(self.weight_)[2].T
        most = min(int(torch.linalg.matrix_rank(self.weight_)), x.shape[1] - 1)
        if most < 1:
            raise ValueError(
                f"actsub: the last layer's weights ({len(self.weight_)} x {x.shape[1]}) have no two subspaces"
            )
        gap = x.new_zeros(most)
        for part in x.split(max(1, CHUNK // x.shape[1])):
            squares = (part @ vectors).square()
            decisive = squares.cumsum(1)[:, :most]
            rest = squares.flip(1).cumsum(1).flip(1)[:, 1 : most + 1]
            gap += (decisive.sqrt() - rest.sqrt()).sum(0)
        k = int(gap.abs().argmin()) + 1
        self.decisive_, self.rest_ = vectors[:, :k], vectors[:, k:].contiguous()
        self.bank_ = normalize(x @ self.rest_)

    def _anomaly(self, x: Tensor) -> Tensor:
        decisive = x @ self.decisive_ @ self.decisive_.T
        kept = largest(decisive, self.percentile)[0]
        scaled = decisive * sharpness(kept, decisive.sum(1, keepdim=True))
        cosine = mean_of_largest(normalize(x @ self.rest_), self.bank_, NEIGHBOURS)
        likeness = -(1 - cosine).clamp(TINY, 1).log()
        return -self._logits(scaled).logsumexp(1) * likeness.pow(self.power)
