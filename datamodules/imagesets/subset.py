"""Views of sets: some images in a given order, a seeded choice, a held-out share, all of them without labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from datamodules.imagesets.base import ImageSet, Item, fingerprint_of
from lsood.io import log

FEW = 20


class Subset(ImageSet):
    """Some images of a set, in the given order."""

    def __init__(self, base: ImageSet, indices: Sequence[int]) -> None:
        self.base, self.indices = base, [int(i) for i in indices]
        self.name, self.origin = base.name, base.origin
        self.keys = [base.keys[i] for i in self.indices]

    @property
    def masked(self) -> bool:  # type: ignore[override]
        return self.base.masked

    @property
    def boxed(self) -> bool:  # type: ignore[override]
        return self.base.boxed

    @property
    def synthetic(self) -> str:  # type: ignore[override]
        return self.base.synthetic

    @property
    def smallest_components(self) -> tuple[int, int] | None:  # type: ignore[override]
        return self.base.smallest_components

    @property
    def sources(self) -> list[str]:
        sources = self.base.sources
        return [sources[i] for i in self.indices]

    def shape(self, index: int) -> tuple[int, int]:
        return self.base.shape(self.indices[index])

    def read(self, index: int) -> Item:
        return self.base.read(self.indices[index])

    def outline(self, index: int) -> Item:
        return self.base.outline(self.indices[index])

    @property
    def left_out(self) -> Sequence[str]:  # type: ignore[override]
        return self.base.left_out

    def read_from(self, index: int) -> tuple[ImageSet, int]:
        return self.base.read_from(self.indices[index])

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self.base.fingerprint, *self.indices)


class Unlabelled(ImageSet):
    """All images of a set without their labels, which may mean other classes than the network's."""

    def __init__(self, base: ImageSet) -> None:
        self.base, self.name, self.origin, self.keys = base, base.name, base.origin, base.keys

    @property
    def sources(self) -> list[str]:
        return self.base.sources

    def read(self, index: int) -> Item:
        return self.base.read(index)._replace(target=None, anomaly=None)

    def outline(self, index: int) -> Item:
        return self.base.outline(index)._replace(target=None, anomaly=None)

    def shape(self, index: int) -> tuple[int, int]:
        return self.base.shape(index)

    @property
    def left_out(self) -> Sequence[str]:  # type: ignore[override]
        return self.base.left_out

    def read_from(self, index: int) -> tuple[ImageSet, int]:
        return self.base.read_from(index)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of("unlabelled", self.base.fingerprint)


def capped(images: ImageSet, limit: int | None, seed: int) -> ImageSet:
    """At most ``limit`` images, a seeded choice in the set's order; None: all."""
    if limit is None or len(images) <= limit:
        return images
    chosen = np.random.default_rng([seed, len(images)]).permutation(len(images))[:limit]
    return Subset(images, np.sort(chosen).tolist())


def train_alone(images: ImageSet, seed: int) -> dict[str, ImageSet]:
    """The parts of a published set of which the training images alone are there: a tenth of them validates, none of
    fewer than 20, and there are no test images. Says so.
    """
    train, val = hold_out(images, 0.1, seed)
    if len(images) < FEW:
        train, val = Subset(images, range(len(images))), Subset(images, [])
    log.warning(
        "%s: the part that tests is not there; of its %d training images %d are fitted on, %d validate",
        images.name, len(images), len(train), len(val),
    )  # fmt: skip
    return {"train": train, "val": val, "test": Subset(images, [])}


def hold_out(images: ImageSet, share: float, seed: int) -> tuple[Subset, Subset]:
    """Split off a seeded share, at least one image: (rest, held out), both in the set's order."""
    order = np.random.default_rng([seed, len(images)]).permutation(len(images))
    held = max(1, round(share * len(images)))
    return Subset(images, np.sort(order[held:]).tolist()), Subset(images, np.sort(order[:held]).tolist())
