"""Base of the methods on penultimate features: the pooled output of a layer, true labels, the linear head."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lsood import Activations, Detector, Head
from lsood.density.kernel import covariance, whitener
from lsood.detector import Input, rows
from lsood.io import log
from lsood.probes.image import ModelInfo, Pooled, Probe
from lsood.probes.pixel.positions import PixelClasses, PixelFeatures, drawn_rows

PER_IMAGE = 64

TINY = 1e-12
"""Least length that something is divided by."""


class PenultimateDetector(Detector):
    """A score of a layer's output averaged over space.

    Attributes:
        layer: name of a feature layer or of the latent layer; None: the deepest feature layer.
        unit_length: whether it works on f / ||f|| in place of f.
    """

    layer: str | None = None
    unit_length: ClassVar[bool] = False

    def attach(self, model_info: ModelInfo) -> Self:
        known = (*model_info.layers, *filter(None, [model_info.latent_layer]))
        if self.layer is not None and self.layer not in known:
            raise ValueError(f"{self.name}: no layer {self.layer!r}; there are: {', '.join(known)}")
        return super().attach(model_info)

    def _probe(self) -> Pooled:
        model_info = self._model_info()
        return Pooled(self.layer or model_info.penultimate)

    def probes(self) -> list[Probe]:
        return [self._probe()]

    def fit(self, train: Input, labels: Tensor | None = None) -> Self:
        """Learn from Activations, or from features (N, D) and ``labels`` (N,) int64 true classes; without labels
        (segmentation) all images are one class.
        """
        x = self._features(train, "the fit set")
        self.width_ = x.shape[1]
        if isinstance(train, Activations):
            labels = train.get("labels")
        self._learn(x, torch.zeros(len(x), dtype=torch.int64) if labels is None else labels)
        return self

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from features (N, D)."""
        return self._anomaly(self._features(x, "the input", int(self.width_)))

    def _features(self, x: Input, what: str, dimension: int | None = None) -> Tensor:
        found = x[self._probe().name] if isinstance(x, Activations) else x
        return self._checked(found, what, dimension)

    def _checked(self, x: Tensor, what: str, dimension: int | None = None) -> Tensor:
        checked = rows(x, f"{self.name}: {what}", dimension)
        return normalize(checked) if self.unit_length else checked

    @abstractmethod
    def _learn(self, x: Tensor, labels: Tensor) -> None:
        """Learn from features (N, D) float64 and true labels (N,)."""

    @abstractmethod
    def _anomaly(self, x: Tensor) -> Tensor:
        """(N, D) float64 -> (N,), higher = more anomalous."""


class PixelFeatureDetector(PenultimateDetector):
    """A method that scores pixels as well, by the features of the layer's positions; it is fitted on those of 64 random
    positions of every fit image.
    """

    def _drawn(self) -> tuple[PixelFeatures, PixelClasses]:
        layer, num_classes = self._probe().layer, self._model_info().num_classes
        return PixelFeatures(layer, num_classes, PER_IMAGE, unit=False), PixelClasses(
            layer, num_classes, PER_IMAGE
        )

    def pixel_fit_probes(self) -> list[Probe]:
        return list(self._drawn())

    def fit_pixels(self, train: Input) -> Self:
        """Learn from the features and true classes of fit pixels; without label maps all are one class.

        Raises:
            ValueError: no Activations, or no features: every pixel is ignored, or the layer is dead.
        """
        if not isinstance(train, Activations):
            raise ValueError(
                f"{self.name}: pixels are learnt from Activations; fit takes features and labels"
            )
        drawn, labels = drawn_rows(self._probe().layer, *(train[probe.name] for probe in self._drawn()))
        x = self._checked(drawn, "the fit set's pixels")
        self.width_ = x.shape[1]
        self._learn_pixels(x, labels, train)
        return self

    def _learn_pixels(self, x: Tensor, labels: Tensor, train: Activations) -> None:
        self._learn(x, labels)


class HeadDetector(PenultimateDetector):
    """A method that also needs the last linear layer. Its weights are fitted attributes, so that a saved detector
    includes them. Logits are computed from the features in float64.
    """

    def attach(self, model_info: ModelInfo) -> Self:
        if model_info.head is None and not hasattr(self, "weight_"):
            raise ValueError(
                f"{self.name} needs a classifier with a linear last layer; this network has none"
            )
        return super().attach(model_info)

    def fit(self, train: Input, labels: Tensor | None = None, head: Head | None = None) -> Self:
        """As :meth:`PenultimateDetector.fit`; ``head`` where no model_info is attached."""
        head = head or self._model_info().head
        if head is None:
            raise ValueError(f"{self.name} needs the last linear layer: attach a classifier, or pass head")
        self.weight_, self.bias_ = head.weight.double(), head.bias.double()
        return super().fit(train, labels)

    def _logits(self, x: Tensor) -> Tensor:
        return Head(self.weight_, self.bias_)(x)


def warn_few(method: str, count: int, needed: int, what: str) -> None:
    """A warning where a method is fitted on fewer rows (images, pixels, objects) than it needs to do what it says;
    ``what`` follows.
    """
    if count < needed:
        log.warning("%s: fitted on %d rows, fewer than %d: %s", method, count, needed, what)


def class_means(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Means (K, D) of the K classes that occur among ``labels`` (N,), by rising label, and which of them each
    row of x (N, D) belongs to, (N,) int64.
    """
    classes = labels.unique(return_inverse=True)[1]
    sums = x.new_zeros(int(classes.max()) + 1, x.shape[1]).index_add_(0, classes, x)
    return sums / torch.bincount(classes)[:, None], classes


def whitened_means(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """W (D, R), with W W' the pseudo-inverse of the tied covariance (1/N) sum_i (x_i - mu_yi)(x_i - mu_yi)', and the
    class means times W, (K, R).
    """
    means, classes = class_means(x, labels)
    whitening = whitener(covariance(x - means[classes]))
    return whitening, means @ whitening
