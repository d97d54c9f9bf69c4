"""From a set of images to Activations: one pass per image, and none for what the cache holds."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pipeline.strata import DRAWN
from datamodules.imagesets.base import NOT_DRAWN
from lsood import Activations, OnePass
from lsood.extraction.activations import concatenate
from lsood.extraction.objects import ObjectSet, ObjectTally
from lsood.extraction.pixel_tally import PixelTally
from lsood.metrics.pixel_set import PixelSet
from lsood.probes.image import PIXEL_SCORES, Perturbation, PixelMaps, Probe
from lsood.probes.objects import ObjectPlace, ObjectProbe
from lsood.probes.pixel_neighbours import LATENT, PixelNeighbours

log = logging.getLogger("lsood-bench")
CACHE_VERSION = 2


@dataclass
class Extraction:
    """Measures sets of images with one network, through a content-addressed cache.

    Args:
        network: the network under test.
        network_hash: sha256 of its weights.
        preprocessing: fingerprint of the pre-processing.
        store: folder of the cache.
        device: "cpu" or "cuda".
        precision: of the passes, "float32" or "bfloat16".
        latent: the fitted latent score of pixels, tallied beside the others; None: not tallied.
        prepared: what probes prepared for this network, shared by all sets.
        watch: called with (title, batches) around every pass, to show progress; returns the batches.

    Attributes:
        forwarded: images that reached the network's first layer, by phase ("shared_pass", "perturbed",
            "preparation", ...).
        from_cache: images whose measurements were all read from the cache.
        pixels: {title: pixel scores} of the sets that came with anomaly masks.
        objects: {title: detections and labelled objects} of the sets measured with probes of objects.
        seconds: of all passes, loading included.
    """

    network: nn.Module
    network_hash: str
    preprocessing: str
    store: Path
    device: str = "cpu"
    watch: Callable[[str, Iterable[Any]], Iterable[Any]] = lambda title, batches: batches
    latent: PixelNeighbours | None = None
    prepared: dict[str, Any] = field(default_factory=dict, repr=False)
    forwarded: dict[str, int] = field(default_factory=dict)
    from_cache: int = 0
    pixels: dict[str, PixelSet] = field(default_factory=dict, repr=False)
    objects: dict[str, ObjectSet] = field(default_factory=dict, repr=False)
    precision: str = "float32"
    seconds: float = 0.0

    def measure(
        self,
        title: str,
        loader: Iterable[Any],
        fingerprint: str,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation] = (),
        masked: bool = False,
    ) -> Activations:
        """The activations of one set; ``metadata`` says what was drawn on the images, see `benchmarks.pipeline.strata`.

        Args:
            title: of the set, for the progress bar and messages.
            loader: ordered batches with "image", "key" and "target".
            fingerprint: of the set's content and of everything done to it before pre-processing.
            probes: of images, and of objects; what the latter measure is in ``objects``.
            masked: batches have "anomaly" masks, so that pixel scores are tallied too.

        Raises:
            ValueError: an empty set, repeated keys, or values that are not finite.
        """
        folder = self.store / self._address(fingerprint)
        of_objects = [p for p in probes if isinstance(p, ObjectProbe)]
        probes = [p for p in probes if not isinstance(p, ObjectProbe)]
        names = [p.name for p in probes] + [p.name for p in perturbations] + ["labels"]
        cached = self._read(folder, names)
        latent = self.latent.name if self.latent is not None else ""
        tallied = PixelSet.load(folder) if masked else None
        if tallied is not None and tallied.metadata == latent:
            self.pixels[title] = tallied
        else:
            tallied = None
        if of_objects and self._objects_known(title, folder, of_objects):
            of_objects = []
        beside = of_objects or (masked and tallied is None)
        if cached is not None and set(names) <= set(cached) and not beside:
            self.from_cache += cached.images
            return cached
        have = set(cached or ())
        steps = [p for p in perturbations if p.name not in have]
        states = {p.probe for p in steps}  # a step may need what another method's probe prepares
        missing = [p for p in probes if p.name not in have or p.name in states]
        start = time.perf_counter()
        objects = ObjectTally() if of_objects else None
        with self._tally(folder, masked and tallied is None) as tally:
            fresh = self._pass(title, loader, [*missing, *of_objects], steps, tally, objects)
            if tally is not None:
                self.pixels[title] = replace(tally.finish(), metadata=latent)
                self.pixels[title].save(folder)
        self.seconds += time.perf_counter() - start
        fresh.metadata |= {
            "network": self.network_hash,
            "set": fingerprint,
            "title": title,
            "device": self.device,
            "precision": self.precision,
        }
        if objects is not None:
            self.objects[title] = objects.finish({**fresh.metadata, "drawn": None})
            self.objects[title].save(folder)
        fresh.save(folder)
        kept = {name: cached[name] for name in have} if cached is not None else {}
        return Activations({**kept, **fresh.tensors}, fresh.ids, fresh.metadata)

    def _objects_known(self, title: str, folder: Path, probes: Sequence[ObjectProbe]) -> bool:
        """Read a set's objects from the cache. They come from one pass or not at all: another one may keep
        others, by a rounding.
        """
        names = [probe.name for probe in probes if not isinstance(probe, ObjectPlace)]
        known = ObjectSet.load(folder, names)
        if known is not None:
            self.objects[title] = known
        return known is not None

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
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation],
        tally: PixelTally | None,
        objects: ObjectTally | None = None,
    ) -> Activations:
        parts: list[dict[str, Tensor]] = []
        keys: list[str] = []
        drawn: dict[str, list[Any]] = {name: [] for name in DRAWN}
        left_out = 0
        maps = [] if tally is None else self._maps()
        probes = [*probes, *maps]
        settings = (self.device, self.prepared, self.precision)
        with OnePass(self.network, probes, perturbations, *settings) as run:
            for batch in self.watch(title, loader):
                row = run(batch["image"], batch["key"], batch["target"])
                target = batch["target"]
                whole = isinstance(target, Tensor) and target.ndim == 1
                row["labels"] = target if whole else torch.full((len(target),), -1)
                chosen = [i for i, kind in enumerate(batch.get("kind", batch["key"])) if kind != NOT_DRAWN]
                names = [batch["key"][i] for i in chosen]
                if objects is not None:
                    objects.add(run.objects, target, batch["key"], chosen)
                planes = [row.pop(probe.name) for probe in maps]
                if tally is not None and chosen:
                    scores, masks = torch.cat(planes, dim=1), batch["anomaly"]
                    tally.add(scores[chosen].numpy(), masks[chosen].numpy(), names)
                parts.append({name: value[chosen] for name, value in row.items()})
                keys += names
                for name in DRAWN if "kind" in batch else ():
                    drawn[name] += [_plain(batch[name][i]) for i in chosen]
                left_out += len(batch["key"]) - len(chosen)
            for phase, images in run.forwarded.items():
                self.forwarded[phase] = self.forwarded.get(phase, 0) + images
        if left_out:
            log.warning("%s: no anomaly of the recipe could be drawn on %d images; left out", title, left_out)
        if not keys:
            raise ValueError(f"{title}: no images")
        if len(set(keys)) < len(keys):
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"{title}: the image key {repeated!r} occurs more than once")
        metadata = {"drawn": {"key": keys, **drawn}} if drawn["kind"] else {}
        return Activations(concatenate(parts), keys, metadata)

    def _tally(self, folder: Path, wanted: bool) -> AbstractContextManager[PixelTally | None]:
        if not wanted:
            return nullcontext()
        folder.mkdir(parents=True, exist_ok=True)
        return PixelTally([*PIXEL_SCORES, *[LATENT] * (self.latent is not None)], folder)

    def _maps(self) -> list[Probe]:
        """Probes of pixel scores, in the order of the tally."""
        return [PixelMaps()] if self.latent is None else [PixelMaps(), self.latent]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value
