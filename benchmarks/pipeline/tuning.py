"""What protocols "fgsm-val" and "oracle-val" add: validation images on both sides, and choosing by them.

fgsm-val (Lee et al., NeurIPS 2018): the outer images are adversarial versions of the in-distribution ones (FGSM,
Goodfellow et al., ICLR 2015), so no OoD image is used. oracle-val (ODIN, Mahalanobis, FSSD as published): they are
images of the OoD set under test, which then is scored without them. Of the images of each side half fit (weights of
layers), the other half choose (steps, temperatures) by the TNR at 95 % TPR, in-distribution positive.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pipeline.batch_limit import BatchLimit
from benchmarks.pipeline.strata import halves
from datamodules import ImageSet
from lsood import Activations, Detector, fpr_at_tpr

VALIDATION = 1000
FGSM_EPSILON = 0.05


def validation_rows(images: ImageSet, seed: int, size: int = VALIDATION) -> tuple[list[int], list[int]]:
    """A seeded choice of images to validate with, and the rest, as positions; versions of one image stay
    together.

    At most ``size`` images, and at most half of them.
    """
    sources = list(dict.fromkeys(images.sources))
    order = np.random.default_rng([seed, len(sources)]).permutation(len(sources))
    share = min(size / len(images), 0.5)
    chosen = {sources[i] for i in order[: max(2, round(share * len(sources)))]}
    ind = [i for i, source in enumerate(images.sources) if source in chosen]
    return ind, [i for i, source in enumerate(images.sources) if source not in chosen]


@dataclass
class Adversarial:
    """Batches moved by one FGSM step away from the predicted class, clipped to valid pixels.

    x' = clip(x + epsilon sign(d CE(f(x), argmax f(x)) / dx)), in [0, 1] pixel units.

    Args:
        loader: batches with "image" and "key".
        network: a copy of it is used, so that a pass's counters do not see these forwards.
        mean, std: per channel, of the input normalisation.
        limit: of the batches.

    Attributes:
        forwarded: images so far.
    """

    loader: Iterable[dict[str, Any]]
    network: nn.Module
    mean: Sequence[float]
    std: Sequence[float]
    epsilon: float = FGSM_EPSILON
    device: str = "cpu"
    forwarded: int = 0
    limit: BatchLimit = field(default_factory=BatchLimit)

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        network = copy.deepcopy(self.network).to(self.device).eval().requires_grad_(False)
        mean, std = (torch.tensor(v, device=self.device) for v in (self.mean, self.std))

        def moved(batch: dict[str, Any]) -> torch.Tensor:
            with torch.enable_grad():
                images = batch["image"].to(self.device).requires_grad_()
                own_mean, own_std = (v.reshape(-1, *[1] * (images.ndim - 2)) for v in (mean, std))
                logits = network(images)
                (gradient,) = torch.autograd.grad(F.cross_entropy(logits, logits.argmax(1)), images)
            self.forwarded += len(images)
            pixels = images.detach() * own_std + own_mean + self.epsilon * gradient.sign()
            return ((pixels.clamp(0, 1) - own_mean) / own_std).cpu()

        for batch in self.loader:
            for part, images in self.limit.run(moved, batch):
                yield {**part, "image": images, "key": [f"fgsm/{key}" for key in part["key"]]}


def tuned(candidates: Sequence[Detector], ind: Activations, ood: Activations) -> Detector:
    """The candidate with the highest TNR at 95 % TPR, each fitted on one half and evaluated on the other.

    The first of equals; fitted on the first half alone, as in Huang et al. (SafeAI 2021).
    """
    (fit_in, held_in), (fit_out, held_out) = halves(ind, 0), halves(ood, 0)
    best: tuple[float, Detector] | None = None
    for candidate in candidates:
        candidate = copy.copy(candidate).fit_with_outliers(ind.select(fit_in), ood.select(fit_out))
        if len(candidates) == 1:
            return candidate
        kept, passed = candidate.score(ind.select(held_in)), candidate.score(ood.select(held_out))
        missed = fpr_at_tpr(kept.numpy(), passed.numpy(), tpr=0.95, positive="in")
        if best is None or missed < best[0]:
            best = missed, candidate
    assert best is not None
    return best[1]
