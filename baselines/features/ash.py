"""ASH, activation shaping (Djurisic et al., ICLR 2023): keep the k = D - round(D q) largest features.

    ASH-P: the others become 0
    ASH-B: the others become 0, every kept one becomes sum(f) / k
    ASH-S: ASH-P times exp(sum(f) / sum(kept f))

f: penultimate features of one image, averaged over space; the score is the energy of the logits that the last layer
gives for the shaped features, as in OpenOOD v1.5 (the paper shapes the feature map before pooling). Among equal
features the first is kept. The method assumes non-negative features, as after a ReLU. With q = 0, ASH-P is exactly
the energy of the head, and ASH-S equals SCALE.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from baselines.features.rectified import Rectified, checked_percentile, largest


class ASHP(Rectified):
    """ASH-P, pruned.

    Args:
        percentile: percent of the features that are left out, 0 to 100 (at least one is kept); OpenOOD's default.
    """

    name: ClassVar[str] = "ash-p"
    paper: ClassVar[str] = "Djurisic et al., ICLR 2023"

    def __init__(self, percentile: float = 90.0) -> None:
        self.percentile = checked_percentile(percentile)

    def shape(self, kept: Tensor, total: Tensor) -> Tensor:
        """What the kept features (N, k) become; ``total`` (N, 1) is the sum of all features."""
        return kept

    def rectify(self, features: Tensor) -> Tensor:
        kept, columns = largest(features, self.percentile)
        shaped = self.shape(kept, features.sum(1, keepdim=True))
        return features.new_zeros(features.shape).scatter(1, columns, shaped)


class ASHB(ASHP):
    """ASH-B, binarised."""

    name: ClassVar[str] = "ash-b"

    def shape(self, kept: Tensor, total: Tensor) -> Tensor:
        return (total / kept.shape[1]).expand_as(kept)


class ASHS(ASHP):
    """ASH-S, scaled."""

    name: ClassVar[str] = "ash-s"

    def shape(self, kept: Tensor, total: Tensor) -> Tensor:
        return kept * sharpness(kept, total)


def sharpness(kept: Tensor, total: Tensor) -> Tensor:
    """(N, 1): exp(total / sum of the kept features); exp(1) for an image whose features are all zero."""
    return mass_ratio(kept, total).exp()


def mass_ratio(kept: Tensor, total: Tensor) -> Tensor:
    """(N, 1): total / sum of the kept features; 1 for an image whose features are all zero."""
    mass = kept.sum(1, keepdim=True)
    return (total / mass).where(mass != 0, 1.0)
