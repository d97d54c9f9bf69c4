"""What must not alarm: images that a generator touched without making them anomalous.

A detector that alarms on these has learned traces of the generator, not what is unusual in the scene. All of them
have an alpha of zero everywhere, so their masks say "not anomalous".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.light import toned
from anomalies.objects import child
from anomalies.parts.blending import BLENDS
from anomalies.parts.collage import Collage
from anomalies.parts.cutouts import Own, own_objects, patch
from anomalies.parts.placement import Places, metres_to_pixels
from anomalies.scene import PEOPLE, Scene

STANDING = (*PEOPLE, "car", "truck", "bus", "motorcycle", "bicycle", "vehicles")
PASTES = (1, 1, 2, 2, 3)
PATCH_HEIGHT = (0.10, 0.14, 0.18, 0.22, 0.26)
PATCH_ASPECT = (1.0, 1.6)
ROW_SHIFT = 0.03
TRIES = 8
RESIZED = (0.6, 1.4)

STOPS = (0.03, 0.06, 0.09, 0.12, 0.15)
TINT = (0.01, 0.02, 0.03, 0.04, 0.05)
QUALITY = (98, 96, 94, 92, 90)
NOISE = (0.5, 0.8, 1.1, 1.4, 1.7)
SOFTER = (0.10, 0.20, 0.30, 0.40, 0.50)
VARIATIONS = ("exposure", "white_balance", "compression", "noise", "sharpness")


@dataclass(frozen=True)
class Identity(Anomaly):
    """No anomaly: the pixels of the input, to be encoded as the anomalous images are. The severity has no effect."""

    kind = "identity"
    family = "control"
    level = "pixel"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        return Rendered(image.copy(), _nothing(image))


@dataclass(frozen=True)
class OwnPaste(Anomaly):
    """Content of the image itself, pasted by the code that pastes objects, where such content belongs.

    Labelled people and vehicles are copied to another place on the ground, in the size that the perspective asks
    for (0.6 to 1.4 times their own); labels move with them. Without any, a lobed patch of the image is copied to
    another column of about the same rows. The severity sets the number of pastes, 1, 1, 2, 2, 3, and the height of
    patches, 0.10 to 0.26 H.

    Args:
        blend: tier of realism, see `anomalies.objects.Pasted`. Use the one of the anomalies to be controlled.

    Raises:
        ValueError: an unknown tier.
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
        return replace(collage.rendered(control=True), alpha=_nothing(image), instances=None)

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


@dataclass(frozen=True)
class NearMiss(Anomaly):
    """What every camera does from one image to the next: a little brighter, warmer, noisier, softer, more compressed.

    Severities, all within what a monitor must tolerate: exposure by 0.03, 0.06, 0.09, 0.12, 0.15 stops up or down;
    white balance (red against blue) by 1 to 5 %; JPEG quality 98, 96, 94, 92, 90; noise with a standard deviation of
    0.5, 0.8, 1.1, 1.4, 1.7 levels; 10 to 50 % of a blur by 0.0007 H, at least 0.6 pixels.

    Args:
        variation: "any", "exposure", "white_balance", "compression", "noise" or "sharpness".

    Raises:
        ValueError: an unknown variation.
    """

    kind = "near_miss"
    family = "control"
    level = "pixel"

    variation: str = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variation != "any" and self.variation not in VARIATIONS:
            raise ValueError(
                f"near_miss: variation must be any or one of {', '.join(VARIATIONS)}, got {self.variation!r}"
            )

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        chosen = VARIATIONS[int(rng.integers(len(VARIATIONS)))]
        sign = 1.0 if rng.random() < 0.5 else -1.0
        name = chosen if self.variation == "any" else self.variation
        changed = {
            "exposure": lambda: _gained(image, [2 ** (sign * self.of(STOPS))] * 3),
            "white_balance": lambda: _gained(image, [1 + sign * self.of(TINT), 1, 1 - sign * self.of(TINT)]),
            "compression": lambda: _compressed(image, self.of(QUALITY)),
            "noise": lambda: _noisy(image, rng, self.of(NOISE)),
            "sharpness": lambda: _softer(image, self.of(SOFTER)),
        }[name]()
        return Rendered(changed, _nothing(image), details={"variation": name, "control": True})


def _nothing(image: Image) -> Map:
    return np.zeros(image.shape[:2], dtype=np.float32)


def _gained(image: Image, gains: list[float]) -> Image:
    """Light, not code values, is multiplied; grey images by the mean gain."""
    own = gains if image.shape[2] == 3 else [float(np.mean(gains))]
    levels = np.arange(256.0)[:, None] / 255
    return toned(image, 255 * (levels**2.2 * np.array(own)).clip(0, 1) ** (1 / 2.2))


def _compressed(image: Image, quality: int) -> Image:
    bgr = image[..., ::-1] if image.shape[2] == 3 else image
    data: Any = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    how = cv2.IMREAD_COLOR if image.shape[2] == 3 else cv2.IMREAD_GRAYSCALE
    decoded: Any = cv2.imdecode(data, how)
    return np.ascontiguousarray(decoded.reshape(image.shape)[..., ::-1])


def _noisy(image: Image, rng: np.random.Generator, deviation: float) -> Image:
    noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(deviation)
    return np.rint(image + noise[..., None]).clip(0, 255).astype(np.uint8)


def _softer(image: Image, share: float) -> Image:
    soft: Any = cv2.GaussianBlur(image, (0, 0), max(0.6, 0.0007 * image.shape[0]))
    mixed: Any = cv2.addWeighted(image, 1 - share, soft.reshape(image.shape), share, 0)
    return mixed.reshape(image.shape)


KINDS: tuple[type[Anomaly], ...] = (Identity, OwnPaste, NearMiss)
