"""Probes with one row per object, a kept detection of an image, under the names that classifiers' probes have.

So a method for classifiers runs on objects unchanged: its model_info is a classifier whose penultimate features are
those of the box head, and whose latent layer is the dropout layer between region pooling and box head.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from lsood.extraction.entropy import entropy
from lsood.extraction.reductions import fullmean, reduce
from lsood.extraction.sampling import sample_latents
from lsood.probes.base import ForwardOutputs, ModelInfo, Probe
from lsood.probes.detections import Detections
from lsood.probes.image import LatentEntropy, Logits, Pooled

SAME_OBJECT = 0.5
ROW_NAMES = ("place", "box", "score", "predicted")
"""Names of the probes that say which objects there are."""


class ObjectProbe(Probe):
    """One quantity per kept detection: (n, ...) for the n detections of a batch, image after image, best first."""

    @abstractmethod
    def of(self, found: Detections, key: str, forward: ForwardOutputs, place: int) -> Tensor:
        """(m, ...) of one image, the one at a place of the batch."""

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        pairs = zip(forward.detections, forward.keys, strict=True)
        return torch.cat([self.of(found, key, forward, place) for place, (found, key) in enumerate(pairs)])


@dataclass(frozen=True)
class ObjectField(ObjectProbe):
    """A field of `Detections` as it is, e.g. "boxes" (n, 4), under another name."""

    field: str
    title: str

    @property
    def name(self) -> str:
        return self.title

    def of(self, found: Detections, key: str, forward: ForwardOutputs, place: int) -> Tensor:
        value: Tensor = getattr(found, self.field)
        return value.float() if value.is_floating_point() else value


@dataclass(frozen=True)
class ObjectPlace(ObjectProbe):
    """(n,) int64: the place of the object's image in its batch."""

    @property
    def name(self) -> str:
        return "place"

    def of(self, found: Detections, key: str, forward: ForwardOutputs, place: int) -> Tensor:
        return torch.full((len(found),), place)


@dataclass(frozen=True)
class ObjectLabels(ObjectProbe):
    """(n,) int64: the predicted class where a true box of it overlaps the detection (IoU >= .5), else -1."""

    @property
    def name(self) -> str:
        return "labels"

    def of(self, found: Detections, key: str, forward: ForwardOutputs, place: int) -> Tensor:
        if forward.targets is None:
            return torch.full((len(found),), -1)
        truth: dict[str, Tensor] = forward.targets[place]  # type: ignore[assignment]
        boxes, labels = truth["boxes"].to(found.boxes), truth["labels"].to(found.labels)
        same = (box_iou(found.boxes, boxes) >= SAME_OBJECT) & (found.labels[:, None] == labels)
        return found.labels.where(same.any(1), -1)


@dataclass(frozen=True)
class ObjectMeans(ObjectProbe):
    """(n, C) float32: the region's feature map averaged over space."""

    layer: str

    @property
    def name(self) -> str:
        return Pooled(self.layer).name

    def of(self, found: Detections, key: str, forward: ForwardOutputs, place: int) -> Tensor:
        return fullmean(found.regions.float())


@dataclass(frozen=True)
class ObjectEntropy(ObjectProbe):
    """(n, D) float32: latent entropies as `lsood.probes.image.LatentEntropy` has them of an image, here of every
    region; masks are seeded by "<image key>#<i>".
    """

    as_image: LatentEntropy

    @property
    def name(self) -> str:
        return self.as_image.name

    def of(self, found: Detections, key: str, forward: ForwardOutputs, place: int) -> Tensor:
        p = self.as_image
        if not len(found):
            return reduce(found.regions, p.reduction).float()
        keys = object_keys(key, len(found))
        layer = forward.network.get_submodule(p.layer)
        samples = sample_latents(found.regions, layer, p.samples, keys, p.seed, p.reduction)
        return entropy(samples).float().to(found.regions.device)


def object_keys(key: str, n: int) -> list[str]:
    """Keys of the n objects of an image, best first."""
    return [f"{key}#{i}" for i in range(n)]


def image_of(key: str) -> str:
    """The key of an object's image."""
    return key.rpartition("#")[0]


def found_probes() -> list[ObjectProbe]:
    """What a detection is: its box, class and confidence, its image and whether it is right."""
    fields: Sequence[tuple[str, str]] = (("boxes", "box"), ("scores", "score"), ("labels", "predicted"))
    return [*(ObjectField(field, name) for field, name in fields), ObjectLabels(), ObjectPlace()]


def object_probes(model_info: ModelInfo) -> list[ObjectProbe]:
    """All that can be measured of objects.

    The model information describes the box head as a classifier: its last layer names the box head, its latent layer
    the dropout layer of the regions.
    """
    s = model_info
    latent = LatentEntropy(s.latent_layer, s.mc_samples, s.reduction, s.seed)
    fields = (("logits", Logits().name), ("features", Pooled(s.penultimate).name))
    own = [ObjectField(field, name) for field, name in fields]
    return [*own, *found_probes(), ObjectMeans(s.latent_layer), ObjectEntropy(latent)]
