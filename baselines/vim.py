"""Virtual-logit matching (Wang et al., CVPR 2022): score = a ||R'(f - o)|| - log sum_k exp z_k.

R, o: see `baselines.residual`; a = mean of max_k z_k over the fit images / mean of their ||R'(f - o)||.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.penultimate import HeadDetector
from baselines.residual import check_dimension, complement, zero_logits
from lsood import Head


class ViM(HeadDetector):
    """See the module.

    Args:
        dimension: d of the principal space, below D; None: the paper's 1000 if D >= 2048, 512 if D >= 768, else D / 2
            (OpenOOD's 256 is the same at D = 512).
    """

    name: ClassVar[str] = "vim"
    paper: ClassVar[str] = "Wang et al., CVPR 2022"

    def __init__(self, dimension: int | None = None) -> None:
        check_dimension(dimension)
        self.dimension = dimension

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.origin_ = zero_logits(Head(self.weight_, self.bias_))
        self.complement_ = complement(x - self.origin_, self.dimension, self.name)
        self.alpha_ = float(self._logits(x).amax(1).mean() / self._residual(x).mean())

    def _residual(self, x: Tensor) -> Tensor:
        return ((x - self.origin_) @ self.complement_).norm(dim=1)

    def _anomaly(self, x: Tensor) -> Tensor:
        return self.alpha_ * self._residual(x) - self._logits(x).logsumexp(1)
