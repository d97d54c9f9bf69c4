"""Neural relation graph (Kim et al., NeurIPS 2023): score = -sum_i [r_i > .03] r_i^a over the fit images i.

    r_i = max(0, <f^, f^_i>) <p, p_i>,    f^ = f / sqrt(||f||^2 + 1e-10)

f: the network's penultimate features (deepest feature layer, averaged over space); p: softmax of the logits.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import HeadDetector
from lsood.density.kernel import CHUNK

LEAST, TINY = 0.03, 1e-10


class Relation(HeadDetector):
    """See the module. Exact: the bank is the whole fit set, and every query is compared with all of it, in blocks of
    2^24 pairs, so that memory does not grow with the queries. The anomaly score is OpenOOD's; the authors' is
    1 / (sum + 1e-6), which gives the same ranks.

    Args:
        power: a; 1 by the authors for OoD detection; OpenOOD chooses among 1, 2, 4, 6, 8 on OoD images.
    """

    name: ClassVar[str] = "relation"
    paper: ClassVar[str] = "Kim et al., NeurIPS 2023"
    formula: ClassVar[str] = "- sum over fit images of max(0, cos(f, f_i)) p'p_i, where it exceeds .03"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "float64 loop"

    def __init__(self, power: float = 1.0) -> None:
        if power <= 0:
            raise ValueError(f"power must be positive, got {power}")
        self.power = power

    def _unit(self, x: Tensor) -> Tensor:
        return x / (x.square().sum(1, keepdim=True) + TINY).sqrt()

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.bank_, self.probabilities_ = self._unit(x), self._logits(x).softmax(1)

    def _anomaly(self, x: Tensor) -> Tensor:
        size = max(1, CHUNK // len(self.bank_))
        blocks = zip(self._unit(x).split(size), self._logits(x).softmax(1).split(size), strict=True)
        return torch.cat([-self._relation(unit, p).sum(1) for unit, p in blocks])

    def _relation(self, unit: Tensor, p: Tensor) -> Tensor:
        """(n, M): [r_i > .03] r_i^a for n queries and the M images of the bank."""
        r = (unit @ self.bank_.T).clamp_min_(0).mul_(p @ self.probabilities_.T)
        return r.masked_fill_(r <= LEAST, 0).pow_(self.power)
