"""Procedural foreign objects: tyres, boxes, animals, ..."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.kinds.objects._pasted import SMALLEST_CANVAS, Pasted, tilt
from anomalies.toolkit.objects.cutout import Cutout
from anomalies.toolkit.objects.pictures import drawn
from anomalies.toolkit.objects.shapes import SHAPES

COMPACT = ("tyre", "box", "barrel", "ball", "sacks", "sofa", "bin", "suitcase")


@dataclass(frozen=True)
class Object(Pasted):
    """A procedural object: a tyre, a fallen cone, an animal, ... See `Pasted` for sizes and severities. Images with
    H <= 160 get only objects without thin parts.

    Args:
        shape: "any", or a key of `anomalies.toolkit.objects.shapes.SHAPES`.

    Raises:
        ValueError: an unknown shape.
    """

    kind = "object"
    objects = "new"

    shape: str = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape != "any" and self.shape not in SHAPES:
            raise ValueError(f"object: shape must be any or one of {', '.join(SHAPES)}, got {self.shape!r}")

    def cutout(self, rng: np.random.Generator, side: int, number: int) -> Cutout:
        known = COMPACT if side == SMALLEST_CANVAS else tuple(SHAPES)
        drawn_name = known[int(rng.random() * len(known))]
        name = drawn_name if self.shape == "any" else self.shape
        turn = tilt(rng, number)
        return Cutout.of(drawn(name, rng, side), name, licence="", turn=turn)
