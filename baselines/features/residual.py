"""Residual (Wang et al., CVPR 2022, the ablation of ViM): score = ||R'(f - o)||.

f: the network's penultimate features (deepest feature layer, averaged over space).
R: eigenvectors of (1/N) sum_i (f_i - o)(f_i - o)' to its D - d smallest eigenvalues; o = -pinv(W) b, the features
whose logits are 0. A network without a linear last layer (segmentation): o = the mean of the fit images.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from baselines.features.base import PenultimateDetector, warn_few
from lsood import Head
from lsood.density.kernel import covariance


class Residual(PenultimateDetector):
    """See the module.

    Args:
        dimension: d of the principal space, below D; None: the paper's 1000 if D >= 2048, 512 if D >= 768, else D / 2.
    """

    name: ClassVar[str] = "residual"
    paper: ClassVar[str] = "Wang et al., CVPR 2022"
    formula: ClassVar[str] = "length of f outside the principal space"
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "numpy's SVD"

    def __init__(self, dimension: int | None = None) -> None:
        check_dimension(dimension)
        self.dimension = dimension

    def _learn(self, x: Tensor, labels: Tensor) -> None:
        head = None if self.model_info is None else self.model_info.head
        self.origin_ = x.mean(0) if head is None else zero_logits(head)
        self.complement_ = complement(x - self.origin_, self.dimension, self.name)

    def _anomaly(self, x: Tensor) -> Tensor:
        return ((x - self.origin_) @ self.complement_).norm(dim=1)


def check_dimension(dimension: int | None) -> None:
    """Raise ValueError for a dimension below 1."""
    if dimension is not None and dimension < 1:
        raise ValueError(f"dimension must be at least 1, got {dimension}")


def zero_logits(head: Head) -> Tensor:
    """(D,) -pinv(W) b: the shortest features whose logits are 0 (nearest to it, where there are none)."""
    return -(torch.linalg.pinv(head.weight.double()) @ head.bias.double())


def complement(x: Tensor, dimension: int | None, name: str) -> Tensor:
    """(D, D - d) orthonormal basis of the complement of the d principal directions of x (N, D).

    Raises:
        ValueError: d >= D, or x has no component there.
    """
    width = x.shape[1]
    d = dimension or (1000 if width >= 2048 else 512 if width >= 768 else width // 2)
    if d >= width:
        raise ValueError(f"{name}: dimension {d} leaves nothing of {width} features; give less than {width}")
    what = f"directions without any of their {width} features' variance count as residual"
    warn_few(name, len(x), width, what)
    basis = torch.linalg.eigh(covariance(x)).eigenvectors[:, : width - d]
    if (x @ basis).norm() <= x.norm() * width * torch.finfo(x.dtype).eps:
        raise ValueError(f"{name}: the fit set lies in {d} of {width} dimensions; give a smaller dimension")
    return basis
