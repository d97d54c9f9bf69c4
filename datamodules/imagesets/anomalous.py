"""Images of a set with anomalies drawn on them as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from anomalies import Recipe, Scene
from anomalies.base import UNKNOWN
from anomalies.drawing import AnomalousImage, draw
from anomalies.validity import Unusable
from anomalies.variants import variants
from datamodules.imagesets.base import NOT_DRAWN, ImageSet, Item, fingerprint_of
from datamodules.imagesets.boxes import Boxes


class AnomalousSet(ImageSet):
    """A set's images with anomalies drawn on them: a function of (recipe, seed, key), whatever the order or
    the worker.

    The target is that of the clean image, moved with it where an anomaly moves pixels (boxes are left out
    there); objects drawn beside labelled boxes have boxes too, of no class. Images with a local anomaly carry its
    mask. Images on which none of the anomalies can be drawn come as
    they are, with kind NOT_DRAWN.

    Args:
        view: what anomalies may know about all of the images: the classes of the targets, horizon, camera height.
        severity, every_kind: how many versions of every image there are, see `anomalies.variants`; where there
            are several, their names follow the key after a "#".
    """

    synthetic = "anomalies"

    def __init__(
        self,
        base: ImageSet,
        recipe: Recipe,
        seed: int = 0,
        name: str | None = None,
        view: Scene = UNKNOWN,
        severity: str = "mixed",
        every_kind: bool = False,
    ) -> None:
        self.base, self.recipe, self.seed, self.view = base, recipe, seed, view
        self.name, self.origin, self.boxed = name or f"{base.name}-anomalies", base.origin, base.boxed
        self.variants = variants([entry.anomaly_class.kind for entry in recipe.entries], severity, every_kind)
        self.masked = any(entry.anomaly_class.level == "pixel" for entry in recipe.entries)
        several = len(self.variants) > 1
        self.keys = [f"{k}#{v.name}" if several else k for k in base.keys for v in self.variants]

    @property
    def sources(self) -> list[str]:
        return [source for source in self.base.sources for _ in self.variants]

    def shape(self, index: int) -> tuple[int, int]:
        return self.base.shape(index // len(self.variants))

    def read(self, index: int) -> Item:
        item, variant = self.base.read(index // len(self.variants)), self.variants[index % len(self.variants)]
        labels = item.target if isinstance(item.target, np.ndarray) else None
        scene = replace(self.view, labels=labels)
        candidates = self.recipe.candidates(item.key, self.seed, variant.severity, variant.entry)
        try:
            drawn = draw(candidates, item.image, item.key, self.seed, scene)
        except Unusable:
            return item._replace(key=self.keys[index], kind=NOT_DRAWN, source=item.key)
        target = item.target if drawn.labels is None else drawn.labels
        if isinstance(target, Boxes):
            target = _moved(target, drawn)
        key = self.keys[index]
        return Item(drawn.image, target, key, drawn.mask, drawn.kind, drawn.severity, item.key)

    @property
    def left_out(self) -> Sequence[str]:  # type: ignore[override]
        return self.base.left_out

    def read_from(self, index: int) -> tuple[ImageSet, int]:
        return self.base.read_from(index // len(self.variants))

    @cached_property
    def fingerprint(self) -> str:
        names = [v.name for v in self.variants] if len(self.variants) > 1 else [self.variants[0].severity]
        drawn = ["boxes of drawn objects"] if self.boxed else []
        parts = (self.recipe.fingerprint, self.seed, self.view, *names, *drawn)
        return fingerprint_of(self.base.fingerprint, *parts)


def _moved(clean: Boxes, drawn: AnomalousImage) -> Boxes | None:
    """The boxes of an image after an anomaly; None where they cannot be known."""
    if drawn.anomaly.moves_pixels:
        return None
    if not drawn.anomaly.objects:
        return clean
    return clean.with_unknown(drawn.rendered.details["boxes"], drawn.rendered.details["objects"])
