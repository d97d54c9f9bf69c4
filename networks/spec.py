"""What a file of ``networks/models`` declares about a network. Imports no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetworkSpec:
    """A network by name. Everything but ``build`` is a literal, so that it can be read without importing the file.

    Attributes:
        name: unique, as typed after ``--network``.
        task: "classification", "segmentation" or "detection".
        description: one line for lists.
        build: constructor (num_classes, channels, **options).
        training_config: arguments of `networks.TrainingConfig` for real data sets that bring no config of their own;
            None: the default of the task.
        miniature_training_config: the same for miniature data sets.
        dropout_variant: name of the same architecture with dropout before its convolutions, which the method
            mc-dropout-net trains; None: there is none.
    """

    name: str
    task: str
    description: str
    build: Callable[..., nn.Module]
    training_config: Mapping[str, Any] | None = None
    miniature_training_config: Mapping[str, Any] | None = None
    dropout_variant: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options of the constructor."""
        return tuple(
            n for n in inspect.signature(self.build).parameters if n not in ("num_classes", "channels")
        )
