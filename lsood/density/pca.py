"""Whitened principal components, and how many of them: by the likelihood of held-out in-distribution data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CANDIDATES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


class PCA:
    """Principal component analysis with whitening, exact, in float64 (the reference uses an unseeded
    randomised solver).

    Args:
        n_components: kept by :meth:`transform`; at most the rank of the data.

    Attributes:
        mean_: (D,). components_: (R, D), rows by falling variance. variances_: (R,), divided by n-1 as
            scikit-learn's
        ``explained_variance_``; R is the numerical rank. n_components_: used by :meth:`transform`.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
        >>> PCA(2).fit(x).transform(x).flatten().abs().tolist()
        [1.0, 0.0, 1.0]
    """

    def __init__(self, n_components: int = 16) -> None:
        if n_components < 1:
            raise ValueError(f"n_components must be at least 1, got {n_components}")
        self.n_components = n_components

    def fit(self, x: Tensor) -> PCA:
        """Learn from x (N, D), N >= 2.

        Raises:
            ValueError: fewer than two rows, or all rows equal.
        """
        if x.ndim != 2 or len(x) < 2:
            raise ValueError(f"PCA needs a matrix of at least 2 rows, got {tuple(x.shape)}")
        x = x.double()
        self.mean_ = x.mean(0)
        _, spread, axes = torch.linalg.svd(x - self.mean_, full_matrices=False)
        rank = int((spread > spread[0] * max(x.shape) * torch.finfo(x.dtype).eps).sum())
        if spread[0] == 0 or rank == 0:
            raise ValueError("PCA: every row is the same, there is nothing to decompose")
        self.components_ = axes[:rank]
        self.variances_ = spread[:rank].square() / (len(x) - 1)
        self.n_components_ = min(self.n_components, rank)
        return self

    def transform(self, x: Tensor) -> Tensor:
        """(N, D) -> (N, n_components_) float64, each component with unit variance on the fit set."""
        n = self.n_components_
        return (x.double() - self.mean_) @ self.components_[:n].T / self.variances_[:n].sqrt()

    def log_likelihood(self, x: Tensor, n_components: int) -> Tensor:
        """(N,) log density of x under probabilistic PCA (Tipping & Bishop 1999) with n_components axes, in
        nats.

        Equals scikit-learn's ``PCA(n_components, svd_solver="full").score_samples`` where the data have full
        rank; dimensions without any variance in the fit set are left out.
        """
        centred = x.double() - self.mean_
        projected = centred @ self.components_.T
        rank = len(self.variances_)
        noise = self.variances_[n_components:].mean() if n_components < rank else self.variances_[-1]
        variances = torch.cat([self.variances_[:n_components], noise.expand(rank - n_components)])
        log_det = variances.log().sum()
        return -0.5 * (projected.square() / variances).sum(1) - 0.5 * (rank * math.log(2 * math.pi) + log_det)

    def select(self, validation: Tensor) -> PCA:
        """Set ``n_components_`` to the candidate with the highest mean log-likelihood of in-distribution
        validation data (M, D).
        """
        candidates = [n for n in CANDIDATES if n < len(self.variances_)] or [len(self.variances_)]
        means = torch.stack([self.log_likelihood(validation, n).mean() for n in candidates])
        self.n_components_ = candidates[int(means.argmax())]
        return self


def principal_axes(scatter: Tensor, share: float, name: str) -> Tensor:
    """(D, q) orthonormal: the fewest principal axes, of a covariance or a multiple of one, (D, D) float64, that explain
    at least ``share`` of its trace.

    Raises:
        ValueError: no variance, or q = D; the message begins with ``name``.
    """
    values, axes = torch.linalg.eigh(scatter)
    explained = values.flip(0).clamp_min(0).cumsum(0)
    if explained[-1] == 0:
        raise ValueError(f"{name}: the fit images are all the same, there is no principal space")
    q = int((explained < share * explained[-1]).sum()) + 1
    if q >= len(values):
        raise ValueError(
            f"{name}: {share:g} of the variance takes all {len(values)} axes; give a smaller variance"
        )
    return axes.flip(1)[:, :q]
