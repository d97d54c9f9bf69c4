"""Sets made by ``python -m anomalies.generate``, as OoD sets: ``--ood generated:DIR``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anomalies import ANOMALIES
from anomalies.sets.stored import StoredSet
from datamodules.imagesets.base import ImageSet, Item, fingerprint_of
from datamodules.imagesets.boxes import NO_BOXES, Boxes, boxes_of
from datamodules.imagesets.left_out import split_usable


class GeneratedSet(ImageSet):
    """The anomalous images of a generated set: from its files, or drawn from the clean images where it has
    none. Clean copies and controls are left out.

    Args:
        folder: of the set.
        data_root: of the data sets, where the set was made from one that lies elsewhere now.
        boxed: targets are the boxes of the objects that were drawn in, of no class; not those of the clean image,
            which are unknown, nor of its own objects that were copied to a wrong place.

    Raises:
        ValueError: no generated set, or one without anomalous images.
    """

    synthetic = "anomalies"

    def __init__(self, name: str, folder: Path, data_root: Path | None = None, boxed: bool = False) -> None:
        folder = folder.expanduser()
        self.stored = StoredSet(folder, data_root=data_root)
        self.records = [record for record in self.stored.records if not record["is_control"]]
        if not self.records:
            raise ValueError(f"{name}: {folder} holds no anomalous images")
        used, gone = split_usable([folder / record["id"] for record in self.records])
        self.left_out = [self.records[i]["id"] for i in gone]
        self.records = [self.records[i] for i in used]
        keys = [record["key"] for record in self.records]
        self.name = name
        self.origin = "own" if self.stored.header["origin"] == "folder" else self.stored.header["origin"]
        self.masked, self.boxed = True, boxed
        self.keys = keys if len(set(keys)) == len(keys) else [record["id"] for record in self.records]

    @property
    def sources(self) -> list[str]:
        return [record["key"] for record in self.records]

    def shape(self, index: int) -> tuple[int, int]:
        return int(self.records[index]["height"]), int(self.records[index]["width"])

    def read(self, index: int) -> Item:
        record = self.records[index]
        found = self.stored.read(record)
        mask = found.maps.get("mask")
        target = found.labels if found.labels is not None else record["target"]
        if self.boxed:
            drawn = (
                record["details"]
                if record["kind"] in ANOMALIES and ANOMALIES[record["kind"]].objects == "new"
                else {"boxes": (), "objects": ()}
            )
            target = self._boxes(record["id"], drawn)
        anomaly = None if mask is None else mask.astype(np.uint8)
        kind, severity = record["kind"], record["severity"]
        return Item(found.image, target, self.keys[index], anomaly, kind, severity, record["key"])

    def file(self, index: int) -> Path | None:
        """A name for the image in the folder of the set, also where it has no file of its own."""
        return self.stored.folder / str(self.records[index]["id"])

    def _boxes(self, where: str, drawn: Mapping[str, Any]) -> Boxes:
        boxes, names = drawn.get("boxes"), drawn.get("objects")
        if (
            not isinstance(boxes, list | tuple)
            or not isinstance(names, list | tuple)
            or len(boxes) != len(names)
        ):
            raise ValueError(
                f"{self.stored.folder}: {where} has no boxes of its objects: the manifest is damaged"
            )
        pairs = [
            (str(name), box if isinstance(box, list | tuple) else [box])
            for name, box in zip(names, boxes, strict=True)
        ]
        found = boxes_of(pairs, f"{self.stored.folder}: {where}")
        return NO_BOXES.with_unknown(found.boxes.tolist(), found.names)

    @cached_property
    def fingerprint(self) -> str:
        """Over the hashes of images and maps and all targets; reading compares pixels with these hashes."""
        boxes = ["boxes"] if self.boxed else []
        table = self.stored.header["training_ids"]
        content = [
            (key, r["pixel_hash"], r["map_hashes"], r["target"], r["details"] if boxes else None)
            for key, r in zip(self.keys, self.records, strict=True)
        ]
        return fingerprint_of(self.name.partition(":")[0], *boxes, table, json.dumps(content, sort_keys=True))
