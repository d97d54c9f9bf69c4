"""One valid anomaly on one image: drawn, checked, and drawn again with other random numbers where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalies.base import UNKNOWN, Anomaly, Image, Rendered, mask
from anomalies.rng import generator
from anomalies.scene import Scene
from anomalies.validity import Change, Unusable, measure, problem

ATTEMPTS = 4


@dataclass(frozen=True)
class AnomalousImage:
    """An image with an anomaly, and what it is.

    Attributes:
        rendered: pixels and maps.
        anomaly: the anomaly with its parameters.
        scene: of the clean image.
        attempt: 0, or how many drawings were thrown away because they were not valid.
        change: what it did to the pixels; None where nobody measured.
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
    """One attempt, whatever comes of it. Attempt 0 takes ``generator(seed, kind, key)``, later ones
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
    reasons = []
    for anomaly in anomalies:
        for attempt in range(ATTEMPTS):
            drawn = draw_once(anomaly, image, key, seed, scene, attempt)
            change = measure(image, drawn.rendered)
            reason = problem(image, drawn.rendered, anomaly, scene, change)
            if reason is None:
                return AnomalousImage(drawn.rendered, anomaly, scene, attempt, change)
        reasons.append(f"{anomaly.kind} {reason}")
    raise Unusable(f"{key}: no anomaly can be drawn: {'; '.join(reasons)}")
