"""What a pass leaves behind for pixel-level metrics: a sparse histogram per image and score, and components.

Kept per image, so that pools of any images (a kind of anomaly, a bootstrap resample) need no second look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from lsood.io import log, read_index, sha256, write_atomic, write_index
from lsood.metrics.curve import Array
from lsood.metrics.intervals import Estimate, estimates
from lsood.metrics.pixel.components import component_metrics
from lsood.metrics.pixel.histogram import curve, curve_metrics
from lsood.metrics.resampling import RESAMPLES, Blocks, chunks
from lsood.metrics.table import PIXELS
from lsood.text import one_line

VERSION = 4


@dataclass(frozen=True)
class PixelScore:
    """One score on N images: E entries of the images' histograms, their G true and P predicted components.

    Attributes:
        entry_image: (E,) int32, position of the image. entry_score: (E,), rising for each image: every float16 score of
            the exact evaluator, float64 thresholds of others, see `lsood.metrics.pixel.evaluators`.
        normal, anomalous: (E,) int32 pixels.
        siou_image, siou, ppv_image, ppv: (G,), (P,), see `lsood.metrics.pixel.components`; empty where no threshold
            exists.
        threshold: (1,) float64, of the components: that of the highest F1 over the pixels of all images, and
            empty where there are none of a class.
    """

    entry_image: NDArray[np.int32]
    entry_score: NDArray[np.floating]
    normal: NDArray[np.int32]
    anomalous: NDArray[np.int32]
    siou_image: NDArray[np.int32]
    siou: Array
    ppv_image: NDArray[np.int32]
    ppv: Array
    threshold: Array

    @cached_property
    def _levels(self) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        return np.unique(self.entry_score, return_inverse=True)

    def metrics(self, weights: Array) -> dict[str, Array]:
        """{metric: (R',)} of `lsood.metrics.pixel.histogram.curve_metrics`, from (R, N) how often each image counts;
        resamples without pixels of a class are left out.
        """
        scores, level = self._levels
        shape = (weights.shape[1], len(scores))
        normal, anomalous = (
            weights @ csr_array((n.astype(float), (self.entry_image, level)), shape=shape)
            for n in (self.normal, self.anomalous)
        )
        whole = normal.any(1) & anomalous.any(1)
        return curve_metrics(curve(scores, normal[whole], anomalous[whole]))

    def component_metrics(self, weights: Array) -> dict[str, Array]:
        """{metric: (R',)}; resamples without anomalous component are left out. Empty where there are none."""
        w_siou, w_ppv = weights[:, self.siou_image], weights[:, self.ppv_image]
        whole = w_siou.any(1)
        return component_metrics(self.siou, self.ppv, w_siou[whole], w_ppv[whole]) if whole.any() else {}

    def per_image(self) -> tuple[NDArray[np.intp], dict[str, Array]]:
        """Images that have pixels of both classes, and {metric: one value for each of them}."""
        edges = np.flatnonzero(np.diff(self.entry_image, prepend=-1, append=-1))
        parts = [slice(a, b) for a, b in pairwise(edges)]
        both = [p for p in parts if self.normal[p].any() and self.anomalous[p].any()]
        found = [curve_metrics(curve(self.entry_score[p], self.normal[p], self.anomalous[p])) for p in both]
        images = np.array([self.entry_image[p.start] for p in both], dtype=np.intp)
        return images, {
            name: np.concatenate([f[name] for f in found]) for name in (found[0] if found else ())
        }


@dataclass(frozen=True)
class PixelSet:
    """Pixel scores of a set of images.

    Args:
        keys: N image keys. images: (N, 3) int64 pixels that are not anomalous, anomalous, ignored.
        scores: {name: what it gave}.
        evaluator: of `lsood.choices.PIXEL_EVALUATORS`. smallest: components, see
            `lsood.metrics.pixel.components.components`.
    """

    keys: list[str]
    images: NDArray[np.int64]
    scores: dict[str, PixelScore]
    evaluator: str = "exact"
    smallest: tuple[int, int] | None = None

    def blocks(
        self, score: str, sources: Sequence[str], sequences: Mapping[str, str] | None = None
    ) -> Blocks:
        """The images in blocks, as the autocorrelation of their mean pixel asks for.

        Args:
            sources: N names of the images' sources. sequences: {source: its sequence}.
        """
        of = self.scores[score]
        pixels = np.bincount(of.entry_image, of.normal + of.anomalous, len(self.keys))
        level = of._levels[1] * (of.normal + of.anomalous)
        means = np.bincount(of.entry_image, level, len(self.keys)) / np.maximum(pixels, 1)
        there = np.flatnonzero(pixels).tolist()
        owners = [sources[i] for i in there]
        return Blocks.fitting([means[there]], [sources], sequences, [owners])

    def estimates(
        self, score: str, blocks: Blocks, rows: Sequence[int] | None = None, resamples: int = RESAMPLES
    ) -> dict[str, Estimate]:
        """Pooled metrics of a score with 95 % intervals by a bootstrap over blocks of images: of the pixels, and of the
        components where there are any.

        Args:
            blocks: of the N images, see :meth:`blocks`.
            rows: positions of the images to pool; default all.

        Raises:
            ValueError: no pixels of a class.
        """
        of = self.scores[score]
        chosen = np.arange(len(self.keys)) if rows is None else np.asarray(rows)
        chosen = chosen[self.images[chosen, :2].any(1)]
        once = np.zeros((1, len(self.keys)))
        once[0, chosen] = 1
        values = of.metrics(once)
        if not len(values["ap"]):
            raise ValueError("no pixels of one of the classes")
        values |= of.component_metrics(once)
        random, own = np.random.default_rng(0), blocks.take(chosen)
        draws: dict[str, list[Array]] = {name: [] for name in values}
        for count in chunks(resamples, 4 * max(len(of._levels[0]), len(of.ppv))) if not own.too_few else ():
            (drawn,) = own.weights(random, count)
            weights = np.zeros((len(drawn), len(self.keys)))
            weights[:, chosen] = drawn
            for name, column in (of.metrics(weights) | of.component_metrics(weights)).items():
                draws[name].append(column)
        return estimates(values, draws, PIXELS, own)

    def image_means(
        self, score: str, blocks: Blocks, resamples: int = RESAMPLES
    ) -> tuple[int, dict[str, Estimate]]:
        """The mean over images that have pixels of both classes, and how many they are."""
        images, values = self.scores[score].per_image()
        if not len(images):
            return 0, {}
        own = blocks.take(images)
        (weights,) = own.weights(np.random.default_rng(0), resamples)
        means = {name: [weights @ v / weights.sum(1)] for name, v in values.items()}
        return len(images), estimates(
            {n: v.mean(keepdims=True) for n, v in values.items()}, means, PIXELS, own
        )

    def joined(self, other: PixelSet | None) -> PixelSet:
        """With another's scores of the same images beside these."""
        if other is None or other.keys != self.keys:
            return self
        return replace(self, scores={**other.scores, **self.scores})

    def save(self, folder: Path) -> None:
        """Write ``pixels.safetensors`` and its index with checksums of both, each under a temporary name first; of
        another evaluator than the exact one files of its own.
        """
        tensors: dict[str, NDArray[Any]] = {"images": self.images}
        for name, score in self.scores.items():
            tensors |= {
                f"{name}.{f.name}": np.ascontiguousarray(getattr(score, f.name)) for f in fields(score)
            }
        name = _file_name(self.evaluator)
        path = write_atomic(folder / f"{name}.safetensors", partial(save_file, tensors))
        index = {
            "version": VERSION,
            "keys": self.keys,
            "scores": list(self.scores),
            "smallest": self.smallest,
            "sha256": sha256(path),
        }
        write_index(folder / f"{name}.json", index)

    @classmethod
    def load(
        cls, folder: Path, evaluator: str = "exact", smallest: tuple[int, int] | None = None
    ) -> PixelSet | None:
        """What `save` wrote; None where it is missing, of another version or other components, or, with a warning,
        damaged.
        """
        name = _file_name(evaluator)
        index = read_index(folder / f"{name}.json")
        wanted = None if smallest is None else list(smallest)
        if index is None or index.get("version") != VERSION or index.get("smallest") != wanted:
            return None
        path = folder / f"{name}.safetensors"
        try:
            if index["sha256"] != sha256(path):
                raise ValueError("its checksum is another one")
            tensors = load_file(path)
            scores = {
                name: PixelScore(**{f.name: tensors[f"{name}.{f.name}"] for f in fields(PixelScore)})
                for name in index["scores"]
            }
            if len(index["keys"]) != len(tensors["images"]):
                raise ValueError(f"{len(tensors['images'])} rows for {len(index['keys'])} images")
            return cls(index["keys"], tensors["images"], scores, evaluator, smallest)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            log.warning("%s is damaged and is measured anew (%s)", path, one_line(error))
            return None


def _file_name(evaluator: str) -> str:
    return "pixels" if evaluator == "exact" else f"pixels-{evaluator}"
