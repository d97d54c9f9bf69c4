"""From a set of images to Activations: one pass per image, and none for what the cache holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lsood import Activations, OnePass
from lsood.activations import concatenate
from lsood.probes import Perturbation, Probe

CACHE_VERSION = 1


@dataclass
class Extraction:
    """Measures sets of images with one network, through a content-addressed cache.

    Args:
        network: the network under test.
        network_hash: sha256 of its weights.
        preprocessing: fingerprint of the pre-processing.
        store: folder of the cache.
        device: "cpu" or "cuda".
        prepared: what probes prepared for this network, shared by all sets.
        watch: called with (title, batches) around every pass, to show progress; returns the batches.

    Attributes:
        forwarded: images that reached the network's first layer, by phase ("shared_pass", "perturbed",
            "preparation", ...).
        from_cache: images whose measurements were all read from the cache.
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

    def measure(
        self,
        title: str,
        loader: Iterable[Any],
        fingerprint: str,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation] = (),
    ) -> Activations:
        """The activations of one set.

        Args:
            title: of the set, for the progress bar and messages.
            loader: ordered batches with "image", "key" and "target".
            fingerprint: of the set's content and of everything done to it before pre-processing.

        Raises:
            ValueError: an empty set, repeated keys, or values that are not finite.
        """
        folder = self.store / self._address(fingerprint)
        names = [p.name for p in probes] + [p.name for p in perturbations] + ["labels"]
        cached = self._read(folder, names)
        if cached is not None and set(names) <= set(cached):
            self.from_cache += cached.images
            return cached
        have = set(cached or ())
        steps = [p for p in perturbations if p.name not in have]
        states = {p.probe for p in steps}  # a step may need what another method's probe prepares
        missing = [p for p in probes if p.name not in have or p.name in states]
        fresh = self._pass(title, loader, missing, steps)
        fresh.made = {"network": self.network_hash, "set": fingerprint, "title": title, "device": self.device}
        fresh.save(folder)
        kept = {name: cached[name] for name in have} if cached is not None else {}
        return Activations({**kept, **fresh.tensors}, fresh.keys_, fresh.made)

    def _address(self, fingerprint: str) -> str:
        parts = [CACHE_VERSION, self.network_hash, fingerprint, self.preprocessing, self.device]
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
    ) -> Activations:
        parts: list[dict[str, Tensor]] = []
        keys: list[str] = []
        with OnePass(self.network, probes, perturbations, self.device, self.prepared) as run:
            for batch in self.watch(title, loader):
                row = run(batch["image"], batch["key"], batch["target"])
                target = batch["target"]
                row["labels"] = target if target.ndim == 1 else torch.full((len(target),), -1)
                parts.append(row)
                keys += list(batch["key"])
            for phase, images in run.forwarded.items():
                self.forwarded[phase] = self.forwarded.get(phase, 0) + images
        if not parts:
            raise ValueError(f"{title}: no images")
        if len(set(keys)) < len(keys):
            repeated = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"{title}: the image key {repeated!r} occurs more than once")
        return Activations(concatenate(parts), keys)
