"""The monitor: a fitted detector taken along with a network, with a threshold at a chosen false-alarm
rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lsood import monitor_file
from lsood.detector import Detector
from lsood.extraction.activations import Activations
from lsood.extraction.masks import FixedKey
from lsood.extraction.one_pass import OnePass
from lsood.extraction.undisturbed import check_identity, identity, state_of, undisturbed
from lsood.io import log
from lsood.methods import METHODS
from lsood.metrics.points import threshold_at
from lsood.text import shape_text

CHUNK = 32


@dataclass
class Monitor:
    """Scores images as they come and raises alarms.

    It owns one fixed set of Monte-Carlo masks, the same for every image and on every device: an image has one score,
    alone or in any batch, up to rounding. It measures in evaluation mode, also inside `torch.inference_mode` and
    autocast, and leaves the network as it was: modes, ``requires_grad``, hooks, buffers. Before each call it looks
    whether the network is still the one it was made with.

    Args:
        network: the network the detector was fitted on, in its input normalisation.
        detector: attached, fitted and calibrated.
        threshold: alarm when score > threshold.
        false_alarm_rate: for which the threshold was chosen.
        calibration_size: in-distribution images it was chosen on.
        device: where the network is moved to; None: it stays where it is.
        masks: "fixed"; or "keys", of a threshold from scores made with masks of their own for every image: such a
            monitor needs the images' keys in each call.
        image_shape: (C, H, W) of the images it has scored; None: of those of the first call. Methods that compare with
            images of one size (FSSD) score no others.

    Raises:
        ValueError: the detector needs a layer that the network lacks.

    Example::

        monitor = Monitor.calibrated(network, detector, validation_images, false_alarm_rate=0.01)
        monitor.save("monitor"); monitor = Monitor.load("monitor", network)
        scores, alarms = monitor(images)
    """

    network: nn.Module
    detector: Detector
    threshold: float
    false_alarm_rate: float
    calibration_size: int
    device: str | torch.device | None = None
    masks: str = "fixed"
    image_shape: tuple[int, ...] | None = None
    _prepared: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    _upstream_random: bool | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.masks not in ("fixed", "keys"):
            raise ValueError(f'masks must be "fixed" or "keys", got {self.masks!r}')
        if self.device is not None:
            self.network.to(self.device)
        self._identity, self._state = identity(self.network), state_of(self.network)
        self._measured(None, [])

    @classmethod
    def calibrated(
        cls,
        network: nn.Module,
        detector: Detector,
        validation: Tensor | Iterable[Any] | None = None,
        false_alarm_rate: float = 0.05,
        device: str | torch.device | None = None,
        *,
        validation_scores: Tensor | None = None,
    ) -> Monitor:
        """With the threshold that held-out in-distribution images exceed at the given rate.

        Args:
            validation: the images (N, C, H, W), normalised as in training, or batches of them: tensors, mappings with
                "image", or tuples that begin with the images; none that the detector was fitted or calibrated on. They
                are scored as calls will be. Or their scores (N,),
                also under the name ``validation_scores``; where the method samples, these belong to the images' own
                masks, so that the monitor then needs the images' keys in each call.

        Raises:
            ValueError: no images, or fewer than the rate needs, 1 / rate - 1.
        """
        given = validation if validation_scores is None else validation_scores
        if given is None:
            raise ValueError("a monitor needs validation images, or their scores")
        if getattr(given, "ndim", None) == 1:
            masks = "keys" if any(probe.uses_masks for probe in detector.probes()) else "fixed"
            monitor = cls(network, detector, float("inf"), false_alarm_rate, 0, device, masks)
            scores = torch.as_tensor(given)
        else:
            monitor = cls(network, detector, float("inf"), false_alarm_rate, 0, device)
            batches = given.split(CHUNK) if isinstance(given, Tensor) else given
            parts = [monitor(_images(batch))[0] for batch in batches]
            scores = torch.cat(parts) if parts else torch.empty(0)
        monitor.threshold, monitor.calibration_size = threshold_at(scores, false_alarm_rate), len(scores)
        if 0 < false_alarm_rate < 1 / (len(scores) + 1) - 1e-12:
            raise ValueError(
                f"a false-alarm rate of {false_alarm_rate:g} needs more than {len(scores)} validation images; the "
                f"smallest that these can give is {1 / (len(scores) + 1):.3g}"
            )
        return monitor

    def __call__(self, images: Tensor, keys: Sequence[str] | None = None) -> tuple[Tensor, Tensor]:
        """Score a batch.

        Args:
            images: (B, C, H, W) float32, normalised as in training.
            keys: B stable image ids, for messages; with masks "keys" they seed the Monte-Carlo masks.

        Returns:
            scores (B,) float64, higher = more anomalous; alarms (B,) bool.

        Raises:
            ValueError: the network has changed since the monitor was made; masks "keys" without keys; images of another
                size, see ``image_shape``; values that are not finite.
        """
        if self.masks == "keys" and keys is None:
            raise ValueError(
                "this monitor's threshold is of scores with masks by image key: give the images' keys, or make it with "
                "Monitor.calibrated(network, detector, images)"
            )
        names = [str(i) for i in range(len(images))] if keys is None else list(keys)
        if len(names) != len(images):
            raise ValueError(f"{len(images)} images but {len(names)} keys")
        if (state := state_of(self.network)) != self._state:
            check_identity(identity(self.network), self._identity, "the monitor")
            self._state = state
        scores = self._measured(images, names)
        return scores, scores > self.threshold

    def _measured(self, images: Tensor | None, names: list[str]) -> Tensor:
        """(B,) scores; None: only what is needed for them is checked."""
        probes, steps = self.detector.probes(), self.detector.perturbations()
        first = next(self.network.parameters(), None)
        device = torch.device("cpu") if first is None else first.device
        members = [member for probe in probes for member in getattr(probe, "members", ())]
        seeds = [FixedKey(name) for name in names] if self.masks == "fixed" else names
        with (
            undisturbed([self.network, *members], device),
            OnePass(self.network, probes, steps, device, self._prepared, place=False) as run,
        ):
            if images is None:
                return torch.empty(0)
            self._check_shape(tuple(images.shape[1:]), any(probe.one_size for probe in probes))
            run.upstream_random = self._upstream_random
            found = run(images, seeds)
            self._upstream_random = run.upstream_random
            return self.detector.score(Activations(found, names))

    def _check_shape(self, shape: tuple[int, ...], one_size: bool) -> None:
        self.image_shape = self.image_shape or shape
        if one_size and shape != self.image_shape:
            raise ValueError(
                f"{self.detector.name} compares images of one size: the monitor's are {shape_text(self.image_shape)}, "
                f"these are {shape_text(shape)}; resize them as for the threshold"
            )

    def save(self, folder: str | Path) -> Path:
        """Write monitor.json and state.safetensors into a new folder, whole or not at all.

        Raises:
            ValueError: the network has changed since the monitor was made.
            FileExistsError: the folder exists.
        """
        check_identity(identity(self.network), self._identity, "the monitor")
        content = {
            "detector": METHODS.spec_of(type(self.detector)),
            "params": self.detector.get_params(),
            "model_info": asdict(replace(self.detector._model_info(), head=None)),
            "threshold": self.threshold,
            "false_alarm_rate": self.false_alarm_rate,
            "calibration_size": self.calibration_size,
            "masks": self.masks,
            "image_shape": self.image_shape,
            "network": self._identity,
        }
        return monitor_file.write(Path(folder), content, self.detector.state())

    @classmethod
    def load(
        cls,
        folder: str | Path,
        network: nn.Module,
        device: str | torch.device | None = None,
        trust: bool = False,
    ) -> Monitor:
        """The saved monitor around the network it was made for.

        Args:
            trust: also load detectors that are not registered (``package.module:Class``, ``file.py:Class``), which
                imports, so runs, the code that the file names.

        Raises:
            FileNotFoundError: no monitor in the folder.
            ValueError: a damaged file; no registered detector, without ``trust``; another network.
        """
        folder = Path(folder)
        with torch.inference_mode(False):
            content, state = monitor_file.read(folder)
            detector = monitor_file.detector_of(content, state, folder, trust)
        if isinstance(content.get("network"), Mapping):
            check_identity(identity(network), dict(content["network"]), str(folder))
        else:
            log.warning(
                "%s does not say which network it was made for; make it anew to have that checked", folder
            )
        sampled = any(probe.uses_masks for probe in detector.probes())
        masks = content.get("masks", "keys" if sampled else "fixed")
        figures = (content["threshold"], content["false_alarm_rate"], content["calibration_size"])
        shape = content.get("image_shape")
        return cls(network, detector, *figures, device, masks, None if shape is None else tuple(shape))


def _images(batch: Any) -> Tensor:
    """The images of a batch as loaders give it."""
    found = batch["image"] if isinstance(batch, Mapping) else batch
    images = found[0] if isinstance(found, tuple | list) else found
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise ValueError("validation images must be (B, C, H, W), in one tensor or in batches")
    return images
