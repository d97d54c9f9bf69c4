"""The monitor: a fitted detector taken along with a network, with a threshold at a chosen false-alarm
rate.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.one_pass import OnePass
from lsood.methods import METHODS
from lsood.metrics.points import threshold_at
from lsood.probes.image import ModelInfo


@dataclass
class Monitor:
    """Scores images as they come and raises alarms.

    Args:
        network: the network the detector was fitted on, in its input normalisation.
        detector: attached, fitted and calibrated.
        threshold: alarm when score > threshold.
        false_alarm_rate: for which the threshold was chosen.
        calibration_size: in-distribution images it was chosen on.

    Example::

        monitor = Monitor.calibrated(network, detector, validation_scores, false_alarm_rate=0.01)
        monitor.save("monitor"); monitor = Monitor.load("monitor", network)
        scores, alarms = monitor(images)
    """

    network: nn.Module
    detector: Detector
    threshold: float
    false_alarm_rate: float
    calibration_size: int
    device: str = "cpu"
    _pass: OnePass = field(init=False, repr=False)

    def __post_init__(self) -> None:
        steps = self.detector.perturbations()
        self._pass = OnePass(self.network, self.detector.probes(), steps, self.device)

    @classmethod
    def calibrated(
        cls,
        network: nn.Module,
        detector: Detector,
        validation_scores: Tensor,
        false_alarm_rate: float = 0.05,
        device: str = "cpu",
    ) -> Monitor:
        """With the threshold that held-out in-distribution scores exceed at the given rate."""
        threshold = threshold_at(validation_scores, false_alarm_rate)
        return cls(network, detector, threshold, false_alarm_rate, len(validation_scores), device)

    def __call__(self, images: Tensor, keys: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
        """Score a batch.

        Args:
            images: (B, C, H, W) float32, normalised as in training.
            keys: stable image ids that seed the Monte-Carlo masks; default: position in the batch.

        Returns:
            scores (B,) float64, higher = more anomalous; alarms (B,) bool.
        """
        names = [str(i) for i in range(len(images))] if keys is None else list(keys)
        scores = self.detector.score(Activations(self._pass(images, names), names))
        return scores, scores > self.threshold

    def save(self, folder: str | Path) -> Path:
        """Write monitor.json and state.safetensors into a new folder, whole or not at all.

        Raises:
            ValueError: a detector without saved state.
            FileExistsError: the folder exists.
        """
        folder = Path(folder)
        if folder.exists():
            raise FileExistsError(f"{folder} exists already; give a new folder")
        state = self.detector.state()
        kind = type(self.detector)
        content = {
            "detector": METHODS.spec_of(kind),
            "params": self.detector.get_params(),
            "model_info": asdict(replace(self.detector._model_info(), head=None)),
            "threshold": self.threshold,
            "false_alarm_rate": self.false_alarm_rate,
            "calibration_size": self.calibration_size,
        }
        part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        part.mkdir(parents=True)
        try:
            save_file(
                {name: tensor.contiguous().clone() for name, tensor in state.items()},
                part / "state.safetensors",
            )
            (part / "monitor.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: str | Path, network: nn.Module, device: str = "cpu") -> Monitor:
        """The saved monitor around the network it was made for.

        Raises:
            FileNotFoundError: no monitor in the folder.
            ValueError: what it names is no detector.
        """
        folder = Path(folder)
        if not (folder / "monitor.json").is_file():
            raise FileNotFoundError(f"no monitor in {folder}: monitor.json is missing")
        content = json.loads((folder / "monitor.json").read_text(encoding="utf-8"))
        kind = METHODS.find(METHODS.moved(content["detector"]))
        if not (isinstance(kind, type) and issubclass(kind, Detector)):
            raise ValueError(f"{folder / 'monitor.json'}: {content['detector']!r} is not a detector")
        described = content.get("model_info") or content["subject"]  # "subject" in release 0.1
        model_info: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in described.items()}
        detector = kind.from_state(load_file(folder / "state.safetensors"), **content["params"]).attach(
            ModelInfo(**model_info)
        )
        figures = (content["threshold"], content["false_alarm_rate"], content["calibration_size"])
        return cls(network, detector, *figures, device=device)
