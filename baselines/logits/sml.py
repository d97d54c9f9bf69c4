"""Standardised maximum logit of single pixels (Jung et al., ICCV 2021).

    score = -(max_k z_k - m_c) / s_c

z: the logits of a pixel; c: its predicted class; m_c, s_c: mean and standard deviation of max_k z_k over the pixels of
the fit images that are predicted as c.

Differences from the authors' code: all fit images count, whole, not 50 batches of augmented crops; pixels whose target
is ignored are left out; a class with fewer than two pixels, or with one value only, takes the moments of all pixels.
Boundary suppression and smoothing are an option, at the size of the network's input, see `lsood.probes.pixel.boundary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor

from lsood.detector import Detector, Input
from lsood.extraction.activations import Activations
from lsood.probes.base import Probe
from lsood.probes.pixel.standardised import MaxLogitMoments, StandardisedMaps


class SML(Detector):
    """See the module; for the pixels of segmentation networks only.

    Args:
        boundary: width in pixels of the boundaries between predicted classes that are suppressed before the map is
            smoothed; 4 in the paper, 0: the score alone.
    """

    name: ClassVar[str] = "sml"
    paper: ClassVar[str] = "Jung et al., ICCV 2021"
    formula: ClassVar[str] = "-(max_k z_k - m_c) / s_c, c = argmax_k z_k"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "float64 formula; boundaries: the authors' steps written anew"
    levels: ClassVar[tuple[str, ...]] = ("pixel",)
    unsupported_tasks: ClassVar[Mapping[str, str]] = {
        "classification": "it scores the pixels of segmentation networks",
        "detection": "it scores the pixels of segmentation networks",
    }

    def __init__(self, boundary: int = 0) -> None:
        if boundary < 0:
            raise ValueError(f"boundary must be at least 0, got {boundary}")
        self.boundary = boundary

    def fit_probes(self) -> list[Probe]:
        return [MaxLogitMoments(self._model_info().num_classes)]

    def fit(self, train: Input) -> Self:
        """Learn from Activations, or from moments (N, K, 3), see `MaxLogitMoments`.

        Raises:
            ValueError: fewer than two pixels, or all have one maximum logit.
        """
        found = train[self.fit_probes()[0].name] if isinstance(train, Activations) else train
        moments = found.double().sum(0)
        mean, variance = class_moments(torch.cat([moments, moments.sum(0, keepdim=True)]))
        if not variance[-1] > 0:
            raise ValueError("sml: the maximum logits of the fit set do not vary, or every pixel is ignored")
        known = variance[:-1] > 0
        self.mean_ = torch.where(known, mean[:-1], mean[-1])
        self.deviation_ = torch.where(known, variance[:-1], variance[-1]).sqrt()
        return self

    def pixel_probe(self) -> StandardisedMaps:
        return StandardisedMaps(self.mean_, self.deviation_, self.boundary)

    def score(self, x: Input) -> Tensor:
        raise ValueError(f"{self.name} scores pixels, not images or objects")


def class_moments(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance (K,) of (K, 3) counts, sums and sums of squares; 0 where there are fewer than two or
    rounding leaves nothing.
    """
    count, total, squares = moments.unbind(1)
    mean = total / count.clamp_min(1)
    spread = squares - total * mean
    spread = torch.where(spread > squares * count * torch.finfo(torch.float64).eps, spread, 0.0)
    return mean, spread / (count - 1).clamp_min(1)
