"""Virtual-logit matching (Wang et al., CVPR 2022): score = a ||R'(f - o)|| - log sum_k exp z_k.

f: the network's penultimate features (deepest feature layer, averaged over space); z: logits.
R, o: see `baselines.features.residual`; a = mean of max_k z_k over the fit images / mean of their ||R'(f - o)||.

Images of an object detector or a segmentation network: no linear layer takes the pooled features, so o is their mean
over the fit images, and an image's max_k z_k and log sum_k exp z_k are means over its kept detections or its pixels. On
objects it is the paper's formula. Pixels: f is the feature at a position of the layer's map, o and R are those of fit
pixels, z is the pixel's own; a = mean of max_k z_k over all fit pixels / mean of ||R'(f - o)|| over those drawn.
"""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from baselines.features.base import HeadDetector, PenultimateDetector, PixelFeatureDetector
from baselines.features.residual import check_dimension, complement, zero_logits
from lsood import Activations, Head
from lsood.detector import Input, rows
from lsood.probes.image import ModelInfo, Probe
from lsood.probes.pixel.standardised import MaxLogitMoments
from lsood.probes.pixel.virtual_logit import PixelVirtualLogit
from lsood.tasks import TASKS
from lsood.tasks.base import MeanScores


class ViM(HeadDetector, PixelFeatureDetector):
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
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")

    def __init__(self, dimension: int | None = None) -> None:
        check_dimension(dimension)
        self.dimension = dimension

    def _means(self) -> MeanScores | None:
        """How an image gets its scores of logits where it has many vectors of them; None: it has one."""
        means: MeanScores | None = None
        if self.model_info is not None:
            means = TASKS[self.model_info.task].mean_scores()
        return means

    def attach(self, model_info: ModelInfo) -> Self:
        if TASKS[model_info.task].mean_scores() is not None:
            return PenultimateDetector.attach(self, model_info)
        return super().attach(model_info)

    def probes(self) -> list[Probe]:
        means = self._means()
        return [*super().probes(), *([] if means is None else [means.probe])]

    def pixel_fit_probes(self) -> list[Probe]:
        return [*super().pixel_fit_probes(), MaxLogitMoments(self._model_info().num_classes)]

    def pixel_probe(self) -> PixelVirtualLogit:
        return PixelVirtualLogit(self._probe().layer, self.origin_, self.complement_, self.alpha_)

    def _learn_pixels(self, x: Tensor, labels: Tensor, train: Activations) -> None:
        moments = train[MaxLogitMoments(self._model_info().num_classes).name].double().sum((0, 1))
        self._learn_residual(x, float(moments[1] / moments[0]))

    def _learn_residual(self, x: Tensor, max_logit: float) -> None:
        """From features without a head and the mean of max_k z_k."""
        self.width_, self.origin_ = x.shape[1], x.mean(0)
        self.complement_ = complement(x - self.origin_, self.dimension, self.name)
        self.alpha_ = float(max_logit / self._residual(x).mean())

    def fit(self, train: Input, labels: Tensor | None = None, head: Head | None = None) -> Self:
        if self._means() is None:
            return super().fit(train, labels, head)
        max_logit = float(-self._mean_score(train, "max_logit").mean())
        self._learn_residual(self._features(train, "the fit set"), max_logit)
        return self

    def score(self, x: Input) -> Tensor:
        if self._means() is None:
            return super().score(x)
        residual = self._residual(self._features(x, "the input", int(self.width_)))
        return self.alpha_ * residual + self._mean_score(x, "energy")

    def _mean_score(self, x: Input, score: str) -> Tensor:
        means = self._means()
        if means is None or not isinstance(x, Activations):
            raise ValueError("vim: images with many vectors of logits are scored from Activations")
        found = rows(x[means.probe.name], f"vim: the mean {means.of} scores")
        return found[:, means.column(score)]

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        self.origin_ = zero_logits(Head(self.weight_, self.bias_))
        self.complement_ = complement(x - self.origin_, self.dimension, self.name)
        self.alpha_ = float(self._logits(x).amax(1).mean() / self._residual(x).mean())

    def _residual(self, x: Tensor) -> Tensor:
        return ((x - self.origin_) @ self.complement_).norm(dim=1)

    def _anomaly(self, x: Tensor) -> Tensor:
        return self.alpha_ * self._residual(x) - self._logits(x).logsumexp(1)
