"""Targets of batches that a loader of the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from datamodules.formats.labels import IGNORE


def checked_targets(name: str, targets: Any, images: Tensor) -> Tensor:
    """Targets of a batch as int64, of maps with `IGNORE`.

    Args:
        name: of the set, for messages. images: of the batch.

    Raises:
        ValueError: neither class indices (B,) nor maps of them (B, H, W) of the images.
    """
    if isinstance(targets, list | tuple) and targets and isinstance(targets[0], Mapping):
        raise ValueError(
            f"{name}: targets are mappings; object detection takes its data from coco:DIR or a data module"
        )
    if isinstance(targets, list | tuple) and all(isinstance(value, int) for value in targets):
        targets = torch.tensor(targets)
    told = told_of(targets) if isinstance(targets, Tensor) else type(targets).__name__
    whole = isinstance(targets, Tensor) and not targets.is_floating_point() and targets.dtype != torch.bool
    if not whole or targets.ndim not in (1, 3) or len(targets) != len(images):
        raise ValueError(
            f"{name}: targets are {told}; class indices (B,) or maps of them (B, H, W) are needed, B is "
            f"{len(images)}"
        )
    found: Tensor = targets.cpu().long()
    if found.ndim == 1:
        return found.clamp_min(-1)
    if images.ndim != 4 or found.shape[1:] != images.shape[2:]:
        raise ValueError(f"{name}: maps {told} for images {told_of(images)}; one height and width are needed")
    if int(found.max()) > IGNORE:
        raise ValueError(f"{name}: maps have a class {int(found.max())}; classes are 0 to {IGNORE - 1}")
    return torch.where(found < 0, IGNORE, found)


def told_of(tensor: Tensor) -> str:
    """ "float32 (8, 3, 32, 32)"."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
