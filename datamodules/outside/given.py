"""Data sets that a call is given as objects: in-distribution parts and OoD images in memory or behind loaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from datamodules.base import BenchmarkDataModule
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import capped
from datamodules.loading.tensors import CLASSES, TensorSet
from datamodules.ood.base import Host, unknown_images
from datamodules.outside.parts import divided, drawn, left_shares
from lsood.io import log


class GivenData(BenchmarkDataModule):
    """Parts that are there already; a subclass is made for each, see :func:`given_data`.

    Attributes:
        parts: {"train", "val", "test": set}. Without "val" it is drawn from "train"; where "train" is all there is,
            "test" is too.
    """

    layout = "images of the user"
    source = "the user"
    parts: ClassVar[Mapping[str, TensorSet]] = {}

    @classmethod
    def is_there(cls, folder: Path) -> bool:
        return True

    def prepare_data(self) -> None:
        """Nothing is looked for."""
        self._folder = Path()

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        if self.preprocessed and self.mean == type(self).mean and self.std == type(self).std:
            why = "moves pixels within [0, 1]: state mean and std of these images, which are not raw"
            self.unsupported_protocols = {"fgsm-val": f"fgsm-val {why}"}

    @property
    def preprocessed(self) -> bool:
        return not self.parts["train"].raw

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.parts["train"].image_shape if self.preprocessed else super().input_shape

    def split(self, folder: Path) -> dict[str, ImageSet]:
        found: dict[str, ImageSet] = dict(self.parts)
        shares = left_shares(found)
        if len(shares) > 1:
            train = self.parts["train"]
            classes = train.targets.tolist() if train.targets is not None and train.task == CLASSES else None
            try:
                found |= divided(train, drawn(train.keys, classes, self.seed, None, shares))
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
            sizes = " / ".join(str(len(found[part])) for part in shares)
            log.info("%s: divided by seed %d: %s %s", self.name, self.seed, " / ".join(shares), sizes)
        return {part: found[part] for part in ("train", "val", "test")}

    def load_ood_sets(self) -> dict[str, ImageSet]:
        named = [name for name in self.ood if name not in self.given_ood]
        if named and (len(self.input_shape) != 3 or self.channels not in (1, 3)):
            raise ValueError(
                f"{named[0]}: images of files do not have the shape of those of the loader, {_text(self.input_shape)}"
            )
        return super().load_ood_sets()


def given_data(
    name: str,
    parts: Mapping[str, TensorSet],
    num_classes: int,
    class_names: Sequence[str] = (),
) -> type[GivenData]:
    """A data module class of parts of one task and shape.

    Args:
        class_names: where they are known, K of them.

    Raises:
        ValueError: parts that do not fit each other, or a class beyond ``num_classes``; one line.
    """
    train = parts["train"]
    for part, images in parts.items():
        if (images.image_shape, images.raw) != (train.image_shape, train.raw) and not (
            images.raw and train.raw
        ):
            raise ValueError(
                f"{name}: {part} has images of {_text(images.image_shape)}, train of {_text(train.image_shape)}"
            )
        if images.task not in ("", train.task):
            raise ValueError(
                f"{name}: targets of {part} are for {images.task}, those of train for {train.task}"
            )
        if images.classes > num_classes:
            raise ValueError(
                f"{name}: {part} has a class {images.classes - 1}, there are {num_classes} (0 to {num_classes - 1})"
            )
    channels = train.image_shape[0] if len(train.image_shape) == 3 else 1
    names = tuple(class_names) if len(class_names) == num_classes else tuple(map(str, range(num_classes)))
    attributes: dict[str, Any] = {
        "name": name,
        "task": train.task or CLASSES,
        "class_names": names,
        "channels": channels,
        "fixed_channels": not train.raw,
        "mean": (0.0,) * channels,
        "std": (1.0,) * channels,
        "image_size": train.shape(0),
        "parts": dict(parts),
    }
    return type("GivenData", (GivenData,), {**attributes, "__module__": __name__})


@dataclass(frozen=True)
class GivenImages:
    """OoD images in memory, or of a loader."""

    images: TensorSet

    def open(self, data: Host) -> ImageSet:
        """At most ``data.limit`` of them.

        Raises:
            ValueError: the network takes other shapes.
        """
        images, shape = self.images, data.input_shape
        right = len(shape) == 3 if images.raw else images.image_shape == shape
        if not right:
            raise ValueError(
                f"{images.name}: images of {_text(images.image_shape)}, those of {data.name} are {_text(shape)}; the "
                "same pre-processing is needed"
            )
        return capped(images, data.limit, data.seed)


@dataclass(frozen=True)
class GivenModule:
    """The test part of a data module, or of a class of one, as OoD images."""

    module: BenchmarkDataModule | type[BenchmarkDataModule]

    def open(self, data: Host) -> ImageSet:
        """See `datamodules.ood.base.OODSet.open`."""
        module = self.module(data.root) if isinstance(self.module, type) else self.module
        module.setup()
        if module.fingerprint == getattr(data, "fingerprint", ""):
            raise ValueError(f"{module.name} is the in-distribution set; name another OoD set")
        return unknown_images(module.sets["test"], data)


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
