"""From score maps, batch by batch, to a `PixelSet`: nothing is forwarded again and no map is kept.

Components need a threshold, and the threshold (of the highest F1) all pixels. So the maps of a pass wait as
16-bit keys in a temporary file, 2 bytes a pixel and score, that is read once at the end and deleted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsood.metrics.pixel.components import Components, components
from lsood.metrics.pixel.histogram import (
    ANOMALOUS,
    BINS,
    IGNORED,
    NORMAL,
    best_key,
    histogram,
    key_scores,
    score_keys,
)
from lsood.metrics.pixel.pixel_set import PixelScore, PixelSet


class PixelTally:
    """Adds up pixel scores of a set.

    Args:
        scores: names of the S scores.
        folder: where the temporary file goes; default the system's.

    Used as a context, so that the file goes away whatever happens.
    """

    def __init__(self, scores: Sequence[str], folder: Path | None = None) -> None:
        self.scores = list(scores)
        self.keys: list[str] = []
        self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._shapes: list[tuple[int, int] | None] = []
        self._images: list[tuple[int, int, int]] = []
        self._entries: dict[str, list[NDArray[np.int32]]] = {name: [] for name in self.scores}
        self._pooled = {name: np.zeros((2, BINS), np.int64) for name in self.scores}

    def __enter__(self) -> PixelTally:
        return self

    def __exit__(self, *exception: object) -> None:
        self._spool.close()

    def add(self, maps: NDArray[np.float16], labels: NDArray[np.uint8], keys: Sequence[str]) -> None:
        """Add a batch.

        Args:
            maps: (B, S, H, W) scores, higher = more anomalous.
            labels: (B, H, W), 1 anomalous, 0 not, 255 ignored.
            keys: of the images.
        """
        for scores, label, key in zip(maps, labels, keys, strict=True):
            normal, anomalous, ignored = (int((label == v).sum()) for v in (NORMAL, ANOMALOUS, IGNORED))
            self._images.append((normal, anomalous, ignored))
            self._shapes.append(label.shape if normal + anomalous else None)  # type: ignore[arg-type]
            if self._shapes[-1] is not None:
                self._count(len(self.keys), score_keys(scores), label)
            self.keys.append(key)

    def _count(self, image: int, keys: NDArray[np.uint16], label: NDArray[np.uint8]) -> None:
        self._spool.write(label.tobytes())
        for name, plane in zip(self.scores, keys, strict=True):
            counts = histogram(plane, label)
            self._pooled[name] += counts
            there = np.flatnonzero(counts.any(0))
            entry = (np.full(len(there), image), there, *counts[:, there])
            self._entries[name].append(np.stack(entry).astype(np.int32))
            self._spool.write(plane.tobytes())

    def finish(self) -> PixelSet:
        """The histograms of all images, and the components at the threshold of the highest F1."""
        thresholds = {name: best_key(n) if n.any(1).all() else None for name, n in self._pooled.items()}
        found = self._components(thresholds)
        scores = {}
        for name, parts in self._entries.items():
            image, key, normal, anomalous = np.concatenate([np.zeros((4, 0), np.int32), *parts], axis=1)
            rows, compared = [i for i, _ in found[name]], [c for _, c in found[name]]
            threshold = [] if thresholds[name] is None else [thresholds[name]]
            scores[name] = PixelScore(
                image,
                key.astype(np.uint16),
                normal,
                anomalous,
                siou_image=np.repeat(rows, [len(c.siou) for c in compared]).astype(np.int32),
                siou=np.concatenate([np.zeros(0), *(c.siou for c in compared)]),
                ppv_image=np.repeat(rows, [len(c.ppv) for c in compared]).astype(np.int32),
                ppv=np.concatenate([np.zeros(0), *(c.ppv for c in compared)]),
                threshold=key_scores(np.array(threshold, dtype=np.uint16)),
            )
        return PixelSet(self.keys, np.array(self._images, dtype=np.int64).reshape(-1, 3), scores)

    def _components(self, thresholds: dict[str, int | None]) -> dict[str, list[tuple[int, Components]]]:
        """{score: [(position of the image, its components)]}, read back from the temporary file."""
        found: dict[str, list[tuple[int, Components]]] = {name: [] for name in self.scores}
        self._spool.seek(0)
        for image, shape in enumerate(self._shapes):
            if shape is None:
                continue
            size = shape[0] * shape[1]
            label = np.frombuffer(self._spool.read(size), np.uint8).reshape(shape)
            for name, threshold in thresholds.items():
                plane = np.frombuffer(self._spool.read(2 * size), np.uint16).reshape(shape)
                if threshold is not None:
                    found[name].append((image, components(plane >= threshold, label)))
        return found
