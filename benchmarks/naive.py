"""The naive detector as a row of the benchmark: eleven statistics of the image as the network sees it.

It runs beside whatever methods are compared, unless ``--no-naive`` is given: a detector that does not beat it
has learnt nothing from the network. It forwards no image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from anomalies.difficulty.image_statistics import MAHALANOBIS, NaiveDetector, statistics
from benchmarks.attempts import Case
from benchmarks.scoring import Scored
from leaderboards import OodCell
from lsood import Activations, Detector, Subject, auroc
from lsood.detector import Input, rows
from lsood.probes import Probe, Taps

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

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        mean, std = (torch.tensor(v, dtype=torch.float32)[:, None, None] * 255 for v in (self.mean, self.std))
        levels = (taps.images.detach().float().cpu() * std + mean).round().clamp(0, 255).to(torch.uint8)
        images = levels.permute(0, 2, 3, 1).numpy()
        return torch.from_numpy(np.stack([statistics(image) for image in images]))


class Naive(Detector):
    """Mahalanobis distance of eleven global image statistics (brightness, contrast, sharpness, JPEG size, ...)
    to those of the fit set. One fixed detector: which single statistic would do best on an OoD set is not
    known beforehand.
    """

    name: ClassVar[str] = "naive"
    paper: ClassVar[str] = "none: 11 image statistics, no network"

    def attach(self, subject: Subject) -> Self:
        if not subject.mean:
            raise ValueError("naive: the subject must tell the mean of the input normalisation")
        return super().attach(subject)

    def _probe(self) -> ImageStatistics:
        subject = self._subject()
        return ImageStatistics(subject.mean, subject.std)

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


def beside_naive(scored: Mapping[Case, Scored]) -> dict[Case, Scored]:
    """What every method reached, with the naive detector's AUROC on the same images in every cell.

    A method under protocol "oracle-val" is judged on a part of the images, and so is the naive detector beside it.
    Nothing is added where it did not run.
    """
    naive = scored.get((Naive.name, "no-ood"))
    if naive is None or naive.scores.empty:
        return dict(scored)
    known = naive.scores.set_index(["set", "key"])["score"]
    return {
        case: replace(one, cells=[_beside(cell, known, one.scores) for cell in one.cells])
        for case, one in scored.items()
    }


def _beside(cell: OodCell, known: pd.Series, scores: pd.DataFrame) -> OodCell:
    inside, outside = (_same_images(known, scores, name) for name in ("ind-test", cell.name))
    return replace(cell, naive=auroc(inside, outside))


def _same_images(known: pd.Series, scores: pd.DataFrame, name: str) -> Tensor:
    """The naive scores of a set; of those images alone that a method has scored, if it scored any."""
    keys = scores.loc[scores["set"] == name, "key"]
    return torch.tensor((known[name][keys] if len(keys) else known[name]).to_numpy(), dtype=torch.float64)
