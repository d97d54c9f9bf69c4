"""VMDLS (Dinari & Freifeld, UAI 2022): class Gaussians over a metric latent space and the stages before it,
weighted by the reconstruction error of an autoencoder.

    v(x) = [t1, t2, t3, g, mu],   ll_k(x) = log N(v; m_k, S_k)
    score = (C - max_k ll_k) w,   w = mean over channels of (t1(x) - t1(AE(x)))^2,   prediction = argmax_k ll_k

t1 to t3: stages averaged over space, g: the encoder's output, mu: the latent mean, all of an auxiliary network
(`networks.models.vmdls`); AE: the autoencoder. Differences from the released code:

- m_k are plain means per class. There, the sum of a class that occurs in several batches is overwritten while its
  count grows, which halves most of the means.
- S_k is not of full rank (mu is an affine function of g). There it is inverted after adding 1e-6 I, more if need be,
  in float32. Here everything is float64, in the R directions where the tied within-class correlation has an
  eigenvalue above 1e-6, whitened by it; n_k S_k becomes (n_k S_k + R S) / (n_k + R), S the tied covariance: as if
  every class had R more images with the tied covariance. Repeated or affinely dependent features change nothing,
  units that are dead on the fit set do not count, and classes with few images are well-conditioned.
- C = 1 + the highest log-likelihood, and the scale of w, its highest value, are those of the fit set. There, of the
  test set, OoD images included, so that scores depend on the other test images. An image more likely than C scores 0.
- t1 to t3 are outputs after ReLU, as the paper says; the released code takes some before it. A second
  copy of g is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lsood import Activations, Detector
from lsood.density.kernel import covariance
from lsood.detector import Input, rows
from lsood.probes.image import ForwardOutputs, ModelInfo, Probe

CUT = 1e-6
WHOLE_IMAGES = dict.fromkeys(("segmentation", "detection"), "its classes are those of whole images")


@dataclass(frozen=True, eq=False)
class VMDLSVectors(Probe):
    """(B, 1 + D) float32: the reconstruction weight w, then the vector v, on the batch of the network under
    test.

    Args:
        members: the VMDLS network, with ``describe(images)`` -> [t1, t2, t3, g, mu], and the autoencoder.
        members_hash: hash of their weights.
    """

    members: tuple[Any, ...] = field(repr=False)
    members_hash: str

    @property
    def name(self) -> str:
        return f"vmdls.{self.members_hash[:16]}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        network, autoencoder = self.members
        images = forward.images.detach()
        parts = network.describe(images)
        rebuilt = network.describe(autoencoder(images))[0]
        weight = (parts[0] - rebuilt).float().square().mean(1, keepdim=True)
        return torch.cat([weight, *(part.float() for part in parts)], dim=1)


class VMDLS(Detector):
    """See the module.

    Args:
        members: the VMDLS network and the autoencoder; put into evaluation mode.
        members_hash: hash of their weights, part of the name of their cached outputs.

    Raises:
        ValueError: another number of networks.
    """

    name: ClassVar[str] = "vmdls"
    paper: ClassVar[str] = "Dinari & Freifeld, UAI 2022"
    formula: ClassVar[str] = (
        "(C - log density of the nearest class) x autoencoder error, in a network of its own"
    )
    fitted_on: ClassVar[str] = "fit set, labels"
    cost: ClassVar[str] = "2 passes"
    checked: ClassVar[str] = "scipy's Gaussians; invariance to redundant features"
    needs_labels: ClassVar[bool] = True
    auxiliary_networks: ClassVar[str | None] = "vmdls"
    unsupported_tasks: ClassVar[Mapping[str, str]] = WHOLE_IMAGES

    def __init__(self, members: tuple[nn.Module, ...] = (), members_hash: str = "") -> None:
        if len(members) not in (0, 2):
            raise ValueError(
                f"members must be a VMDLS network and an autoencoder, got {len(members)} networks"
            )
        self._members, self.members_hash = tuple(member.eval() for member in members), members_hash

    def attach(self, model_info: ModelInfo) -> Self:
        super().attach(model_info)
        if not self._members:
            raise ValueError(
                f"{self.name}: needs a VMDLS network and an autoencoder, trained by networks.models.vmdls"
            )
        return self

    def probes(self) -> list[Probe]:
        return [VMDLSVectors(self._members, self.members_hash)]

    def _split(self, x: Input, width: int | None = None) -> tuple[Tensor, Tensor]:
        """w (N,) and v (N, D)."""
        values = x[self.probes()[0].name] if isinstance(x, Activations) else x
        values = rows(values, f"{self.name}: the weight and vector", width)
        return values[:, 0], values[:, 1:]

    def fit(self, train: Input, labels: Tensor | None = None) -> Self:
        """Learn the class Gaussians, C and the scale of w. A tensor (N, 1 + D) comes with ``labels`` (N,).

        Raises:
            ValueError: images without label.
        """
        weights, x = self._split(train)
        labels = train["labels"] if isinstance(train, Activations) else labels
        if labels is None or len(labels) != len(x) or int(labels.min()) < 0:
            raise ValueError(f"{self.name}: every image of the fit set needs a label")
        self.classes_, y = labels.unique(return_inverse=True)
        counts = torch.bincount(y)
        means = torch.zeros((len(counts), x.shape[1]), dtype=torch.float64).index_add_(0, y, x)
        means /= counts[:, None]
        self.whitener_ = _whitener(x - means[y], x.abs().amax(0))
        self.means_, u = means @ self.whitener_, x @ self.whitener_
        prior = self.whitener_.shape[1]
        self.factors_ = torch.stack([self._factor(u[y == k] - m, prior) for k, m in enumerate(self.means_)])
        self.highest_ = 1 + self.log_likelihoods(train).max()
        self.scale_ = weights.max().clamp_min(torch.finfo(torch.float64).tiny)
        return self

    @staticmethod
    def _factor(centred: Tensor, prior: int) -> Tensor:
        """Cholesky factor of the shrunk covariance of one class, in coordinates where the tied one is I."""
        n, eye = len(centred), torch.eye(prior, dtype=torch.float64)
        return torch.linalg.cholesky((n * covariance(centred) + prior * eye) / (n + prior))

    def log_likelihoods(self, x: Input) -> Tensor:
        """(N, K) float64: ll_k in nats, up to a constant that images and classes share."""
        u = self._split(x, 1 + len(self.whitener_))[1] @ self.whitener_
        columns = []
        for mean, factor in zip(self.means_, self.factors_, strict=True):
            squares = torch.linalg.solve_triangular(factor, (u - mean).T, upper=False).square().sum(0)
            columns.append(-0.5 * squares - factor.diagonal().log().sum())
        return torch.stack(columns, dim=1) - 0.5 * u.shape[1] * math.log(2 * math.pi)

    def predict(self, x: Input) -> Tensor:
        """(N,) int64: the class of the highest likelihood."""
        return self.classes_[self.log_likelihoods(x).argmax(1)]

    def _weights(self, x: Input) -> Tensor:
        return self._split(x)[0] / self.scale_

    def score(self, x: Input) -> Tensor:
        """(N,) float64, at least 0: from Activations, or from a tensor (N, 1 + D) of w and v."""
        return (self.highest_ - self.log_likelihoods(x).amax(1)).clamp_min(0) * self._weights(x)


class VMDLSBase(VMDLS):
    """VMDLS_b of the paper: no reconstruction weight, w = 1."""

    name: ClassVar[str] = "vmdls-base"
    formula: ClassVar[str] = "C - log density of the nearest class, without the error"
    checked: ClassVar[str] = "scipy's Gaussians"

    def _weights(self, x: Input) -> Tensor:
        return torch.ones(len(self._split(x)[0]), dtype=torch.float64)


def _whitener(residuals: Tensor, magnitude: Tensor) -> Tensor:
    """(N, D) -> (D, R) that makes the tied covariance I in the directions where the correlation matrix has an
    eigenvalue above CUT; features that vary by less than CUT of their magnitude (D,) are constant.

    Raises:
        ValueError: no feature varies within a class.
    """
    spread = residuals.square().mean(0).sqrt()
    live = spread > CUT * magnitude
    if not bool(live.any()):
        raise ValueError("vmdls: no feature of the fit set varies within a class")
    scale = torch.where(live, 1 / spread, 0)
    values, vectors = torch.linalg.eigh(covariance(residuals * scale))
    kept = values > CUT
    return scale[:, None] * vectors[:, kept] / values[kept].sqrt()
