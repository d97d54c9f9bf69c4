"""Pixel-level results: how well the pixels of anomalies stand out in a segmentation network's score maps. A JSON
file per score and seed, in the folder ``pixels`` of the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leaderboards.schema import (
    Environment,
    IndInfo,
    MetricValue,
    NetworkInfo,
    Stratum,
)
from leaderboards.store import read_checked, save_record

FOLDER = "pixels"


@dataclass(frozen=True)
class PixelCell:
    """One score on one OoD set.

    Attributes:
        n_images: that have pixels which are not ignored. pixels: of these images at the network's input size,
            not anomalous, anomalous and ignored.
        metrics: over the pixels of all images (ap, auroc, fpr95, f1 at its best threshold) and over components
            at that threshold (siou, ppv, f1_components).
        random: what a score that knows nothing would reach.
        image_means: means over the n_both images that have pixels of both classes.
        strata: metrics by kind of anomaly and by severity; n counts images.
        failure: why there are no metrics.
    """

    name: str
    origin: str
    fingerprint: str
    n_images: int
    pixels: list[int]
    metrics: dict[str, MetricValue]
    random: dict[str, float]
    n_both: int
    image_means: dict[str, MetricValue]
    strata: list[Stratum]
    failure: str | None


@dataclass(frozen=True)
class PixelResult:
    """One pixel score of one network."""

    score: str
    seed: int
    ind: IndInfo
    image_size: list[int]
    ood: list[PixelCell]
    network: NetworkInfo
    environment: Environment
    created: str
    command: str
    version: str
    git: str | None
    schema: int = 1

    def save(self, results: Path) -> Path:
        """Write ``pixels/<score>-seed<seed>.json`` below a folder of results."""
        path = results / FOLDER / f"{self.score}-seed{self.seed}.json"
        save_record(self, path)
        return path


def load_pixel_results(results: Path) -> list[PixelResult]:
    """Every pixel-level result below a folder of results; none is no error.

    Raises:
        ValueError: a damaged one, naming file and field.
    """
    return [read_checked(PixelResult, path, 1) for path in sorted((results / FOLDER).glob("*.json"))]
