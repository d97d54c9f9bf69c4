"""What the data modules need to know about a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from datamodules.imagesets.base import ImageSet, Item
from datamodules.loading.preprocess import Preprocess


class Task(ABC):
    """How images and labels of a task become samples. A subclass is found by its ``task``.

    Attributes:
        task: name, as data modules state it.
        keep_aspect: images keep their aspect ratio, see `datamodules.loading.preprocess.Preprocess`.
        masks: samples of OoD sets carry the pixel masks of anomalies, where a set has any.
        boxed: OoD sets are read with the boxes of their objects, where they have any.
    """

    task: ClassVar[str]
    keep_aspect: ClassVar[bool] = False
    masks: ClassVar[bool] = False
    boxed: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def target_of(item: Item, preprocess: Preprocess) -> Any:
        """The training target of a raw image, as tensors."""

    @staticmethod
    @abstractmethod
    def augment(image: Tensor, target: Any) -> tuple[Tensor, Any]:
        """Random training augmentation of an image (C, H, W) and its target."""

    @staticmethod
    def label_classes(class_names: Sequence[str]) -> tuple[str, ...]:
        """Class names of the label maps that anomalies may use; empty where labels are no maps."""
        return ()

    @staticmethod
    def without_known(images: ImageSet, ind: str, names: Sequence[str]) -> ImageSet:
        """The images of an OoD set that are out of distribution; by default all.

        Args:
            ind: name of the in-distribution set.
            names: what objects of its classes are called, in any letter case.
        """
        return images
