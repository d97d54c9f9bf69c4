"""Anomalies drawn on the images that methods are fitted on: ``--leave-one-out``, for sets of a few frames."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch

from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.probes.left_out import LeftOutMaps


def left_one_out(detector: Detector, rows: Activations, sources: Mapping[str, str]) -> Detector:
    """A detector whose score maps of an image come from a fit without the image it was made from.

    Args:
        detector: fitted on all rows; itself where it gives the same maps whatever it is fitted on.
        rows: of the fit images. sources: {image: the fit image it was made from}.

    Raises:
        ValueError: one fit image, or what the fit raises on fewer.
    """
    if rows.images < 2:
        raise ValueError("--leave-one-out needs two fit images at least")
    fits = {}
    for left, key in enumerate(rows.ids):
        kept = [i for i in range(rows.images) if i != left]
        probe = copy.copy(detector).fit_pixels(rows.select(torch.tensor(kept))).pixel_probe()
        if probe is None:
            return detector
        fits[key] = probe
    if len({probe.name for probe in fits.values()}) == 1:
        return detector
    other = copy.copy(detector)
    vars(other)["pixel_probe"] = lambda: LeftOutMaps(fits, sources)
    return other
