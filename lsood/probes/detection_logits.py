"""Probes of an object detector's logits: one number per image from those of many boxes.

Logits are those of the classes, without background. "kept" are the detections of an image (without any: the proposal
most certain of a class), "proposals" all proposals, see `lsood.probes.detections.Detections`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lsood.extraction.devices import double
from lsood.probes.base import ForwardOutputs, Probe
from lsood.probes.logit_scores import LOGIT_SCORES

DETECTION_SCORES = tuple(LOGIT_SCORES)
OVER = ("kept", "proposals")


@dataclass(frozen=True)
class DetectionScores(Probe):
    """(B, 10) float64: the mean of every one of DETECTION_SCORES over the kept detections, then over all
    proposals.
    """

    @property
    def name(self) -> str:
        return "detection_scores"

    @staticmethod
    def column(score: str, over: str = "kept") -> int:
        """Where the mean of a score is."""
        return len(DETECTION_SCORES) * OVER.index(over) + DETECTION_SCORES.index(score)

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        def means(logits: Tensor) -> Tensor:
            return torch.stack([score(double(logits)).mean() for score in LOGIT_SCORES.values()])

        found = forward.detections
        return torch.stack([torch.cat([means(d.best()[0]), means(d.proposals()[0])]) for d in found])


def means_per_image(values: Tensor, boxes: Sequence[Tensor], without: Tensor) -> Tensor:
    """(n, S) of all boxes, image after image -> (B, S) means; ``without`` (S,) for images without any box."""
    parts = values.split([len(own) for own in boxes])
    return torch.stack([part.mean(0) if len(part) else without.to(part) for part in parts])


def ensemble_doubt(forward: ForwardOutputs, members: Sequence[nn.Module]) -> Tensor:
    """(B, 1) float64: mean over an image's boxes of 1 - max of the mean softmax of the network under test and of
    members, which classify the same boxes: ``member(images, boxes)`` -> [(m, K) logits]. 1 - 1/K without a box.
    """
    boxes, images = [found.best_boxes() for found in forward.detections], forward.images.detach()
    own = [d.best()[0][: len(b)] for d, b in zip(forward.detections, boxes, strict=True)]
    logits = [torch.cat(own), *(torch.cat(list(member(images, boxes))) for member in members)]
    mean = torch.stack([double(z).softmax(1) for z in logits]).mean(0)
    doubt = mean.scatter(1, mean.argmax(1, keepdim=True), 0).sum(1, keepdim=True)
    return means_per_image(doubt, boxes, doubt.new_tensor([1 - 1 / mean.shape[1]]))
