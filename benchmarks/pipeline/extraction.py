"""From a set of images to a Measurement: one pass per image, and none for what the cache holds."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pipeline.batch_limit import BatchLimit
from benchmarks.pipeline.strata import ANOMALY_INFO
from datamodules.imagesets.base import NOT_DRAWN
from lsood.extraction.activations import INDEX, Activations, concatenate
from lsood.extraction.measurement import Measurement
from lsood.extraction.objects import ObjectSet, ObjectTally
from lsood.extraction.one_pass import OnePass
from lsood.extraction.pixel_tally import PixelTally
from lsood.io import log
from lsood.metrics.pixel.pixel_set import PixelSet
from lsood.probes.base import Probe
from lsood.probes.objects import ObjectPlace, ObjectProbe
from lsood.probes.perturbation import Perturbation
from lsood.probes.pixels import PixelProbe

CACHE_VERSION = 3


@dataclass(frozen=True)
class Missing:
    """What a pass still has to measure of a set."""

    images: list[Probe]
    steps: list[Perturbation]
    pixels: list[PixelProbe]
    objects: list[ObjectProbe]

    @classmethod
    def all_of(cls, probes: Sequence[Probe], steps: Sequence[Perturbation]) -> Missing:
        """Everything that is asked for."""
        pixels = [p for p in probes if isinstance(p, PixelProbe)]
        objects = [p for p in probes if isinstance(p, ObjectProbe)]
        images = [p for p in probes if not isinstance(p, PixelProbe | ObjectProbe)]
        return cls(images, list(steps), pixels, objects)

    def __bool__(self) -> bool:
        return bool(self.images or self.steps or self.pixels or self.objects)


@dataclass
class Extraction:
    """Measures sets of images with one network, through a content-addressed cache.

    Args:
        network: the network under test.
        network_hash: sha256 of its weights.
        preprocessing: fingerprint of the pre-processing.
        store: folder of the cache.
        network_name: for people who look at what the cache holds.
        device: "cpu", "cuda" or "mps".
        precision: of the passes, "float32" or "bfloat16".
        pixel_evaluator: of score maps, see `lsood.choices.PIXEL_EVALUATORS`.
        prepared: what probes prepared for this network, shared by all sets.
        watch: called with (title, batches) around every pass, to show progress; returns the batches.
        image_shape: gives (C, H, W) of the images that probes prepare with, so that what is read from the cache and
            what is measured today are prepared with the same; None: that of the first batch measured.

    Attributes:
        forwarded: images that reached the network's first layer, by phase ("shared_pass", "perturbed",
            "preparation", ...).
        from_cache: images whose measurements were all read from the cache.
        seconds: of all passes, loading included.
        limit: of the batches, where memory did not suffice for those of a loader.
    """

    network: nn.Module
    network_hash: str
    preprocessing: str
    store: Path
    device: str = "cpu"
    watch: Callable[[str, Iterable[Any]], Iterable[Any]] = lambda title, batches: batches
    prepared: dict[str, Any] = field(default_factory=dict, repr=False)
    forwarded: dict[str, int] = field(default_factory=dict)
    from_cache: int = 0
    precision: str = "float32"
    seconds: float = 0.0
    limit: BatchLimit = field(default_factory=BatchLimit)
    network_name: str = ""
    pixel_evaluator: str = "exact"
    image_shape: Callable[[], Sequence[int]] | None = None

    def measure(
        self,
        title: str,
        loader: Iterable[Any],
        fingerprint: str,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation] = (),
        smallest: tuple[int, int] | None = None,
    ) -> Measurement:
        """The measurement of one set; ``metadata`` of its images holds what anomalies were drawn on them, see
        `benchmarks.pipeline.strata`.

        Args:
            title: of the set, for the progress bar and messages.
            loader: ordered batches with "image", "key" and "target", and "anomaly" masks where score maps are to be
                tallied.
            fingerprint: of the set's content and of everything done to it before pre-processing.
            probes: of images, of score maps (`PixelProbe`) and of objects (`ObjectProbe`).
            smallest: components of the set that count, see `lsood.metrics.pixel.components.components`.

        Raises:
            ValueError: an empty set, repeated keys, or values that are not finite.
        """
        folder = self.store / self._address(fingerprint)
        known, missing = self._known(folder, probes, perturbations, smallest)
        if not missing and known is not None:
            self.from_cache += known.images.images
            with suppress(OSError):  # the time of the last use
                os.utime(folder / INDEX)
            return known
        start = time.perf_counter()
        fresh = self._pass(title, loader, missing, folder, smallest)
        self.seconds += time.perf_counter() - start
        fresh.images.metadata.update(
            network=self.network_hash,
            network_name=self.network_name,
            set=fingerprint,
            title=title,
            device=self.device,
            precision=self.precision,
        )
        if known is None:
            known = Measurement(Activations({}, fresh.images.ids, fresh.images.metadata))
        pixels = known.pixels if fresh.pixels is None else fresh.pixels.joined(known.pixels)
        if fresh.objects is not None:
            fresh.objects.save(folder)
        if fresh.pixels is not None and pixels is not None:
            pixels.save(folder)
        fresh.images.save(folder)  # last: without them all is measured again, in one pass
        tensors = {**known.images.tensors, **fresh.images.tensors}
        images = Activations(tensors, fresh.images.ids, fresh.images.metadata)
        return Measurement(images, pixels, fresh.objects or known.objects)

    def missing(
        self,
        fingerprint: str,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation] = (),
        smallest: tuple[int, int] | None = None,
    ) -> Missing:
        """What :meth:`measure` would have to measure of a set."""
        return self._known(self.store / self._address(fingerprint), probes, perturbations, smallest)[1]

    def _known(
        self,
        folder: Path,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation],
        smallest: tuple[int, int] | None,
    ) -> tuple[Measurement | None, Missing]:
        """What the cache holds of what is asked for, and what it does not. Objects come from one pass or not at all:
        another one may keep others, by a rounding.
        """
        asked = Missing.all_of(probes, perturbations)
        rest, pixel_probes, objects = asked.images, asked.pixels, asked.objects
        names = [*(p.name for p in rest), *(p.name for p in perturbations), "labels"]
        images = self._read(folder, names)
        if images is None or "labels" not in images:
            return None, asked
        pixels = PixelSet.load(folder, self.pixel_evaluator, smallest) if pixel_probes else None
        if pixels is not None and pixels.keys != images.ids:
            log.warning("%s: the tallies of pixels name other images; they are measured anew", folder)
            pixels = None
        tallied = set() if pixels is None else set(pixels.scores)
        columns = [p.name for p in objects if not isinstance(p, ObjectPlace)]
        found = ObjectSet.load(folder, columns) if objects else None
        steps = [p for p in perturbations if p.name not in images]
        states = {p.probe for p in steps}  # a step may need what another method's probe prepares
        missing = Missing(
            [p for p in rest if p.name not in images or p.name in states],
            steps,
            [p for p in pixel_probes if not set(p.scores) <= tallied],
            objects if found is None else [],
        )
        return Measurement(images, pixels, found), missing

    def _address(self, fingerprint: str) -> str:
        parts = [CACHE_VERSION, self.network_hash, fingerprint, self.preprocessing, self.device]
        if self.precision != "float32":
            parts.append(self.precision)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]

    @staticmethod
    def _read(folder: Path, names: Sequence[str]) -> Activations | None:
        try:
            return Activations.load(folder, names)
        except FileNotFoundError:
            return None

    def _pass(
        self,
        title: str,
        loader: Iterable[Any],
        missing: Missing,
        folder: Path,
        smallest: tuple[int, int] | None = None,
    ) -> Measurement:
        parts: list[dict[str, Tensor]] = []
        keys: list[str] = []
        info: dict[str, list[Any]] = {name: [] for name in ANOMALY_INFO}
        left_out = 0
        objects = ObjectTally() if missing.objects else None
        probes = [*missing.images, *missing.pixels, *missing.objects]
        failed: dict[str, str] = {}
        with (
            self._tally(folder, missing.pixels, smallest) as tally,
            self._runner(probes, missing.steps, failed) as run,
        ):
            for batch, row in self._rows(run, self.watch(title, loader)):
                target = batch["target"]
                whole = isinstance(target, Tensor) and target.ndim == 1
                row["labels"] = target if whole else torch.full((len(target),), -1)
                chosen = [i for i, kind in enumerate(batch.get("kind", batch["key"])) if kind != NOT_DRAWN]
                names = [batch["key"][i] for i in chosen]
                if objects is not None:
                    objects.add(run.objects, target, batch["key"], chosen)
                planes = [row.pop(probe.name, None) for probe in missing.pixels]
                if tally is not None and chosen:
                    maps = _joined(planes, missing.pixels, batch)
                    tally.add(maps[chosen], [batch["anomaly"][i] for i in chosen], names)
                parts.append({name: value[chosen] for name, value in row.items()})
                keys += names
                for name in ANOMALY_INFO if "kind" in batch else ():
                    info[name] += [_plain(batch[name][i]) for i in chosen]
                left_out += len(batch["key"]) - len(chosen)
            for phase, images in run.forwarded.items():
                self.forwarded[phase] = self.forwarded.get(phase, 0) + images
            pixels = None if tally is None else tally.finish()
            lost_objects = run.failed_objects or {}
        for probe in missing.pixels:
            if probe.name in failed:
                failed |= dict.fromkeys(probe.scores, failed[probe.name])
        if pixels is not None:
            pixels = replace(pixels, scores={n: s for n, s in pixels.scores.items() if n not in failed})
        if left_out:
            log.warning("%s: no anomaly of the recipe could be drawn on %d images; left out", title, left_out)
        if not keys:
            raise ValueError(f"{title}: no images")
        if len(set(keys)) < len(keys):
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"{title}: the image key {repeated!r} occurs more than once")
        metadata: dict[str, Any] = {"anomaly_info": {"key": keys, **info}} if info["kind"] else {}
        metadata["failed"] = failed
        parts = [{name: value for name, value in part.items() if name not in failed} for part in parts]
        found = objects.finish({"failed": lost_objects}) if objects is not None else None
        return Measurement(Activations(concatenate(parts), keys, metadata), pixels, found)

    def _runner(
        self, probes: Sequence[Probe], steps: Sequence[Perturbation], failed: dict[str, str]
    ) -> OnePass:
        """What measures batches; ``failed`` takes what cannot be measured."""
        own = (self.device, self.prepared, self.precision, failed)
        return OnePass(self.network, probes, steps, *own, image_shape=self.image_shape)

    def _rows(
        self, run: OnePass, batches: Iterable[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
        """Batches, or parts of them, with what was measured."""

        def step(batch: dict[str, Any]) -> dict[str, Tensor]:
            return run(batch["image"], batch["key"], batch["target"])

        for batch in batches:
            yield from self.limit.run(step, batch)

    def _tally(
        self, folder: Path, probes: Sequence[PixelProbe], smallest: tuple[int, int] | None
    ) -> AbstractContextManager[PixelTally | None]:
        if not probes:
            return nullcontext()
        folder.mkdir(parents=True, exist_ok=True)
        names = [name for probe in probes for name in probe.scores]
        return PixelTally(names, folder, self.pixel_evaluator, smallest)


def _joined(planes: Sequence[Tensor | None], probes: Sequence[PixelProbe], batch: dict[str, Any]) -> Tensor:
    """The score maps of all probes, (B, S, h, w); zeros where one failed, to be dropped in the end."""
    there = next((plane for plane in planes if plane is not None), batch["image"])
    size = len(batch["key"]), *there.shape[-2:]
    return torch.cat(
        [
            torch.zeros(size[0], len(probe.scores), *size[1:]) if plane is None else plane.float()
            for plane, probe in zip(planes, probes, strict=True)
        ],
        dim=1,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value
