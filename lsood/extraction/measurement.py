"""What one pass over one set leaves behind at every level."""

from __future__ import annotations

from dataclasses import dataclass

from lsood.extraction.activations import Activations
from lsood.extraction.objects import ObjectSet
from lsood.metrics.pixel.pixel_set import PixelSet


@dataclass(frozen=True)
class Measurement:
    """Measured quantities of a set of images.

    Attributes:
        images: a row per image.
        pixels: tallies of score maps; None where none were asked for.
        objects: a row per detection and per labelled object; None where none were asked for.
    """

    images: Activations
    pixels: PixelSet | None = None
    objects: ObjectSet | None = None
