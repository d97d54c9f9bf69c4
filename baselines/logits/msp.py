"""Maximum softmax probability (Hendrycks & Gimpel, ICLR 2017): score = 1 - max_k p_k.

p: softmax of the logits.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.logits.base import LogitDetector, checked_over
from lsood.probes.logit_scores import other_probability


class MSP(LogitDetector):
    """1 - max softmax, computed as the sum of the other classes' probabilities, so that scores of confident images do
    not round to the same value.

    Segmentation: the mean of the pixel scores over all pixels. Detection: over kept detections, or all proposals.

    Args:
        over: boxes of an object detector, see `LogitDetector`.

    Example:
        >>> import torch
        >>> MSP().score(torch.tensor([[0.0, 0.0], [9.0, 0.0]])).tolist()[0]
        0.5
    """

    name: ClassVar[str] = "msp"
    paper: ClassVar[str] = "Hendrycks & Gimpel, ICLR 2017"
    formula: ClassVar[str] = "1 - max p"
    checked: ClassVar[str] = "pytorch-ood"
    levels: ClassVar[tuple[str, ...]] = ("image", "pixel", "object")
    logit_score: ClassVar[str | None] = "msp"

    def __init__(self, over: str | None = None) -> None:
        self.over = checked_over(over)

    def _anomaly(self, z: Tensor) -> Tensor:
        return other_probability(z)
