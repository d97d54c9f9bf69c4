"""Measurements from files of detections: no image is forwarded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from benchmarks.pipeline.extraction import Extraction, Missing
from benchmarks.predictions.files import Entries
from benchmarks.predictions.images import Place, place_of
from benchmarks.predictions.network import FEATURES, StatedDetector
from datamodules import BenchmarkDataModule, ImageSet
from datamodules.loading.samples import collate
from lsood.extraction.measurement import Measurement
from lsood.extraction.one_pass import OnePass
from lsood.probes.base import ForwardOutputs, Probe, Targets
from lsood.probes.detection_logits import DetectionScores
from lsood.probes.detections import Detections
from lsood.probes.image import Pooled
from lsood.probes.objects import ObjectField, ObjectLabels, ObjectPlace, ObjectProbe
from lsood.probes.perturbation import Perturbation

AT_ONCE = 64
Watch = Callable[[str, Iterable[Any]], Iterable[Any]]


class StatedPass(OnePass):
    """One pass in which the detections of images come from files.

    Args:
        detections: {key of an image: its detections}.
    """

    detections: Mapping[str, Detections]

    def forward(
        self, images: Tensor, keys: Sequence[str] = (), targets: Targets | None = None
    ) -> ForwardOutputs:
        found = [self.detections[key] for key in keys]
        return ForwardOutputs(self.network, images, images.new_empty(0), keys, targets, {}, {}, False, found)


@dataclass
class StatedExtraction(Extraction):
    """Measures sets by files of detections. Images are read where a method looks at them itself; nothing is cached.

    Args:
        data: the data module, set up. found: the detections of images.
    """

    data: BenchmarkDataModule = field(kw_only=True)
    found: Mapping[Place, Entries] = field(kw_only=True)

    def measure(
        self,
        title: str,
        loader: Iterable[Any],
        fingerprint: str,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation] = (),
        smallest: tuple[int, int] | None = None,
    ) -> Measurement:
        images: ImageSet = loader.dataset.images  # type: ignore[attr-defined]
        self._of_set = {images.keys[i]: self._detections(images, i) for i in range(len(images))}
        missing = Missing.all_of(probes, perturbations)
        looking = [p for p in missing.images if not p.needs_network]
        batches = loader if looking else list(self._outlines(loader))
        return self._pass(title, batches, missing, self.store)

    def _detections(self, images: ImageSet, index: int) -> Detections:
        entries = self.found.get(place_of(images, index))
        network: Any = self.network
        features = network.predictions.features
        if entries is None:
            return Detections.none(self.data.num_classes, features, (0, 1, 1))
        boxes = self.data.preprocess.boxes(entries.boxes, *images.shape(index))
        logits, background = torch.from_numpy(entries.logits), torch.from_numpy(entries.background)
        return Detections(
            boxes=boxes,
            labels=torch.from_numpy(entries.labels),
            scores=torch.from_numpy(entries.scores),
            logits=logits,
            background=background,
            features=torch.from_numpy(entries.features),
            regions=torch.empty(len(boxes), 0, 1, 1),
            origins=torch.arange(len(boxes)),
            proposal_logits=logits,
            proposal_background=background,
            proposal_boxes=boxes,
        )

    def _outlines(self, loader: Any) -> Iterator[dict[str, Any]]:
        """Batches with keys and targets alone."""
        dataset = loader.dataset
        images: ImageSet = dataset.images
        for start in range(0, len(images), AT_ONCE):
            items = [images.outline(i) for i in range(start, min(start + AT_ONCE, len(images)))]
            yield collate(
                [
                    {
                        "image": torch.empty(0),
                        "key": item.key,
                        "target": dataset.target_of(item, dataset.preprocess),
                    }
                    | (
                        {"kind": item.kind, "severity": item.severity, "source": item.source}
                        if item.kind
                        else {}
                    )
                    for item in items
                ]
            )

    def _runner(
        self, probes: Sequence[Probe], steps: Sequence[Perturbation], failed: dict[str, str]
    ) -> OnePass:
        network = self.network
        assert isinstance(network, StatedDetector)
        run = StatedPass(network, probes, steps, failed=failed)
        run.detections = self._of_set
        assert run.failed_objects is not None
        failed |= {step.name: network.reason for step in steps}
        for probe in probes:
            if isinstance(probe, ObjectProbe):
                if reason := self._lacking(probe, network):
                    run.failed_objects[probe.name] = reason
            elif probe.needs_network and not isinstance(probe, DetectionScores):
                failed[probe.name] = network.reason
        return run

    @staticmethod
    def _lacking(probe: ObjectProbe, network: StatedDetector) -> str | None:
        """Why a quantity of detections is not known; None: it is."""
        if isinstance(probe, ObjectField) and probe.name == Pooled(FEATURES).name:
            if network.predictions.features:
                return None
            return f"the entries of {network.predictions.name} have no features"
        known = isinstance(probe, ObjectField | ObjectLabels | ObjectPlace)
        return None if known else network.reason
