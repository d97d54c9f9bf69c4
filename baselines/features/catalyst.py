"""Catalyst (Hassan et al., CVPR Findings 2026): score = -E(f) g, g = mean over channels of min(max(t_c, 0), clip).

E: log sum_k exp z_k of the head's logits for the penultimate features f; t_c: mean, standard deviation or maximum over
space of channel c of the map before pooling, measured in the shared pass.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from torch import Tensor

from baselines.features.rectified import Rectified, checked_percentile
from lsood import Activations
from lsood.detector import Input, rows
from lsood.probes.channels import STATISTICS, ChannelStatistics
from lsood.probes.image import Probe


class Catalyst(Rectified):
    """See the module. The map is that of the deepest feature layer that gives one, also where further layers lie
    between it and f. The authors set statistic and clip per network (std: 1 for CIFAR-10's ResNet-18, .6 for ImageNet's
    ResNet-50; max: 10 and 2.5; mean: .1 and .6), and scale other scores too; here it is the energy, and the clip is a
    percentile of the fit set. Where E is negative, a larger g is more anomalous, as in their code.

    Args:
        statistic: "mean", "std" or "max".
        percentile: of the statistic over fit images and channels, at which it is clipped, 0 to 100.
        clip: a fixed one instead, in units of the features; None: the percentile.
    """

    name: ClassVar[str] = "catalyst"
    paper: ClassVar[str] = "Hassan et al., CVPR Findings 2026"
    formula: ClassVar[str] = (
        "energy x mean over channels of the map's standard deviation, clipped at its 95th percentile"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "float64 loop"
    argument: ClassVar[str] = "statistic"
    levels: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(self, statistic: str = "std", percentile: float = 95.0, clip: float | None = None) -> None:
        if statistic not in STATISTICS:
            raise ValueError(f"statistic must be one of {', '.join(STATISTICS)}, got {statistic!r}")
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be positive, got {clip}")
        self.statistic, self.percentile, self.clip = statistic, checked_percentile(percentile), clip

    def probes(self) -> list[Probe]:
        return [*super().probes(), self._channels()]

    def _channels(self) -> ChannelStatistics:
        return ChannelStatistics(self._model_info().layers)

    def _statistic(self, x: Input, channels: int | None = None) -> Tensor:
        """(N, C) float64."""
        if not isinstance(x, Activations):
            raise ValueError(
                "catalyst needs Activations: pooled features alone do not hold the map's statistics"
            )
        found = x[self._channels().name][:, STATISTICS.index(self.statistic)]
        return rows(found, f"catalyst: the channels' {self.statistic}", channels)

    def fit(self, train: Input) -> Self:
        super().fit(train)
        found = self._statistic(train)
        self.channels_ = found.shape[1]
        self.clip_ = self.clip or float(np.percentile(found.numpy(), self.percentile))
        return self

    def score(self, x: Input) -> Tensor:
        return super().score(x) * self._statistic(x, int(self.channels_)).clamp(0, self.clip_).mean(1)
