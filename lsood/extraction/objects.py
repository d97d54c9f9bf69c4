"""Objects as rows: what a detector kept on a set of images, and what is labelled there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lsood.extraction.activations import Activations, concatenate
from lsood.metrics.open_set.detection_set import DetectionSet
from lsood.probes.objects import image_of, object_keys

FOUND, TRUTH = "objects", "truth"
LEFT_OUT = "left_out"
OBJECT, DIFFICULT, CROWD = range(3)
NOTHING = {
    "box": torch.empty(0, 4),
    "labels": torch.empty(0, dtype=torch.int64),
    LEFT_OUT: torch.empty(0, dtype=torch.int64),
}


@dataclass
class ObjectSet:
    """Two tables of a set of images; both may be empty.

    Attributes:
        found: a row per kept detection with what `lsood.probes.objects` measure; keys "<image key>#<i>", best first.
        truth: a row per labelled object, "box" (T, 4) float32 in pixels of the network's input, "labels" (T,) int64, -1
            for one of no class, and "left_out" (T,) int64: 0 for an object that counts, 1 for a difficult one, 2 for a
            crowd.
    """

    found: Activations
    truth: Activations

    def save(self, folder: Path) -> None:
        """Write both below a folder."""
        self.found.save(folder / FOUND)
        self.truth.save(folder / TRUTH)

    @classmethod
    def load(cls, folder: Path, names: Iterable[str]) -> ObjectSet | None:
        """What :meth:`save` wrote, with the named tensors of the detections; None where any of it is missing or
        damaged.
        """
        names = set(names)
        try:
            found, truth = Activations.load(folder / FOUND, names), Activations.load(folder / TRUTH)
        except (FileNotFoundError, ValueError):
            return None
        return cls(found, truth) if names <= set(found) and {"box", "labels"} <= set(truth) else None

    def confident(self, least: float) -> ObjectSet:
        """The same without detections of less class probability."""
        return ObjectSet(self.found.select((self.found["score"] >= least).nonzero()[:, 0]), self.truth)

    def targets(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """{"boxes", "labels", "regions": {"boxes", "labels", "crowd"}} of every image, by its key."""
        rows = rows_of(self.truth, keys)
        left_out = self.truth.get(LEFT_OUT, torch.zeros(len(self.truth.ids), dtype=torch.int64))

        def columns(chosen: Tensor) -> dict[str, Tensor]:
            return {"boxes": self.truth["box"][chosen], "labels": self.truth["labels"][chosen]}

        return [
            columns(r[left_out[r] == OBJECT])
            | {"regions": columns(beside := r[left_out[r] != OBJECT]) | {"crowd": left_out[beside] == CROWD}}
            for r in rows
        ]

    def on(self, keys: Sequence[str]) -> DetectionSet:
        """Detections and labelled objects of the images that the keys name, as open-set metrics want them."""
        owners = [image_of(key) for key in self.found.ids]
        boxes, score = self.found["box"].numpy(), self.found["score"].double().clamp(0, 1).numpy()
        return DetectionSet.of(
            keys, self.targets(keys), owners, boxes, self.found["predicted"].numpy(), score
        )


def known_objects(target: Mapping[str, Any]) -> dict[str, Tensor]:
    """The objects of known classes of a target {"boxes", "labels", "regions"}, regions of known classes as crowds,
    as torchmetrics' ``MeanAveragePrecision`` takes them: {"boxes", "labels", "iscrowd"}.
    """
    rows = _rows(target)
    known = rows["labels"] >= 0
    crowd = (rows[LEFT_OUT] != OBJECT).long()
    return {"boxes": rows["box"][known], "labels": rows["labels"][known], "iscrowd": crowd[known]}


def rows_of(objects: Activations, keys: Sequence[str]) -> list[Tensor]:
    """Row indices (int64) of every image's objects, by its key."""
    own: dict[str, list[int]] = {key: [] for key in keys}
    for row, key in enumerate(objects.ids):
        if image_of(key) in own:
            own[image_of(key)].append(row)
    return [torch.tensor(rows, dtype=torch.int64) for rows in own.values()]


def _rows(target: Mapping[str, Any]) -> dict[str, Tensor]:
    """A row per object of an image, those that do not count last."""
    found = {"box": target["boxes"].float(), "labels": target["labels"]}
    found[LEFT_OUT] = torch.full_like(target["labels"], OBJECT)
    if "regions" not in target:
        return found
    regions = target["regions"]
    kind = torch.where(regions["crowd"], CROWD, DIFFICULT).to(target["labels"])
    beside = {"box": regions["boxes"].float(), "labels": regions["labels"], LEFT_OUT: kind}
    return {name: torch.cat([values, beside[name]]) for name, values in found.items()}


@dataclass
class ObjectTally:
    """Collects an `ObjectSet` batch by batch."""

    found: list[dict[str, Tensor]] = field(default_factory=list)
    truth: list[dict[str, Tensor]] = field(default_factory=list)
    found_keys: list[str] = field(default_factory=list)
    truth_keys: list[str] = field(default_factory=list)

    def add(
        self,
        objects: Mapping[str, Tensor],
        targets: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        chosen: Sequence[int],
    ) -> None:
        """A batch.

        Args:
            objects: of `lsood.OnePass.objects`, with "place".
            targets, keys: of its images.
            chosen: places of the images that count.
        """
        place = objects["place"]
        rows = torch.cat([torch.empty(0, dtype=torch.int64), *((place == i).nonzero()[:, 0] for i in chosen)])
        self.found.append({name: value[rows] for name, value in objects.items() if name != "place"})
        self.truth.append(concatenate([NOTHING, *(_rows(targets[i]) for i in chosen)]))
        for i in chosen:
            self.found_keys += object_keys(keys[i], int((place == i).sum()))
            self.truth_keys += object_keys(keys[i], len(_rows(targets[i])["labels"]))

    def finish(self, metadata: Mapping[str, Any]) -> ObjectSet:
        """The whole set without what is among "failed" in ``metadata``; at least one batch was added."""
        failed = metadata.get("failed", {})
        parts = [{name: value for name, value in part.items() if name not in failed} for part in self.found]
        found = Activations(concatenate(parts), self.found_keys, metadata)
        return ObjectSet(found, Activations(concatenate(self.truth), self.truth_keys, metadata))
