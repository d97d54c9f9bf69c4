"""Nearest-neighbour guidance (Park, Jung & Teoh, ICCV 2023): score = -G(f) E(f), E = log sum_k exp z_k.

f: the network's penultimate features (deepest feature layer, averaged over space); z: logits.
G: mean of the K largest <f^, E_i f^_i> over a bank of fit images, f^ = f / ||f||.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.features.base import HeadDetector, warn_few
from lsood.density.kernel import CHUNK


class NNGuide(HeadDetector):
    """See the module. The bank is a seeded random sample of the fit images; OpenOOD takes the first ones of the file
    list, which are of one class if the list is sorted. Two negative energies give a high confidence, as in the paper's
    formula.

    Args:
        k: K; 100 in OpenOOD. alpha: share of the fit images in the bank, which has at least K; 0.01 in OpenOOD.
        seed: of the sample.
    """

    name: ClassVar[str] = "nnguide"
    paper: ClassVar[str] = "Park et al., ICCV 2023"

    def __init__(self, k: int = 100, alpha: float = 0.01, seed: int = 0) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha must be in (0, 1], got {alpha}")
        self.k, self.alpha, self.seed = k, alpha, seed

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        warn_few(self.name, len(x), self.k, f"all are taken for the k = {self.k} nearest")
        size = max(self.k, round(self.alpha * len(x)))
        sample = torch.randperm(len(x), generator=torch.Generator().manual_seed(self.seed))[:size]
        self.bank_ = normalize(x[sample]) * self._logits(x[sample]).logsumexp(1, keepdim=True)

    def _anomaly(self, x: Tensor) -> Tensor:
        return -mean_of_largest(normalize(x), self.bank_, self.k) * self._logits(x).logsumexp(1)


def mean_of_largest(x: Tensor, bank: Tensor, k: int) -> Tensor:
    """(N,): of every row of x (N, D) the mean of its k largest inner products with rows of the bank (M, D), all M where
    there are fewer.
    """
    k = min(k, len(bank))
    chunks = x.split(max(1, CHUNK // len(bank)))
    return torch.cat([(part @ bank.T).topk(k, dim=1).values.mean(1) for part in chunks])
