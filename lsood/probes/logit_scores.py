"""Anomaly scores of one vector of logits, higher = more anomalous: what methods on classifiers and detections share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lsood.extraction.devices import double


def other_probability(logits: Tensor, dim: int = 1) -> Tensor:
    """1 - max softmax as the sum of the other classes' probabilities: no float32 saturation at 1, so no
    ties.
    """
    z = double(logits)
    rest = z.scatter(dim, z.argmax(dim, keepdim=True), -torch.inf)
    return (rest.logsumexp(dim) - z.logsumexp(dim)).exp()


def max_logit(z: Tensor) -> Tensor:
    """(N, K) -> (N,): minus the largest logit."""
    return -z.amax(1)


def energy(z: Tensor, temperature: float = 1.0) -> Tensor:
    """(N, K) -> (N,): -T log sum_k exp(z_k / T)."""
    return -temperature * (z / temperature).logsumexp(1)


def softmax_entropy(z: Tensor) -> Tensor:
    """(N, K) -> (N,): -sum_k p_k log p_k, in nats."""
    log_p = z.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def generalised_entropy(z: Tensor, gamma: float = 0.1, largest: int = 100) -> Tensor:
    """(N, K) -> (N,): sum over the M largest p of p^g (1 - p)^g. Logs of p and of 1 - p are taken from the logits, so
    no probability is clamped.
    """
    total = z.logsumexp(1, keepdim=True)
    log_p, order = (z - total).sort(dim=1, descending=True)
    log_rest = torch.log1p(-log_p.exp())
    others = z.scatter(1, order[:, :1], -torch.inf)
    log_rest[:, :1] = others.logsumexp(1, keepdim=True) - total
    return (gamma * (log_p + log_rest))[:, :largest].exp().sum(1)


LOGIT_SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "msp": other_probability,
    "max_logit": max_logit,
    "energy": energy,
    "entropy": softmax_entropy,
    "gen": generalised_entropy,
}
"""Each with the constants of its paper."""
