"""What a run is given as objects, where the command has names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from datamodules import BenchmarkDataModule
from datamodules.ood.base import OODSource


@dataclass(frozen=True)
class Given:
    """Data in place of names; a network as an object is `Settings.module`.

    Attributes:
        data: a data module or a class of one; None: `Settings.ind` names it.
        network: what stands for the network where features are given in place of images.
        ood: {name: OoD images} of those of `Settings.ood` that are no names of sets.
    """

    data: BenchmarkDataModule | type[BenchmarkDataModule] | None = None
    ood: Mapping[str, OODSource] = field(default_factory=dict)
    network: nn.Module | None = None


NOTHING = Given()
