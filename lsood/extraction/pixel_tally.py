"""From score maps, batch by batch, to a `PixelSet`: nothing is forwarded again and no map is kept.

Components need a threshold, and the threshold (of the highest F1) all pixels. So the maps of a pass wait, as large as
the network gave them, in a temporary file that is read once at the end and deleted.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lsood.metrics.pixel.components import Components, components
from lsood.metrics.pixel.evaluators import EVALUATORS, best_threshold
from lsood.metrics.pixel.histogram import (
    ANOMALOUS,
    IGNORED,
    NORMAL,
    counted,
    histogram,
    score_keys,
    to_float16,
)
from lsood.metrics.pixel.pixel_set import PixelScore, PixelSet

Labels = NDArray[np.uint8]


def enlarged(scores: Tensor, size: tuple[int, ...]) -> NDArray[np.float16]:
    """A score map (h, w) in the size (H, W) of its mask: bilinear in float32, corners not aligned, then float16."""
    scores = scores.float()
    if tuple(scores.shape) != size:
        scores = F.interpolate(scores[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return to_float16(scores.numpy())


@dataclass(frozen=True)
class _Waiting:
    """What of an image is in the temporary file: its compressed labels, then its maps."""

    image: int
    label_shape: tuple[int, ...]
    label_bytes: int
    map_shape: torch.Size


class PixelTally:
    """Adds up pixel scores of a set.

    Args:
        scores: names of the S scores.
        folder: where the temporary file goes; default the system's.
        evaluator: of `lsood.choices.PIXEL_EVALUATORS`.
        smallest: components, see `lsood.metrics.pixel.components.components`.

    Used as a context, so that the file goes away whatever happens.
    """

    def __init__(
        self,
        scores: Sequence[str],
        folder: Path | None = None,
        evaluator: str = "exact",
        smallest: tuple[int, int] | None = None,
    ) -> None:
        self.scores, self.evaluator, self.smallest = list(scores), evaluator, smallest
        self.keys: list[str] = []
        self._spool = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._waiting: list[_Waiting] = []
        self._images: list[tuple[int, int, int]] = []
        self._entries: dict[str, list[tuple[NDArray[Any], ...]]] = {name: [] for name in self.scores}

    def __enter__(self) -> PixelTally:
        return self

    def __exit__(self, *exception: object) -> None:
        self._spool.close()

    def add(self, maps: Tensor, labels: Sequence[Labels | Tensor], keys: Sequence[str]) -> None:
        """Add a batch.

        Args:
            maps: (B, S, h, w) floating, on the CPU: scores, higher = more anomalous. They are enlarged to the size of
                the image's labels, see :func:`enlarged`.
            labels: of every image (H, W) uint8, 1 anomalous, 0 not, 255 ignored; sizes may differ.
            keys: of the images.
        """
        for scores, given, key in zip(maps, labels, keys, strict=True):
            label = np.ascontiguousarray(given)
            normal, anomalous, ignored = (int((label == v).sum()) for v in (NORMAL, ANOMALOUS, IGNORED))
            self._images.append((normal, anomalous, ignored))
            if normal + anomalous:
                self._count(len(self.keys), scores, label)
            self.keys.append(key)

    def _count(self, image: int, scores: Tensor, label: Labels) -> None:
        packed = zlib.compress(label, 1)
        self._waiting.append(_Waiting(image, label.shape, len(packed), scores.shape[1:]))
        self._spool.write(packed)
        self._spool.write(scores.float().numpy().tobytes())
        for name, plane in zip(self.scores, scores, strict=True):
            counts = counted(histogram(score_keys(enlarged(plane, label.shape)), label))
            levels, normal, anomalous = EVALUATORS[self.evaluator].counted(*counts)
            self._entries[name].append((np.full(len(levels), image), levels, normal, anomalous))

    def finish(self) -> PixelSet:
        """The histograms of all images, and the components at the threshold of the highest F1."""
        nothing = (np.zeros(0), np.zeros(0, np.float16), np.zeros(0), np.zeros(0))
        entries = {
            name: [np.concatenate(columns) for columns in zip(*(parts or [nothing]), strict=True)]
            for name, parts in self._entries.items()
        }
        thresholds = {name: best_threshold(*columns[1:]) for name, columns in entries.items()}
        found = self._components(thresholds)
        scores = {}
        for name, (image, level, normal, anomalous) in entries.items():
            rows, compared = [i for i, _ in found[name]], [c for _, c in found[name]]
            threshold = thresholds[name]
            scores[name] = PixelScore(
                image.astype(np.int32),
                level,
                normal.astype(np.int32),
                anomalous.astype(np.int32),
                siou_image=np.repeat(rows, [len(c.siou) for c in compared]).astype(np.int32),
                siou=np.concatenate([np.zeros(0), *(c.siou for c in compared)]),
                ppv_image=np.repeat(rows, [len(c.ppv) for c in compared]).astype(np.int32),
                ppv=np.concatenate([np.zeros(0), *(c.ppv for c in compared)]),
                threshold=np.array([] if threshold is None else [threshold]),
            )
        images = np.array(self._images, dtype=np.int64).reshape(-1, 3)
        return PixelSet(self.keys, images, scores, self.evaluator, self.smallest)

    def _components(self, thresholds: dict[str, float | None]) -> dict[str, list[tuple[int, Components]]]:
        """{score: [(position of the image, its components)]}, read back from the temporary file."""
        found: dict[str, list[tuple[int, Components]]] = {name: [] for name in self.scores}
        called = EVALUATORS[self.evaluator].called
        self._spool.seek(0)
        for one in self._waiting:
            packed = zlib.decompress(self._spool.read(one.label_bytes))
            label = np.frombuffer(packed, np.uint8).reshape(one.label_shape)
            for name, threshold in thresholds.items():
                stored = bytearray(self._spool.read(4 * one.map_shape.numel()))
                if threshold is not None:
                    plane = torch.frombuffer(stored, dtype=torch.float32).reshape(one.map_shape)
                    predicted = called(enlarged(plane, label.shape), threshold)
                    found[name].append((one.image, components(predicted, label, self.smallest)))
        return found
