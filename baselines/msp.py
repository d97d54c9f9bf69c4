"""Maximum softmax probability (Hendrycks & Gimpel, ICLR 2017): score = 1 - max_k p_k."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input, rows
from lsood.probes import PIXEL_SCORES, Logits, PixelScores, Probe, other_probability


class MSP(Detector):
    """1 - max softmax, computed as the sum of the other classes' probabilities, so that confident images keep
    their order.

    Segmentation: the mean of the pixel scores over all pixels.

    Example:
        >>> import torch
        >>> MSP().score(torch.tensor([[0.0, 0.0], [9.0, 0.0]])).tolist()[0]
        0.5
    """

    name: ClassVar[str] = "msp"
    paper: ClassVar[str] = "Hendrycks & Gimpel, ICLR 2017"

    def probes(self) -> list[Probe]:
        return [PixelScores() if self._subject().task == "segmentation" else Logits()]

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from classification logits (N, K)."""
        if isinstance(x, Activations) and self._subject().task == "segmentation":
            return rows(x[PixelScores().name], "msp: the pixel scores")[:, PIXEL_SCORES.index("msp")]
        return other_probability(
            rows(x[Logits().name] if isinstance(x, Activations) else x, "msp: the logits")
        )
