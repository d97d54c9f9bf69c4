"""Rows are the pixels of images with anomaly masks; score maps were tallied during the pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from benchmarks.levels.base import Level, MethodScores
from benchmarks.pipeline.strata import anomaly_info, figures, strata_rows
from leaderboards.analysis.dependence import intervals_of
from leaderboards.schema import PIXEL, Block, OodCell, Stratum
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement
from lsood.metrics.pixel.histogram import random_baseline
from lsood.metrics.strata import SMALLEST_STRATUM
from lsood.probes.base import Probe
from lsood.probes.pixels import PixelMaps

STRATUM_RESAMPLES = 50


@dataclass
class PixelLevel(Level):
    """Score maps of segmentation networks."""

    name: ClassVar[str] = PIXEL
    row_scores: ClassVar[bool] = False

    def ood_sets(self) -> list[str]:
        return [name for name, images in self.data.ood_sets.items() if images.masked]

    def probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        found = [probe for d in detectors if (probe := d.pixel_probe()) is not None]
        closed = dict.fromkeys(name for p in found if isinstance(p, PixelMaps) for name in p.scores)
        maps = [PixelMaps(tuple(closed))] if closed else []
        return [*maps, *(p for p in found if not isinstance(p, PixelMaps))]

    def fit_probes_of(self, detectors: Sequence[Detector]) -> list[Probe]:
        return [probe for detector in detectors for probe in detector.pixel_fit_probes()]

    def fit(self, detector: Detector, rows: Activations) -> None:
        detector.fit_pixels(rows)

    def rows(self, measurement: Measurement) -> Activations:
        return measurement.images

    def cell(self, ood: str, known: Measurement, other: Measurement, method: MethodScores) -> OodCell:
        """Intervals by a bootstrap over the images that the anomalies were drawn on, or blocks of them."""
        probe = None if method.detector is None else method.detector.pixel_probe()
        of = other.pixels
        if probe is None or of is None or method.failure is not None or probe.scores[0] not in of.scores:
            lost = None if probe is None else other.images.metadata.get("failed", {}).get(probe.scores[0])
            failure = method.failure or lost or "no score map"
            return OodCell(**self._about(ood), n_in=0, n_out=0, metrics={}, failure=failure)
        score, info = probe.scores[0], anomaly_info(other.images)
        sources, sequences = self._dependence(ood, known, other)
        blocks = of.blocks(score, sources[1], sequences)
        masked_images = of.images[of.images[:, :2].any(1)]
        normal, anomalous, ignored = (int(n) for n in masked_images.sum(0))
        about = self._about(ood) | {
            "n_images": len(masked_images),
            "n_in": normal,
            "n_out": anomalous,
            "counts": {"ignored": ignored},
        }
        if not normal or not anomalous:
            what = "no pixels that are not anomalous" if anomalous else "no anomalous pixels"
            return OodCell(**about, metrics={}, failure=what)
        n_both, means = of.image_means(score, blocks)
        strata = []
        for (kind, severity), rows in strata_rows(info).items():
            masked = np.asarray(rows)[of.images[np.asarray(rows), 1] > 0]
            if (kind is not None and severity is not None) or not len(masked):
                continue
            estimates = {}
            if len(masked) >= SMALLEST_STRATUM:
                estimates = of.estimates(score, blocks, masked.tolist(), STRATUM_RESAMPLES)
            strata.append(Stratum(kind, severity, len(masked), figures(estimates)))
        return OodCell(
            **about,
            metrics=figures(of.estimates(score, blocks)),
            failure=None,
            intervals=intervals_of(blocks),
            strata=strata,
            chance=random_baseline(anomalous / (normal + anomalous)),
            blocks={"image-means": Block(n_both, figures(means))} if means else {},
        )
