"""From tallied pixel scores to cells of pixel-level results."""

from __future__ import annotations

import numpy as np

from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.strata import drawn_on, figures, strata_rows
from leaderboards import Stratum
from leaderboards.pixel_schema import PixelCell
from lsood import Activations
from lsood.metrics.pixel_set import PixelSet
from lsood.metrics.pixels import random_baseline
from lsood.metrics.strata import SMALLEST_STRATUM

STRATUM_RESAMPLES = 50


def pixel_cell(
    score: str, name: str, origin: str, fingerprint: str, of: PixelSet, metadata: Activations
) -> PixelCell:
    """One score on one set; intervals by a bootstrap over the images the anomalies were drawn on."""
    drawn = drawn_on(metadata)
    sources = list(drawn["source"]) if "source" in drawn else of.keys
    known = of.images[of.images[:, :2].any(1)]
    normal, anomalous, ignored = (int(n) for n in known.sum(0))
    pixels = [normal, anomalous, ignored]
    if not normal or not anomalous:
        what = "no pixels that are not anomalous" if anomalous else "no anomalous pixels"
        return PixelCell(name, origin, fingerprint, len(known), pixels, {}, {}, 0, {}, [], what)
    n_both, means = of.image_means(score, sources)
    strata = []
    for (kind, severity), rows in strata_rows(drawn).items():
        masked = np.asarray(rows)[of.images[np.asarray(rows), 1] > 0]
        if (kind is not None and severity is not None) or not len(masked):
            continue
        estimates = {}
        if len(masked) >= SMALLEST_STRATUM:
            estimates = of.estimates(score, sources, masked.tolist(), STRATUM_RESAMPLES)
        strata.append(Stratum(kind, severity, len(masked), figures(estimates)))
    return PixelCell(
        name,
        origin,
        fingerprint,
        len(known),
        pixels,
        figures(of.estimates(score, sources)),
        random_baseline(anomalous / (normal + anomalous)),
        n_both,
        figures(means),
        strata,
        None,
    )


def pixel_cells(evaluation: Evaluation) -> dict[str, list[PixelCell]]:
    """{pixel score: a cell per OoD set that has anomaly masks}."""
    tallied, data = evaluation.extraction.pixels, evaluation.data
    sets = {name: images for name, images in data.ood_sets.items() if name in tallied}
    return {
        score: [
            pixel_cell(score, name, images.origin, images.fingerprint, tallied[name], evaluation.sets[name])
            for name, images in sets.items()
        ]
        for score in (tallied[next(iter(sets))].scores if sets else ())
    }
