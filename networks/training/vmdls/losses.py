"""The losses of VMDLS (Dinari & Freifeld, UAI 2022)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lsood.extraction.devices import double

SPREAD = 0.1


def metric_margin_loss(
    z: Tensor,
    target: Tensor,
    distancing_margin: float | Tensor,
    triplet_margin: float = 0.1,
    normalise: bool = False,
) -> Tensor:
    """Mean, over the triplets where it is not zero, of relu(d_ap - d_an + M_t) + relu(M_d - d_an).

    Triplets: every anchor a of the batch with every other p of its class and every n of another class; d is the
    Euclidean distance. The first term pulls classes together, the second keeps a distance M_d between them.

    The sum over the B P N triplets is linear in the B^2 distances, each weighted by the number of triplets in which
    it is active. Those numbers come from one sort per row: O(B^2 log B), without forming any triplet.

    The released code uses L2-normalised z (``normalise``), where d <= 2: a larger M_d is never reached and the gradient
    of the second term never stops. The paper defines d as a distance, so that is not the default here.

    Args:
        z: (B, d). target: (B,) class indices.
        distancing_margin: M_d. triplet_margin: M_t.

    Returns:
        Scalar, differentiable in z; 0 where no triplet is active.
    """
    z = F.normalize(z.float()) if normalise else z.float()
    gaps = (z[:, None] - z).square().sum(2)
    d = double(gaps.clamp_min(torch.finfo(gaps.dtype).tiny).sqrt())
    same = (target[:, None] == target).to(d.device)
    negative, positive = ~same, same & ~torch.eye(len(z), dtype=torch.bool, device=d.device)
    reach = d + triplet_margin
    with torch.no_grad():
        reaches = reach.where(positive, -torch.inf).sort(dim=1).values
        nearest = d.where(negative, torch.inf).sort(dim=1).values
        per_negative = (len(z) - torch.searchsorted(reaches, d, right=True)) * negative
        per_positive = torch.searchsorted(nearest, reach) * positive
    repulsion = (distancing_margin - d).relu() * negative
    positives = positive.sum(1, keepdim=True)
    total = (per_positive * reach - per_negative * d + positives * repulsion).sum()
    active = torch.where(repulsion > 0, positives, per_negative).sum()
    return total / active.clamp_min(1)


def class_kl(mu: Tensor, log_variance: Tensor, target: Tensor, means: Tensor) -> Tensor:
    """KL of N(mu, sigma^2) to N(m_y, s^2 I), s = 0.1, in nats per dimension, averaged over the batch (paper,
    supplement eq. 14, over d).

        log(s / sigma_j) + (sigma_j^2 + (mu_j - m_yj)^2) / 2 s^2 - 1/2

    The released code estimates the same from one sample of z, and averages over the classes of the
    batch: in class-balanced batches that is the mean over images.

    Args:
        mu, log_variance: (B, d). target: (B,) class indices. means: (K, d), the m_k.
    """
    mu, log_variance = mu.float(), log_variance.float()
    gap = (mu - means[target]).square()
    kl = math.log(SPREAD) - 0.5 * log_variance + (log_variance.exp() + gap) / (2 * SPREAD**2) - 0.5
    return kl.mean()
