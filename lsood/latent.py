"""LaRED and LaREM: the density of an image's latent entropies, estimated on in-distribution images; LaRD: the density
of the latent means.

Arnez Yagualca et al., "Latent Representation Entropy Density for Distribution Shift Detection", UAI 2024,
PMLR 244. The first two work on the vector of entropies of one image's Monte-Carlo latent samples (see
`lsood.extraction.sampling`, `lsood.extraction.entropy`). LaRD (the authors' runia-core 0.2) needs neither samples nor
entropies: the same densities of the dropout layer's output averaged over space, with dropout off.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

from torch import Tensor

from lsood.density.kernel import covariance, kernel_log_density, whitener
from lsood.density.pca import PCA
from lsood.detector import Detector, Input, rows
from lsood.extraction.activations import Activations
from lsood.probes.image import LatentEntropy, Pooled, Probe

RUNIA = "Arnez Yagualca et al., runia-core 0.2"
PAPER = "Arnez Yagualca et al., UAI 2024"
REFERENCE_COMPONENTS = 16


class LatentDensity(Detector):
    """What they share: a vector per image (latent entropies), whitened principal components, then a density.

    Args:
        pca: number of components; "auto": chosen by the likelihood of in-distribution validation data in
            :meth:`calibrate` (16, the reference's default, before that); None: no PCA.
    """

    paper: ClassVar[str] = PAPER
    group: ClassVar[str] = "latent"
    fitted_on: ClassVar[str] = "fit set; PCA size on validation"

    def __init__(self, pca: int | str | None = "auto") -> None:
        if not (pca is None or pca == "auto" or (isinstance(pca, int) and pca >= 1)):
            raise ValueError(f'pca must be a number of components, "auto" or None, got {pca!r}')
        self.pca = pca

    def _probe(self) -> Probe:
        """What is measured of an image: (N, D)."""
        s = self._model_info()
        return LatentEntropy(s.latent_layer, s.mc_samples, s.reduction, s.seed)

    def probes(self) -> list[Probe]:
        return [self._probe()]

    def _vectors(self, x: Input, what: str, dimension: int | None = None) -> Tensor:
        return rows(x[self._probe().name] if isinstance(x, Activations) else x, what, dimension)

    def fit(self, train: Input) -> Self:
        """Learn from Activations, or from a tensor (N, D): entropies in nats; for LaRD latent means."""
        x = self._train = self._vectors(train, f"{self.name}: the fit set")
        self.dimension_ = x.shape[1]
        if self.pca is not None:
            pca = PCA(REFERENCE_COMPONENTS if self.pca == "auto" else int(self.pca)).fit(x)
            self.mean_, self.components_, self.variances_ = pca.mean_, pca.components_, pca.variances_
            self.n_components_ = pca.n_components_
        self._fit_density(self._project(x))
        return self

    def calibrate(self, validation: Input) -> Self:
        """Choose the number of components where it is "auto", by in-distribution validation images."""
        if self.pca == "auto":
            held_out = self._vectors(validation, f"{self.name}: the validation set", int(self.dimension_))
            self.n_components_ = self._pca().select(held_out).n_components_
            self._fit_density(self._project(self._train))
        return self

    def _pca(self) -> PCA:
        pca = PCA()
        pca.mean_, pca.components_, pca.variances_ = self.mean_, self.components_, self.variances_
        pca.n_components_ = int(self.n_components_)
        return pca

    def _project(self, x: Tensor) -> Tensor:
        return x if self.pca is None else self._pca().transform(x)

    @abstractmethod
    def _fit_density(self, z: Tensor) -> None:
        """Learn the density of projected entropies (N, d) float64."""

    @abstractmethod
    def _anomaly(self, z: Tensor) -> Tensor:
        """(N, d) -> (N,), higher = more anomalous."""

    def score(self, x: Input) -> Tensor:
        return self._anomaly(self._project(self._vectors(x, f"{self.name}: the input", int(self.dimension_))))


class LaRED(LatentDensity):
    """Latent Representation Entropy Density: minus the log of an exact Gaussian kernel density.

    Args:
        pca: see :class:`LatentDensity`.
        bandwidth: of the kernel, in units of a whitened component's standard deviation; 1 in the reference.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> detector = LaRED(pca=2).fit(torch.randn(200, 5))
        >>> bool(detector.score(torch.full((1, 5), 4.0)) > detector.score(torch.zeros(1, 5)))
        True
    """

    name: ClassVar[str] = "lared"
    formula: ClassVar[str] = (
        "minus log of a Gaussian kernel density of the latent entropies, after whitened PCA"
    )
    checked: ClassVar[str] = (
        "a float64 sum over all kernels; scikit-learn's PCA, and its density in low dimension"
    )

    def __init__(self, pca: int | str | None = "auto", bandwidth: float = 1.0) -> None:
        super().__init__(pca)
        if not bandwidth > 0:
            raise ValueError(f"bandwidth must be positive, got {bandwidth}")
        self.bandwidth = bandwidth

    def _fit_density(self, z: Tensor) -> None:
        self.centres_ = z

    def _anomaly(self, z: Tensor) -> Tensor:
        return -kernel_log_density(z, self.centres_, self.bandwidth)


class LaREM(LatentDensity):
    """Latent Representation Entropy Mahalanobis: squared distance to the mean under the empirical covariance
    (pseudo-inverse).
    """

    name: ClassVar[str] = "larem"
    formula: ClassVar[str] = "squared Mahalanobis distance of the latent entropies, after whitened PCA"
    checked: ClassVar[str] = "scikit-learn's empirical covariance and PCA"

    def _fit_density(self, z: Tensor) -> None:
        self.centre_ = z.mean(0)
        self.whitener_ = whitener(covariance(z - self.centre_))

    def _anomaly(self, z: Tensor) -> Tensor:
        return ((z - self.centre_) @ self.whitener_).square().sum(1)


class LaRD(LaRED):
    """Latent Representation Density: LaRED on latent means (channel means, for every reduction) instead
    of entropies.
    """

    name: ClassVar[str] = "lard"
    paper: ClassVar[str] = RUNIA
    formula: ClassVar[str] = (
        "minus log of a Gaussian kernel density of the latent means, without samples and entropies"
    )
    checked: ClassVar[str] = "`lared` on the same vectors, bit for bit"

    def _probe(self) -> Probe:
        return Pooled(self._model_info().latent_layer)


class LaRDMahalanobis(LaREM):
    """LaREM on latent means instead of entropies."""

    name: ClassVar[str] = "lard-mahalanobis"
    paper: ClassVar[str] = RUNIA
    formula: ClassVar[str] = "squared Mahalanobis distance of the latent means"
    checked: ClassVar[str] = "`larem` on the same vectors, bit for bit"

    def _probe(self) -> Probe:
        return Pooled(self._model_info().latent_layer)
