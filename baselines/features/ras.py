"""RAS, ranked activation shift (Guglielmo & Masana, 2026): the k-th smallest feature becomes the mean, over the fit
images, of their k-th smallest.

    score = -log sum_k exp z_k,    z = W a(f) + b,    a(f)_j = m_rank(j)

f: penultimate features of one image, averaged over space; m = mean over the fit images of each one's f in rising order.
Only the order of the features is left of an image. No hyper-parameter.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.features.rectified import Rectified
from lsood.detector import Input


class RAS(Rectified):
    """See the module. Among equal features, such as those that a ReLU set to 0, the first has the lowest rank (the
    authors' sort leaves their order open).
    """

    name: ClassVar[str] = "ras"
    paper: ClassVar[str] = "Guglielmo & Masana, 2026"
    formula: ClassVar[str] = "the k-th smallest feature becomes the fit images' mean k-th smallest"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "a float64 loop; energy where the sorted features are the mean ones"

    def fit(self, train: Input) -> Self:
        super().fit(train)
        self.curve_ = self.features(train, self.weight_.shape[1]).sort(1).values.mean(0)
        return self

    def rectify(self, features: Tensor) -> Tensor:
        order = features.argsort(dim=1, stable=True)
        return features.new_empty(features.shape).scatter(1, order, self.curve_.expand_as(features))
