"""Weights of a file into the network under test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

import networks
from benchmarks.pipeline.config import Settings
from networks.checkpoint import other_outputs
from networks.outside.classes import read_names


def outputs_of(settings: Settings, about: Any) -> int:
    """How many outputs a network is to have: those that ``--classes`` names, else one per class of a data set (or the
    class of its data module); 0: it has no classes.
    """
    return len(about.class_names if settings.classes is None else read_names(settings.classes))


def load_weights(
    settings: Settings, about: Any, network: nn.Module, path: Path, build: Callable[[int], nn.Module]
) -> None:
    """As `networks.load_weights`; where the file's network has another number of outputs, the error says how many.

    Args:
        about: the data set. network: with `outputs_of` outputs. build: the same with another number, its argument.

    Raises:
        FileNotFoundError, ValueError: see there.
    """
    try:
        networks.load_weights(network, path)
    except ValueError as error:
        asked = outputs_of(settings, about)
        for count in other_outputs(path, network, asked):
            try:
                networks.load_weights(build(count), path)
            except ValueError:
                continue
            asked_by = (
                f"{about.name} has {asked} classes"
                if settings.classes is None
                else (f"--classes {settings.classes.name} names {asked}")
            )
            hint = (
                f"--classes FILE names all {count}, one per line, in their order; those of no class are left out"
                if count >= len(about.class_names)
                else f"it does not know all {len(about.class_names)} classes of {about.name}"
            )
            raise ValueError(
                f"checkpoint {path} is of a network with {count} outputs, {asked_by}: {hint}"
            ) from error
        raise
