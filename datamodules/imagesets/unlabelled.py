"""A set without its labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from datamodules.imagesets.base import ImageSet, Item, fingerprint_of


class Unlabelled(ImageSet):
    """All images of a set without their labels, which may mean other classes than the network's."""

    def __init__(self, base: ImageSet) -> None:
        self.base, self.name, self.origin, self.keys = base, base.name, base.origin, base.keys

    @property
    def sources(self) -> list[str]:
        return self.base.sources

    def read(self, index: int) -> Item:
        return self.base.read(index)._replace(target=None, anomaly=None)

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
