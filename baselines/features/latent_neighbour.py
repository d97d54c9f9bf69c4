"""Nearest latent neighbour of single pixels (after Sun et al., ICML 2022, deep nearest neighbours).

    score = log(1 - max_m cos(f, f_m))

f: the feature at a position of the deepest feature layer; f_m: M = 1024 such features of fit images. Bilinear between
positions; no class labels are used. The paper has the k-th neighbour of image features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from torch import Tensor

from lsood.detector import Detector, Input
from lsood.extraction.activations import Activations
from lsood.probes.base import Probe
from lsood.probes.pixel.neighbours import PixelNeighbours
from lsood.probes.pixel.positions import PixelFeatures


class LatentNeighbour(Detector):
    """See the module; for the pixels of segmentation networks only."""

    name: ClassVar[str] = "latent-neighbour"
    paper: ClassVar[str] = "Sun et al., ICML 2022, here per pixel"
    group: ClassVar[str] = "pixels"
    formula: ClassVar[str] = (
        "per pixel: log of 1 - cosine similarity to the nearest of 1024 features, see "
        "[below](#per-pixel-latent-density)"
    )
    fitted_on: ClassVar[str] = "fit set"
    checked: ClassVar[str] = "scikit-learn's nearest neighbours, in float64"
    levels: ClassVar[tuple[str, ...]] = ("pixel",)
    unsupported_tasks: ClassVar[Mapping[str, str]] = {
        "classification": "it scores the pixels of segmentation networks",
        "detection": "it scores the pixels of segmentation networks",
    }

    def _features(self) -> PixelFeatures:
        model_info = self._model_info()
        return PixelFeatures(model_info.penultimate, model_info.num_classes)

    def fit_probes(self) -> list[Probe]:
        return [self._features()]

    def fit(self, train: Input) -> Self:
        """Keep a seeded choice of what `PixelFeatures` drew from the fit images.

        Raises:
            ValueError: no features: every pixel is ignored, or the layer is dead.
        """
        drawn = train[self._features().name] if isinstance(train, Activations) else train
        self.bank_ = PixelNeighbours.of(self._model_info().penultimate, drawn).bank
        return self

    def pixel_probe(self) -> PixelNeighbours:
        return PixelNeighbours(self._model_info().penultimate, self.bank_)

    def score(self, x: Input) -> Tensor:
        raise ValueError(f"{self.name} scores pixels, not images or objects")
