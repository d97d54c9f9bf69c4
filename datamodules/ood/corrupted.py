"""Shifted copies of the test images of in-distribution sets: the benchmarks of common corruptions."""

from __future__ import annotations

from dataclasses import dataclass

from anomalies.recipe import Entry, Recipe
from datamodules.imagesets.anomalous import AnomalousSet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import capped
from datamodules.ood.base import Host
from datamodules.ood.known import located_set
from datamodules.registry import DATAMODULES

COUNT = 2000


@dataclass(frozen=True)
class CorruptedSet:
    """Test images of an in-distribution set under every kind of a recipe at each of five severities, drawn on access.

    The set in use gives its own test images, so that shifted and clean images are paired; another one those below the
    data root. The clean images are a seeded choice of ``COUNT``, or of the limit of the data module where that is less.

    Attributes:
        name, description: for users; literals.
        ind: the in-distribution set.
        recipe: name of the shipped recipe.
        params: of every kind in it.
    """

    name: str
    description: str
    ind: str
    recipe: str
    params: tuple[tuple[str, str], ...] = ()

    def open(self, data: Host) -> ImageSet:
        clean = data.sets["test"] if data.name == self.ind else located_set(self.ind).located(data)
        count = COUNT if data.limit is None else min(data.limit, COUNT)
        kinds = tuple(Entry(entry.kind, params=self.params) for entry in Recipe.named(self.recipe).entries)
        return AnomalousSet(
            capped(clean, count, data.seed),
            Recipe(self.recipe, kinds),
            data.seed,
            self.name,
            DATAMODULES[self.ind].view(),
            severity="all",
            every_kind=True,
        )


CIFAR10_C = CorruptedSet(
    name="cifar10-c-generated",
    description=(
        "covariate shift: 2,000 CIFAR-10 test images, 15 corruptions with CIFAR-10-C's constants, 5 severities; ours, "
        "with drawn frost"
    ),
    ind="cifar10",
    recipe="imagenet-c",
    params=(("constants", "cifar"),),
)
