"""A generated set on disk: images and maps read from files, or rendered from the clean images if not stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image
from anomalies.drawing import AnomalousImage, draw_once
from anomalies.registry import ANOMALIES, create
from anomalies.scene import Scene
from anomalies.sets import manifest
from anomalies.sets.codec import Codec, read_map, read_stored
from anomalies.sets.manifest import Record, pixel_hash
from anomalies.sets.outputs import maps_of, updated_labels
from anomalies.sets.plan import read_header
from anomalies.sets.records import MAPS
from anomalies.sets.source import Source, SourceImage, SourceSpec, scene_of

_CODE = re.compile("(?!(folder|segmentation|coco|coco-masks):).*:")


@dataclass(frozen=True)
class StoredImage:
    """An image of a generated set.

    Attributes:
        image: (H, W, 3) RGB or (H, W, 1) grey uint8.
        maps: by name, those the image has: "mask", "kind", "alpha", "instances", "soiling", and "label" with
            the ids of the source's label files.
        labels: (H, W) uint8 training ids, 255 void; None without labels.
        record: of the manifest.
    """

    image: Image
    maps: dict[str, NDArray[Any]]
    labels: NDArray[np.uint8] | None
    record: Record


class StoredSet:
    """A generated set.

    Args:
        folder: of the set.
        images: folder of its clean images, where it was made from a folder that lies elsewhere now.
        data_root: folder of its data set, where that lies elsewhere now. Only sets without images need them.

    Attributes:
        header: content of ``dataset.json``.
        records: of all images that were made, clean copies included, sorted by id.
        bad: of those that were not.

    Raises:
        ValueError: the folder holds no generated set, or a damaged one.
    """

    def __init__(self, folder: Path, images: Path | None = None, data_root: Path | None = None) -> None:
        self.folder, self.header = folder, read_header(folder)
        found = [record for _, record in sorted(manifest.known(folder).items())]
        self.records = [record for record in found if record["status"] == "ok"]
        self.bad = [record for record in found if record["status"] != "ok"]
        for record in self.records:
            if not record["is_clean_copy"] and record["kind"] not in self.header["kinds"]:
                raise ValueError(
                    f"{folder}: {record['id']} has the kind {record['kind']!r}, which the set does not list"
                )
        self.codec = Codec(self.header["identity"]["format"])
        self._spec = _spec(self.header["source"], images, data_root)
        self._source: Source | None = None
        self._places: dict[str, int] = {}
        self._last: SourceImage | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A process that is started anew opens the clean images itself.
        return self.__dict__ | {"_source": None, "_places": {}, "_last": None}

    def read(self, record: Record) -> StoredImage:
        """An image with its maps.

        Raises:
            ValueError: a file is missing or damaged, or holds other pixels than the manifest says.
        """
        found = self.read_unchecked(record)
        for where in others(found):
            raise ValueError(f"{self.folder / where}: other pixels than the manifest says")
        return found

    def read_unchecked(self, record: Record) -> StoredImage:
        """As :meth:`read`, but the pixels of files may be others than the manifest says, see :func:`others`.

        Raises:
            ValueError: a file is missing or damaged, or what is drawn is not what the manifest says.
        """
        maps = {what: read_map(self.folder / path) for what in MAPS if (path := record.get(f"{what}_path"))}
        stored = record["out_path"] is not None
        if stored:
            image = read_stored(self.folder / record["out_path"], record["channels"])
        if not stored or set(record["map_hashes"] or ()) - set(maps):
            drawn, again = self.draw(record)
            maps = again | maps
            image = image if stored else drawn
        return StoredImage(image, maps, self._labels(maps.get("label")), record)

    def draw(self, record: Record) -> tuple[Image, dict[str, NDArray[Any]]]:
        """The image and its maps, drawn again from the clean one.

        Raises:
            ValueError: the clean image or the result is not what the manifest says.
        """
        item = self._clean(record)
        if record["is_clean_copy"]:
            image = self._checked(record, self.codec.stored(item.image))
            return image, {} if item.label_ids is None else {"label": item.label_ids}
        drawn = again(record, item, self._opened().view)
        image = self._checked(record, self.codec.stored(drawn.image))
        maps = maps_of(drawn, self.header["kinds"][drawn.kind])
        labels = updated_labels(drawn, item, self._opened().file_ids)
        return image, maps if labels is None else maps | {"label": labels}

    def _checked(self, record: Record, image: Image) -> Image:
        if pixel_hash(image) != record["pixel_hash"]:
            made, here = self.header["versions"]["opencv"], cv2.__version__
            raise ValueError(
                f"{record['id']}: drawn again, its pixels differ from those of the manifest "
                f"(made with OpenCV {made}, here {here})"
            )
        return image

    def _clean(self, record: Record) -> SourceImage:
        if self._last is None or self._last.key != record["key"]:
            self._last = self._opened().read(self._places[record["key"]])
        if pixel_hash(self._last.image) != record["source_hash"]:
            raise ValueError(f"{record['key']}: the clean image is not the one that the set was made from")
        return self._last

    def _opened(self) -> Source:
        if self._source is None:
            if _CODE.match(self._spec.ind or ""):  # a set must not name code to be loaded
                raise ValueError(
                    f"{self.folder}: its clean images come from {self._spec.ind}, code that is not run because a set "
                    "names it: generate the set again with --materialize all"
                )
            source = self._spec.open()
            missing = {record["key"] for record in self.records} - set(source.keys)
            if missing:
                raise ValueError(
                    f"{self.folder}: {len(missing)} of its images are not in {source.name}, such as {min(missing)}: "
                    "name its source with --data-root or --images"
                )
            self._source, self._places = source, {key: i for i, key in enumerate(source.keys)}
        return self._source

    def _labels(self, ids: NDArray[Any] | None) -> NDArray[np.uint8] | None:
        table = self.header.get("training_ids")
        if ids is None or table is None:
            return None
        if ids.dtype != np.uint8:
            raise ValueError(f"{self.folder}: a label map of {ids.dtype}; ids must be 8-bit")
        return np.asarray(table, dtype=np.uint8)[ids]


def others(found: StoredImage) -> list[str]:
    """Paths below the set's folder (or names, where there is no file) of what has other pixels than the manifest
    says, the image and its maps.
    """
    record = found.record
    wrong = []
    if pixel_hash(found.image) != record["pixel_hash"]:
        wrong.append(record["out_path"] or record["id"])
    for what, known in (record["map_hashes"] or {}).items():
        if what not in found.maps or pixel_hash(found.maps[what]) != known:
            wrong.append(record.get(f"{what}_path") or f"{what} of {record['id']}")
    return wrong


def again(record: Record, item: SourceImage, view: Scene) -> AnomalousImage:
    """The anomaly of a record, drawn on its clean image.

    Raises:
        ValueError: a kind that this package does not have, or draws differently now.
    """
    kind = record["kind"]
    params = {name: _frozen(value) for name, value in record["params"].items()}
    if kind not in ANOMALIES:  # a set must not name code to be loaded
        raise ValueError(f"{record['id']}: its kind {kind!r} is not registered here")
    try:
        anomaly = create(kind, record["severity"], **params)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{record['id']}: {error}") from None
    if anomaly.version != record["kind_version"]:
        raise ValueError(
            f"{record['id']}: drawn by version {record['kind_version']} of {kind}, "
            f"this package has version {anomaly.version}"
        )
    scene = scene_of(item, view)
    try:
        return draw_once(anomaly, item.image, item.key, record["seed"], scene, record["attempt"])
    except (TypeError, LookupError, AttributeError, ArithmeticError, cv2.error) as error:
        raise ValueError(f"{record['id']}: {kind} cannot be drawn with its params: {error}") from error


def _spec(stored: dict[str, Any], images: Path | None, data_root: Path | None) -> SourceSpec:
    if images is not None and stored["ind"] is not None:
        raise ValueError(f"the set was made from {stored['ind']}: name its --data-root, not --images")
    known = {name: Path(stored[name]) if stored[name] else None for name in ("images", "data_root")}
    spec = SourceSpec(**(stored | known))
    # A set of a miniature has no data root, wherever other data lie.
    moved = data_root if data_root is not None and spec.data_root is not None else spec.data_root
    return replace(spec, images=images or spec.images, data_root=moved)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list) else value
