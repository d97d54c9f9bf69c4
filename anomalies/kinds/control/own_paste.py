"""Content of the image pasted where it is plausible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.rng import child
from anomalies.scene import PEOPLE, Scene
from anomalies.toolkit.light import no_alpha
from anomalies.toolkit.objects.blending import BLENDS
from anomalies.toolkit.objects.collage import Collage
from anomalies.toolkit.objects.own import Own, own_objects, patch
from anomalies.toolkit.objects.placement import Places, metres_to_pixels

STANDING = (*PEOPLE, "car", "truck", "bus", "motorcycle", "bicycle", "vehicles")
PASTES = (1, 1, 2, 2, 3)
PATCH_HEIGHT = (0.10, 0.14, 0.18, 0.22, 0.26)
PATCH_ASPECT = (1.0, 1.6)
ROW_SHIFT = 0.03
TRIES = 8
RESIZED = (0.6, 1.4)


@dataclass(frozen=True)
class OwnPaste(Anomaly):
    """Content of the image itself, pasted with the code for objects at a plausible place.

    Labelled people and vehicles are copied to another place on the ground, in the size given by the perspective
    (0.6 to 1.4 times the original); labels are copied with them. Without any, an irregular patch of the image is
    copied to another column at about the same rows. The severity sets the number of pastes, 1, 1, 2, 2, 3, and the
    height of patches, 0.10 to 0.26 H.

    Args:
        blend: tier of realism, as for objects: "hard", "feather", "matched" or "poisson". Use the tier of the anomalies
            that this is a control for.

    Raises:
        ValueError: unknown tier.
    """

    kind = "own_paste"
    family = "control"
    level = "pixel"

    blend: str = "matched"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blend not in BLENDS:
            raise ValueError(f"own_paste: blend must be one of {', '.join(BLENDS)}, got {self.blend!r}")

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = (image.shape[0], image.shape[1])
        collage, places = Collage(image, scene, self.blend, anomalous=False), Places(shape, scene)
        standing = [
            own for own in own_objects(scene) if own.name in STANDING and _scale(own, scene, shape) > 0
        ]
        for seed in rng.integers(0, 2**62, PASTES[-1])[: self.of(PASTES)]:
            own = child(seed)
            if standing:
                chosen = standing[int(own.random() * len(standing))]
                _copy(collage, places, chosen, image, scene, own)
            else:
                self._shift(collage, image, scene, own)
        return replace(collage.rendered(control=True), alpha=no_alpha(image), instances=None)

    def _shift(self, collage: Collage, image: Image, scene: Scene, rng: np.random.Generator) -> None:
        """Copy a patch to another column."""
        h, w = image.shape[:2]
        aspect = float(rng.uniform(*PATCH_ASPECT))
        draws = rng.random((TRIES, 4))
        tall = max(4, round(self.of(PATCH_HEIGHT) * h))
        wide = min(max(4, round(tall * aspect)), w // 2)
        spots = []
        for u in draws:
            y, shift = (0.15 + 0.7 * u[0]) * h, (2 * u[1] - 1) * ROW_SHIFT * h
            x = wide / 2 + u[2] * (w - wide)
            other = (x - wide / 2 + wide + u[3] * max(w - 2 * wide, 0)) % max(w - wide, 1) + wide / 2
            spots.append((x, y, other, y + shift))
        void = scene.void
        x, y, to_x, to_y = min(spots, key=lambda s: 0.0 if void is None else _share(void, s, wide, tall))
        cutout = patch(image, scene, rng, (x, y), (tall, wide))
        th, tw = cutout.rgba.shape[:2]
        box = (to_x - tw / 2, to_y - th / 2, to_x + tw / 2, to_y + th / 2)
        collage.add(cutout, (box,), 0, rng, stands=False)


def _copy(
    collage: Collage, places: Places, own: Own, image: Image, scene: Scene, rng: np.random.Generator
) -> None:
    """Copy a labelled object to another place on the ground."""
    shape = (image.shape[0], image.shape[1])
    cutout = own.cutout(image, scene, turn=0, known=True)
    scale = _scale(own, scene, shape)
    size = cutout.rgba.shape[0] / scale / cutout.outline.height
    horizon = scene.horizon * shape[0]
    near, far = (horizon + factor * scale * scene.camera_height for factor in RESIZED[::-1])
    spot = places.on_ground(rng, (size, size), cutout.outline, road=own.name not in PEOPLE, rows=(far, near))
    box = spot.box(size, cutout.outline)
    collage.add(cutout, (box,), 0, rng, stands=True)


def _scale(own: Own, scene: Scene, shape: tuple[int, int]) -> float:
    return metres_to_pixels(own.rows.stop - 1, shape, scene)


def _share(void: Any, spot: tuple[float, ...], wide: int, tall: int) -> float:
    """Share of void in a patch's source and destination."""
    x, y, to_x, to_y = (int(v) for v in spot)
    windows = [
        void[max(b - tall // 2, 0) : b + tall // 2 + 1, max(a - wide // 2, 0) : a + wide // 2 + 1]
        for a, b in ((x, y), (to_x, to_y))
    ]
    return float(sum(window.mean() for window in windows if window.size))
