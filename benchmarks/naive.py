"""The image-statistics baseline as a row of the benchmark: eleven statistics of the image as the network sees it.

It runs beside the compared methods unless ``--no-naive`` is given: a method that does no better uses nothing that the
network has learnt. It forwards no image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from anomalies.difficulty.image_statistics import MAHALANOBIS, NaiveDetector, statistics
from benchmarks.pipeline.scored import Scored
from leaderboards.schema import IMAGE, OodCell
from lsood.detector import Detector, Input, rows
from lsood.extraction.activations import Activations
from lsood.metrics.points import auroc
from lsood.probes.base import ForwardOutputs, ModelInfo, Probe

VERSION = 1


@dataclass(frozen=True)
class ImageStatistics(Probe):
    """(B, 11) float64: `image_statistics.statistics` of the images, their normalisation undone and rounded to
    uint8.

    Args:
        mean, std: per channel, of images in [0, 1].
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    needs_network: ClassVar[bool] = False

    @property
    def name(self) -> str:
        scale = "+".join(f"{value:.6g}" for value in (*self.mean, *self.std))
        return f"image_statistics.v{VERSION}.{scale}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        shape = tuple(forward.images.shape[1:])
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise ValueError(f"naive needs images of 1 or 3 channels, got {'x'.join(map(str, shape))}")
        mean, std = (torch.tensor(v, dtype=torch.float32)[:, None, None] * 255 for v in (self.mean, self.std))
        levels = (forward.images.detach().float().cpu() * std + mean).round().clamp(0, 255).to(torch.uint8)
        images = levels.permute(0, 2, 3, 1).numpy()
        return torch.from_numpy(np.stack([statistics(image) for image in images]))


class Naive(Detector):
    """Mahalanobis distance of eleven global image statistics (brightness, contrast, sharpness, JPEG size, ...)
    to those of the fit set. One fixed detector: which single statistic would do best on an OoD set is not
    known beforehand.
    """

    name: ClassVar[str] = "naive"
    paper: ClassVar[str] = "none: 11 image statistics, no network"
    group: ClassVar[str] = "pixels"
    formula: ClassVar[str] = (
        "Mahalanobis distance of eleven image statistics, see [below](#the-image-statistics-baseline)"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "the formula in numpy"

    def attach(self, model_info: ModelInfo) -> Self:
        if not model_info.mean:
            raise ValueError("naive: the model information must include the mean of the input normalisation")
        return super().attach(model_info)

    def _probe(self) -> ImageStatistics:
        model_info = self._model_info()
        return ImageStatistics(model_info.mean, model_info.std)

    def probes(self) -> list[Probe]:
        return [self._probe()]

    def _statistics(self, x: Input) -> Tensor:
        return rows(x[self._probe().name] if isinstance(x, Activations) else x, "naive: the statistics")

    def fit(self, train: Input) -> Self:
        """Learn from Activations or statistics (N, 11)."""
        fitted = NaiveDetector.fit(self._statistics(train).numpy())
        self.centre_ = torch.from_numpy(fitted.centre)
        self.scale_ = torch.from_numpy(fitted.scale)
        self.whitener_ = torch.from_numpy(fitted.whitener)
        return self

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations or statistics (N, 11)."""
        fitted = NaiveDetector(self.centre_.numpy(), self.scale_.numpy(), self.whitener_.numpy())
        return torch.from_numpy(fitted.scores(self._statistics(x).numpy())[MAHALANOBIS])


def beside_naive(scored: Sequence[Scored]) -> list[Scored]:
    """What every method reached, with the naive detector's AUROC on the same images in every cell.

    A method under protocol "oracle-val" is evaluated on a part of the images, and so is the baseline beside it.
    Nothing is added where it did not run.
    """
    naive = next((one for one in scored if one.level == IMAGE and one.method == Naive.name), None)
    if naive is None or naive.scores is None or naive.scores.empty:
        return list(scored)
    known = naive.scores.set_index(["set", "key"])["score"]
    return [
        one
        if one.level != IMAGE or one.scores is None
        else replace(one, cells=[_beside(cell, known, one.scores) for cell in one.cells])
        for one in scored
    ]


def _beside(cell: OodCell, known: pd.Series, scores: pd.DataFrame) -> OodCell:
    inside, outside = (_same_images(known, scores, name) for name in ("ind-test", cell.name))
    return replace(cell, naive=auroc(inside, outside))


def _same_images(known: pd.Series, scores: pd.DataFrame, name: str) -> Tensor:
    """The naive scores of a set; of those images alone that a method has scored, if it scored any."""
    keys = scores.loc[scores["set"] == name, "key"]
    return torch.tensor((known[name][keys] if len(keys) else known[name]).to_numpy(), dtype=torch.float64)
