"""Differential entropy of one-dimensional samples by the Kozachenko-Leonenko k-nearest-neighbour estimate.

With T samples of one dimension and eps_i the distance of sample i to its k-th neighbour (itself left out)

    h = psi(T) - psi(k) + (1/T) sum_i log(2 max(eps_i, min_dist))        [nats]

Kozachenko & Leonenko 1987; the estimator LaREx (Arnez et al., UAI 2024) applies to every latent dimension. In
one dimension the k+1 nearest samples of a sorted sample are neighbours in order, so eps_i is the smallest
max(left gap, right gap) over the k+1 windows of k+1 samples that hold i: a sort and k+1 vector operations
instead of a tree per dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lsood.extraction.devices import double

MIN_DIST = 1e-5


def neighbours(n_samples: int) -> int:
    """The reference's k: 5, or T-1 when there are no more than five samples."""
    return min(5, n_samples - 1)


def kth_distance(ordered: Tensor, k: int) -> Tensor:
    """Distance of every sample to its k-th nearest neighbour.

    Args:
        ordered: (..., T, D) floating point, ascending along dimension -2.
        k: 1 <= k < T.

    Returns:
        (..., T, D), the k-th neighbour distance of each sample, same dtype.
    """
    n = ordered.shape[-2]
    nearest = torch.full_like(ordered, torch.inf)
    for left in range(k + 1):  # windows whose first element lies `left` places before the sample
        first, last = left, n - (k - left)
        if first >= last:
            continue
        sample = ordered[..., first:last, :]
        below = sample - ordered[..., : last - left, :]
        above = ordered[..., first + k - left :, :] - sample
        window = nearest[..., first:last, :]
        torch.minimum(window, torch.maximum(below, above), out=window)
    return nearest


def entropy(samples: Tensor, k: int | None = None, min_dist: float = MIN_DIST) -> Tensor:
    """Entropy of every latent dimension, in nats.

    Args:
        samples: (..., T, D) floating point: T Monte-Carlo samples of D dimensions.
        k: neighbour; default 5, or T-1 for T <= 5 (as in LaREx).
        min_dist: floor of the neighbour distance; a dimension without spread has entropy
            psi(T) - psi(k) + log(2 min_dist), -9.58488 for T=16.

    Returns:
        (..., D) float64. Not finite where the samples are not.

    Raises:
        ValueError: fewer than two samples, or k outside 1..T-1.

    Example:
        >>> entropy(torch.zeros(16, 1, dtype=torch.float64)).round(decimals=5).item()
        -9.58488
    """
    n = samples.shape[-2] if samples.ndim >= 2 else 0
    if n < 2:
        raise ValueError(f"entropy needs at least 2 Monte-Carlo samples in dimension -2, got {n}")
    k = neighbours(n) if k is None else k
    if not 1 <= k < n:
        raise ValueError(f"k must lie in 1..{n - 1} for {n} samples, got {k}")
    ordered = double(samples.detach()).sort(dim=-2).values
    log_distance = (2 * kth_distance(ordered, k).clamp_min(min_dist)).log().mean(dim=-2)
    constant = torch.special.digamma(torch.tensor([n, k], dtype=torch.float64))
    return log_distance + (constant[0] - constant[1]).item()


def joint_entropy(samples: Tensor, k: int | None = None) -> Tensor:
    """(B, T, D) -> (B,) float64: Kozachenko-Leonenko entropy of the joint D-dimensional samples under the
    maximum norm.

    The reference computes it beside the per-dimension entropies and uses it nowhere; kept for its users'
    ``get_dl_h_z``.
    """
    n, d = samples.shape[-2:]
    k = neighbours(n) if k is None else k
    x = double(samples)
    distance = torch.cdist(x, x, p=torch.inf).sort(dim=-1).values[..., k].clamp_min(MIN_DIST)
    constant = torch.special.digamma(torch.tensor([n, k], dtype=torch.float64))
    return (constant[0] - constant[1]) + d * (2 * distance).log().mean(-1)
