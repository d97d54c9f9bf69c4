"""Image classification: the target is a class index."""

from __future__ import annotations

from datamodules.loading.augment import shift_and_flip
from datamodules.loading.samples import class_index
from datamodules.tasks.base import Task


class Classification(Task):
    """int64 scalar targets, -1 without a label; images are shifted and mirrored in training."""

    task = "classification"
    target_of = staticmethod(class_index)
    augment = staticmethod(shift_and_flip)
