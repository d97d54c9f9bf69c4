"""Drawing one valid anomaly on one image: render, check, and retry with other random numbers if invalid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anomalies.base import UNKNOWN, Anomaly, Image, Rendered, mask
from anomalies.rng import generator
from anomalies.scene import Scene
from anomalies.validity import Change, Unusable, is_control, measure, problem

ATTEMPTS = 4


@dataclass(frozen=True)
class AnomalousImage:
    """An image with an anomaly and its description.

    Attributes:
        rendered: pixels and maps.
        anomaly: the anomaly with its parameters.
        scene: of the clean image.
        attempt: number of invalid drawings discarded before this one.
        change: measured change of the pixels; None if not measured.
    """

    rendered: Rendered
    anomaly: Anomaly
    scene: Scene = UNKNOWN
    attempt: int = 0
    change: Change | None = None

    @property
    def image(self) -> Image:
        """uint8, shape of the input."""
        return self.rendered.image

    @property
    def kind(self) -> str:
        return self.anomaly.kind

    @property
    def severity(self) -> int:
        return self.anomaly.severity

    @property
    def mask(self) -> Image | None:
        """(H, W) uint8: 1 anomalous, 255 to be ignored, 0 not anomalous; None for anomalies of the whole
        image.
        """
        return None if self.rendered.alpha is None else mask(self.rendered.alpha, self.scene)

    @property
    def labels(self) -> NDArray[np.uint8] | None:
        """(H, W) training ids that belong to the new image; None where the scene had none."""
        return self.scene.labels if self.rendered.labels is None else self.rendered.labels


def draw_once(
    anomaly: Anomaly, image: Image, key: str, seed: int = 0, scene: Scene = UNKNOWN, attempt: int = 0
) -> AnomalousImage:
    """One attempt, valid or not. Attempt 0 takes ``generator(seed, kind, key)``, later ones
    sub-seeds.
    """
    name = f"{key}\0again {attempt}" if attempt else key
    rendered = anomaly.render(image, generator(seed, anomaly.kind, name), scene)
    return AnomalousImage(rendered, anomaly, scene, attempt)


def draw(
    anomalies: Sequence[Anomaly], image: Image, key: str, seed: int = 0, scene: Scene = UNKNOWN
) -> AnomalousImage:
    """The first valid drawing: four attempts with the first anomaly, four with the next, and so on.

    Raises:
        Unusable: none is valid; says why of each kind.
        ValueError: an image of another type or shape.
    """
    return draw_series([anomalies], image, key, seed, scene)[0]


def draw_series(
    series: Sequence[Sequence[Anomaly]], image: Image, key: str, seed: int = 0, scene: Scene = UNKNOWN
) -> list[AnomalousImage]:
    """Several severities of the same anomaly with the same random numbers: the first attempt that is valid at
    all of them, and changes the image more and more.

    Args:
        series: for each severity, weakest first, the anomalies to try; of the same kinds in the same order.

    Raises:
        Unusable: no attempt is valid at all severities; says why of each kind.
        ValueError: an image of another type or shape.
    """
    reasons = []
    for severities in zip(*series, strict=True):
        for attempt in range(ATTEMPTS):
            drawn: list[AnomalousImage] = []
            for anomaly in severities:
                result, reason = _attempt(anomaly, image, key, seed, scene, attempt)
                reason = reason or _not_stronger(drawn, result)
                if reason is not None:
                    break
                drawn.append(result)
            if len(drawn) == len(severities):
                return drawn
        reasons.append(f"{anomaly.kind} {reason}")
    raise Unusable(f"{key}: no anomaly can be drawn: {'; '.join(reasons)}")


def _attempt(
    anomaly: Anomaly, image: Image, key: str, seed: int, scene: Scene, attempt: int
) -> tuple[AnomalousImage, str | None]:
    """A drawing, and why it must not be used."""
    drawn = draw_once(anomaly, image, key, seed, scene, attempt)
    change = measure(image, drawn.rendered)
    return replace(drawn, change=change), problem(image, drawn.rendered, anomaly, scene, change)


def _not_stronger(drawn: list[AnomalousImage], result: AnomalousImage) -> str | None:
    weaker = drawn[-1].change if drawn else None
    if weaker is None or result.change is None or is_control(result.anomaly):
        return None
    grows = result.change.mean_abs_diff > weaker.mean_abs_diff
    return None if grows else f"does not grow at severity {result.severity}"
