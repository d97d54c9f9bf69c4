"""Deep nearest neighbours (Sun et al., ICML 2022): score = ||f^ - f^_(k)||, f^ = f / ||f||, f^_(k) the k-th nearest
of all fit images.

f: the network's penultimate features (deepest feature layer, averaged over space).
"""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.features.base import PenultimateDetector, warn_few
from lsood import Activations
from lsood.density.kernel import CHUNK
from lsood.detector import Input
from lsood.probes.base import Probe
from lsood.probes.pixel.neighbours import PixelNeighbours
from lsood.probes.pixel.positions import PixelFeatures


class KNN(PenultimateDetector):
    """See the module. Exact: one matrix product and a top-k per chunk of queries, in float64, then the true distance
    to the neighbour found; OpenOOD gives the squared distance (same ranks).

    Pixels: log(1 - cosine similarity), which ranks as the distance, to the k-th nearest of 1024 features of fit pixels;
    `latent-neighbour` is the same with k = 1.

    Args:
        k: which neighbour, at most the number of fit images; 50 in the paper for CIFAR-10 and in OpenOOD.
        layer: another feature layer, or the latent layer; None: the deepest.

    Example:
        >>> bank = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> round(KNN(k=2).fit(bank).score(torch.tensor([[7.0, 0.0]])).item(), 4)
        1.4142
    """

    name: ClassVar[str] = "knn"
    paper: ClassVar[str] = "Sun et al., ICML 2022"
    formula: ClassVar[str] = "distance to the 50th nearest of the unit-length features"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood; a float64 loop"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")

    def __init__(self, k: int = 50, layer: str | None = None) -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        self.k, self.layer = k, layer

    def pixel_fit_probes(self) -> list[Probe]:
        return [PixelFeatures(self._probe().layer, self._model_info().num_classes)]

    def fit_pixels(self, train: Input) -> Self:
        """Keep a seeded choice of what `PixelFeatures` drew from the fit images, from Activations or (N, n, C).

        Raises:
            ValueError: no features: every pixel is ignored, or the layer is dead.
        """
        drawn = train[self.pixel_fit_probes()[0].name] if isinstance(train, Activations) else train
        self.bank_ = PixelNeighbours.of(self._probe().layer, drawn).bank
        warn_few(self.name, len(self.bank_), self.k, f"the last neighbour is taken for number k = {self.k}")
        return self

    def pixel_probe(self) -> PixelNeighbours:
        return PixelNeighbours(self._probe().layer, self.bank_, self.k)

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        warn_few(self.name, len(x), self.k, f"the last neighbour is taken for number k = {self.k}")
        self.bank_ = normalize(x)

    def _anomaly(self, x: Tensor) -> Tensor:
        k = min(self.k, len(self.bank_))
        parts = []
        for part in normalize(x).split(max(1, CHUNK // len(self.bank_))):
            neighbour = (part @ self.bank_.T).topk(k, dim=1).indices[:, -1]
            parts.append((part - self.bank_[neighbour]).norm(dim=1))
        return torch.cat(parts)
