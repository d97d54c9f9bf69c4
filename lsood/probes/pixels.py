"""Probes of a segmentation network's logits: pixel scores, their means, the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lsood.extraction.devices import double
from lsood.probes.base import ForwardOutputs, Probe

PIXEL_SCORES = ("msp", "max_logit", "energy", "entropy")


def pixel_scores(logits: Tensor) -> tuple[Tensor, ...]:
    """MSP, MaxLogit, energy and entropy of every pixel, higher = more anomalous: (B, K, H, W) logits to four
    (B, H, W) float32.
    """
    z = logits.float()
    log_total = z.logsumexp(1)
    log_p = z - log_total[:, None]
    return -torch.expm1(log_p.amax(1)), -z.amax(1), -log_total, -(log_p.exp() * log_p).sum(1)


@dataclass(frozen=True)
class PixelScores(Probe):
    """(B, 4): pixel-wise MSP, MaxLogit, energy and entropy of a segmentation network, each averaged over all
    pixels.

    The mean over pixels is this project's rule for an image-level score from pixel scores: it uses no
    threshold, does not depend on the image size and is what an image-level anomaly (fog, rain) moves; small
    objects move it little.
    """

    @property
    def name(self) -> str:
        return "pixel_scores"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        scores = pixel_scores(forward.logits)
        return torch.stack([double(score).mean(dim=(1, 2)) for score in scores], dim=1)


class PixelProbe(Probe):
    """(B, S, h, w) float32 score maps, higher = more anomalous, for pixel-level metrics; they are enlarged to the sizes
    of the masks and tallied as float16, not kept.

    Attributes:
        scores: names of the S scores; each names everything that changes its values.
    """

    scores: tuple[str, ...]


@dataclass(frozen=True)
class PixelMaps(PixelProbe):
    """(B, S, h, w) float32: some of PIXEL_SCORES, default all.

    They are ranked, so MSP is given as the log odds of "another class": 1 - p underflows where networks are
    sure, and float16 would tie those pixels.
    """

    scores: tuple[str, ...] = PIXEL_SCORES

    @property
    def name(self) -> str:
        return f"pixel_maps.{'+'.join(self.scores)}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        z = forward.logits.float()
        best, which = z.max(1, keepdim=True)
        odds = z.scatter(1, which, -torch.inf).logsumexp(1) - best[:, 0]
        found = dict(zip(PIXEL_SCORES, (odds, *pixel_scores(z)[1:]), strict=True))
        return torch.stack([found[name] for name in self.scores], dim=1)


@dataclass(frozen=True)
class Confusion(Probe):
    """(B, K, K) int32: pixels of target class i predicted as class j; ignored pixels (target >= K) left
    out.
    """

    num_classes: int

    @property
    def name(self) -> str:
        return "confusion"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        k, batch = self.num_classes, len(forward.logits)
        target = forward.label_maps
        if target is None:
            return forward.logits.new_zeros((batch, k, k), dtype=torch.int32)
        image = torch.arange(batch, device=forward.logits.device)[:, None, None]
        index = image * k * k + target * k + forward.logits.argmax(1)
        counts = torch.bincount(index[(target >= 0) & (target < k)], minlength=batch * k * k)
        return counts.reshape(batch, k, k).int()
