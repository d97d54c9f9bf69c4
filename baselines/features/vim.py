"""Virtual-logit matching (Wang et al., CVPR 2022): score = a ||R'(f - o)|| - log sum_k exp z_k.

f: the network's penultimate features (deepest feature layer, averaged over space); z: logits.
R, o: see `baselines.features.residual`; a = mean of max_k z_k over the fit images / mean of their ||R'(f - o)||.

Images of an object detector: no linear layer takes the pooled features, so o is their mean over the fit images, and
an image's max_k z_k and log sum_k exp z_k are means over its kept detections. On objects it is the paper's formula.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.features.base import HeadDetector, PenultimateDetector
from baselines.features.residual import check_dimension, complement, zero_logits
from lsood import Activations, Head
from lsood.detector import Input, rows
from lsood.probes.image import DetectionScores, ModelInfo, Probe


class ViM(HeadDetector):
    """See the module.

    Args:
        dimension: d of the principal space, below D; None: the paper's 1000 if D >= 2048, 512 if D >= 768, else D / 2
            (OpenOOD's 256 is the same at D = 512).
    """

    name: ClassVar[str] = "vim"
    paper: ClassVar[str] = "Wang et al., CVPR 2022"
    formula: ClassVar[str] = "the residual, scaled to logits, + energy"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "pytorch-ood; energy where the scale is 0"

    def __init__(self, dimension: int | None = None) -> None:
        check_dimension(dimension)
        self.dimension = dimension

    @property
    def _of_images(self) -> bool:
        """Whether it scores images of an object detector."""
        return self.model_info is not None and self.model_info.task == "detection"

    def attach(self, model_info: ModelInfo) -> Self:
        if model_info.task == "detection":
            return PenultimateDetector.attach(self, model_info)
        return super().attach(model_info)

    def probes(self) -> list[Probe]:
        return [*super().probes(), *([DetectionScores()] if self._of_images else [])]

    def fit(self, train: Input, labels: Tensor | None = None, head: Head | None = None) -> Self:
        if not self._of_images:
            return super().fit(train, labels, head)
        x = self._features(train, "the fit set")
        self.width_, self.origin_ = x.shape[1], x.mean(0)
        self.complement_ = complement(x - self.origin_, self.dimension, self.name)
        self.alpha_ = float(-self._detections(train, "max_logit").mean() / self._residual(x).mean())
        return self

    def score(self, x: Input) -> Tensor:
        if not self._of_images:
            return super().score(x)
        residual = self._residual(self._features(x, "the input", int(self.width_)))
        return self.alpha_ * residual + self._detections(x, "energy")

    def _detections(self, x: Input, score: str) -> Tensor:
        if not isinstance(x, Activations):
            raise ValueError("vim: images of an object detector are scored from Activations")
        return rows(x[DetectionScores().name], "vim: the detections' scores")[
            :, DetectionScores.column(score)
        ]

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.origin_ = zero_logits(Head(self.weight_, self.bias_))
        self.complement_ = complement(x - self.origin_, self.dimension, self.name)
        self.alpha_ = float(self._logits(x).amax(1).mean() / self._residual(x).mean())

    def _residual(self, x: Tensor) -> Tensor:
        return ((x - self.origin_) @ self.complement_).norm(dim=1)

    def _anomaly(self, x: Tensor) -> Tensor:
        return self.alpha_ * self._residual(x) - self._logits(x).logsumexp(1)
