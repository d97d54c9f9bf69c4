"""One job: a source image, decoded once, with all its variants written and recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.drawing import AnomalousImage, draw, draw_series
from anomalies.sets.codec import encode_png
from anomalies.sets.layouts import Layout
from anomalies.sets.manifest import Record, pixel_hash
from anomalies.sets.outputs import describe, maps_of, updated_labels
from anomalies.sets.plan import CLEAN, Plan, Variant, generator_version
from anomalies.sets.source import Source, SourceImage, scene_of
from anomalies.validity import Unusable
from lsood.io import write_bytes
from lsood.text import shown

Task = tuple[int, frozenset[str]]
Series = dict[int | None, dict[str, AnomalousImage]]


def work_of(plan: Plan, out: Path) -> Callable[[Task], list[Record]]:
    """What a worker does: `Writer.job` on (index in the source, ids that are there already)."""
    writer = Writer(plan, plan.source.open(), out)
    return lambda task: writer.job(*task)


class Writer:
    """Writes the variants of single images.

    Args:
        plan: of the set.
        source: of the clean images, opened.
        out: folder of the set.
    """

    def __init__(self, plan: Plan, source: Source, out: Path) -> None:
        self.plan, self.source, self.out = plan, source, out
        self.layout = Layout(plan.layout, source.keys, plan.codec.suffix)
        self.generator, self.kinds = generator_version(), plan.kinds
        self.variants = {variant.name: variant for variant in plan.variants()}
        self._sizes: dict[str, int] = {}

    def job(self, index: int, done: frozenset[str] = frozenset()) -> list[Record]:
        """Write what is missing of a source image's variants.

        Args:
            index: in the source.
            done: ids that need not be made again.

        Returns:
            A record per variant that was made or failed. Bad images never raise; what ends the whole command
            (no space left, no permission) does.
        """
        key = self.source.keys[index]
        wanted = [name for name in (CLEAN, *self.variants) if f"{name}/{key}" not in done]
        if not wanted:
            return []
        try:
            item = self.source.read(index)
            clean_hash = pixel_hash(item.image)
        except (ValueError, OSError, MemoryError) as error:
            return [self._failure(name, key, "failed", error) for name in wanted]
        drawn: Series = {}
        return [self._made(name, index, item, clean_hash, drawn) for name in wanted]

    def _made(self, name: str, index: int, item: SourceImage, clean_hash: str, drawn: Series) -> Record:
        base = self._base(name, item.key) | {
            "status": "ok",
            "index": index,
            "target": item.target,
            "source_path": None if item.path is None else item.key,
            "source_hash": clean_hash,
            "height": item.image.shape[0],
            "width": item.image.shape[1],
            "channels": item.image.shape[2],
            "notes": list(item.notes),
        }
        try:
            self._sizes = {}
            if name == CLEAN:
                base |= self._clean(item, clean_hash)
            else:
                base |= self._anomalous(self.variants[name], item, drawn)
            return base | {"file_bytes": self._sizes}
        except Unusable as error:
            return self._failure(name, item.key, "skipped", error)
        except (ValueError, cv2.error, MemoryError) as error:
            return self._failure(name, item.key, "failed", error)

    def _clean(self, item: SourceImage, clean_hash: str) -> Record:
        path, stored = self._image(CLEAN, item.key, item.image, clean_hash)
        label_path = None
        if self.plan.stores_maps and item.label_ids is not None and item.label_key is not None:
            label_path = self.layout.label(CLEAN, item.key, item.label_key)
            self._write("label", label_path, encode_png(item.label_ids))
        return {
            "is_clean_copy": True,
            "is_control": True,
            "clean_path": path,
            "out_path": path,
            "pixel_hash": stored,
            "label_path": label_path,
            "map_hashes": {} if label_path is None else {"label": pixel_hash(item.label_ids)},  # type: ignore[arg-type]
        }

    def _drawn(self, variant: Variant, item: SourceImage, series: Series) -> AnomalousImage:
        """The anomaly of a variant; where the set has all severities, the same one at all of them, unless no
        drawing is valid at all.
        """
        scene = scene_of(item, self.source.view)
        if self.plan.severity == "all" and variant.entry not in series:
            group = [other for other in self.variants.values() if other.entry == variant.entry]
            tries = [self.plan.candidates(other, item.key) for other in group]
            try:
                found = draw_series(tries, item.image, item.key, self.plan.seed, scene)
            except Unusable:
                found = []
            series.clear()
            series[variant.entry] = dict(zip((other.name for other in group), found, strict=False))
        known = series.get(variant.entry, {}).get(variant.name)
        return known or draw(
            self.plan.candidates(variant, item.key), item.image, item.key, self.plan.seed, scene
        )

    def _anomalous(self, variant: Variant, item: SourceImage, series: Series) -> Record:
        drawn = self._drawn(variant, item, series)
        out_path, stored = self._image(variant.name, item.key, drawn.image)
        maps = maps_of(drawn, self.kinds[drawn.kind])
        labels = updated_labels(drawn, item, self.source.file_ids)
        paths: dict[str, str | None] = {}
        if self.plan.stores_maps:
            for what, values in maps.items():
                paths[what] = self.layout.map(what, variant.name, item.key)
                self._write(what, str(paths[what]), encode_png(values))
            if labels is not None and item.label_key is not None:
                paths["label"] = self.layout.label(variant.name, item.key, item.label_key)
                self._write("label", str(paths["label"]), encode_png(labels))
        if labels is not None:
            maps["label"] = labels
        clean = self.layout.image(CLEAN, item.key) if self.plan.stores_images else None
        return describe(drawn, item) | {
            "seed": self.plan.seed,
            "clean_path": clean,
            "out_path": out_path,
            "pixel_hash": stored,
            "mask": "global" if drawn.rendered.alpha is None else "map",
            "map_hashes": {what: pixel_hash(values) for what, values in maps.items()},
            **{f"{what}_path": path for what, path in paths.items()},
        }

    def _image(
        self, variant: str, key: str, image: NDArray[np.uint8], known: str | None = None
    ) -> tuple[str | None, str]:
        """Path (None where images are not stored) and hash of the pixels as they come back from the codec;
        ``known``: hash of the image, where somebody has it already.
        """
        codec, encoded, path = self.plan.codec, None, None
        if self.plan.stores_images:
            encoded = codec.encode(image)
            path = self.layout.image(variant, key)
            self._write("out", path, encoded)
        if codec.lossless and known is not None:
            return path, known
        return path, pixel_hash(codec.stored(image, encoded))

    def _write(self, what: str, path: str, content: bytes) -> None:
        write_bytes(self.out / path, content)
        self._sizes[what] = len(content)

    def _base(self, name: str, key: str) -> Record:
        return {
            "id": f"{name}/{key}",
            "key": key,
            "origin": self.source.origin,
            "split": self.source.split,
            "is_clean_copy": name == CLEAN,
            "generator": self.generator,
        }

    def _failure(self, name: str, key: str, status: str, error: BaseException) -> Record:
        reason = shown(" ".join(str(error).split())) or type(error).__name__
        for folder in (self.plan.source.images, self.plan.source.data_root):
            if folder is not None:  # a set is given away; where its images lay is told once, in its header
                reason = reason.replace(f"{shown(folder)}/", "")
        return self._base(name, key) | {"status": status, "error": reason}
