"""The bright exit of a dark tunnel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Anomaly, Image, Map, Rendered
from anomalies.scene import VOID, Scene
from anomalies.toolkit.depth import FOCAL_LENGTH
from anomalies.toolkit.fields import Shape, blurred, fbm, resized, smoothstep, working_shape
from anomalies.toolkit.light import LUMA, over, screened, toned

EXIT = (10.0, 14.0, 19.0, 26.0, 36.0)
ADAPTED = (1.25, 1.5, 1.8, 2.2, 2.7)
BLOOM = (0.25, 0.35, 0.46, 0.58, 0.70)
FLOOR_LIGHT = (0.55, 0.46, 0.38, 0.30, 0.22)
HALF_WIDTH, CEILING = 4.0, 3.6
LAMP_EVERY, LAMP_LONG, LAMP_ANGLE = 7.0, 1.6, 0.55
SEGMENT = 4.0
CONCRETE = np.array([94, 88, 78], dtype=np.float32)
SODIUM = np.array([255, 196, 120], dtype=np.float32)
STANDING = (
    "car",
    "truck",
    "bus",
    "train",
    "caravan",
    "trailer",
    "person",
    "pedestrian",
    "rider",
    "bicyclist",
)


@dataclass(frozen=True)
class TunnelExit(Anomaly):
    """The last metres of a tunnel 8 m wide: walls, a row of lamps and a dim road around an exit that is overexposed
    because the camera is still adapted to the dark.

    The severity sets the distance of the exit: 10, 14, 19, 26, 36 m, so the opening gets smaller; the gain of
    linear light outside: 1.25 to 2.7; the bloom of the opening: 0.25 to 0.70; and the light left on the road
    inside: 0.55 to 0.22. Labelled vehicles and people occlude the walls.
    """

    kind = "tunnel_exit"
    family = "lighting"
    level = "image"

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        full = (image.shape[0], image.shape[1])
        shape = working_shape(full)
        grain = fbm(rng, (128, 128), 12, octaves=5, gain=0.7)
        shift = rng.uniform(0, LAMP_EVERY)
        floor, bore, angle = _surfaces(shape, scene)
        exit_at, nearness = self.of(EXIT), np.maximum(floor, bore)
        within = smoothstep(nearness * np.float32(exit_at), 0.97, 1.03)
        # Daylight reaches in over the road.
        road = smoothstep(floor * np.float32(exit_at), 0.85, 1.25)
        wall = within * smoothstep(bore / np.maximum(floor, 1e-6), 0.97, 1.03)
        layer = self._concrete(nearness, angle, grain, shift)
        inside = np.maximum(wall, road)
        opening = 1 - within
        glow = 0.6 * blurred(opening, 0.02 * shape[0]) + 0.4 * blurred(opening, 0.10 * shape[0])
        light = self.of(BLOOM) * glow * (0.1 + 0.9 * inside)
        hidden = resized(_hidden(wall, scene, shape), full)
        drawn = over(self._outside(image), self._floor(image), resized(inside, full))
        drawn = over(drawn, _shown(layer, image), hidden)
        drawn = screened(drawn, _shown((light[..., None] * 255).repeat(3, axis=2), image))
        labels = None
        if scene.labels is not None:
            labels = np.where(hidden >= 0.5, np.uint8(VOID), scene.labels)
        return Rendered(drawn, None, labels=labels)

    def _outside(self, image: Image) -> Image:
        levels = np.arange(256)[:, None].repeat(image.shape[2], axis=1) / 255
        return toned(image, 255 * np.minimum(self.of(ADAPTED) ** (1 / 2.2) * (levels + 0.01), 1))

    def _floor(self, image: Image) -> Image:
        light = self.of(FLOOR_LIGHT) * SODIUM / 255
        light = light if image.shape[2] == 3 else (light @ LUMA)[None]
        return toned(image, np.arange(256)[:, None] * light[None])

    def _concrete(self, nearness: Map, angle: Map, grain: Map, shift: float) -> Map:
        """(h, w, 3) colour of walls and ceiling, 0 to 255."""
        depth = 1 / np.maximum(nearness, 1 / 80)
        rows, columns = _folded(depth * 5 + np.float32(shift)), _folded(angle * 24 + 64)
        dirt: Any = cv2.remap(grain, columns, rows, cv2.INTER_LINEAR)
        joint = np.abs((depth + np.float32(shift)) % SEGMENT - SEGMENT / 2)
        blur = 0.02 + 0.004 * depth
        shade = 0.80 + 0.10 * dirt - 0.22 * (1 - smoothstep(joint / blur, 1, 3))
        aside = np.abs(np.abs(angle) - np.float32(LAMP_ANGLE))
        along = np.abs((depth + np.float32(shift)) % LAMP_EVERY - LAMP_EVERY / 2)
        lamp = (1 - smoothstep(aside, 0.03, 0.05)) * (
            1 - smoothstep(along, LAMP_LONG / 2, LAMP_LONG / 2 + 0.15)
        )
        glow = np.exp(-aside / 0.30) * (0.5 + 0.5 * np.exp(-((along / 1.8) ** 2)))
        daylight = np.exp(-np.maximum(self.of(EXIT) - depth, 0) / 4.0)
        brightness = np.clip(shade * (0.62 + 0.75 * glow), 0.05, None)[..., None]
        colour = brightness * CONCRETE * (0.35 + 0.65 * SODIUM / 220) + (36 * shade * daylight)[..., None]
        lit: Map = colour + lamp[..., None] * (SODIUM - colour)
        return lit


def _surfaces(shape: Shape, scene: Scene) -> tuple[Map, Map, Map]:
    """(h, w) nearness, 1 / m, of the road and of the wall where they are seen, and the angle around the tunnel's axis,
    0 at the top.
    """
    h, w = shape
    u = ((np.arange(w, dtype=np.float32) + 0.5 - w / 2) / h)[None, :] / np.float32(FOCAL_LENGTH)
    v = ((np.arange(h, dtype=np.float32) + 0.5) / h - np.float32(scene.horizon))[:, None] / np.float32(
        FOCAL_LENGTH
    )
    floor = np.repeat(np.maximum(v, 0) / np.float32(scene.camera_height), w, axis=1)
    bore = np.hypot(u / HALF_WIDTH, np.minimum(v, 0) / np.float32(CEILING))
    angle = np.arctan2(u / HALF_WIDTH, -np.minimum(v, -1e-6) / np.float32(CEILING))
    return floor.astype(np.float32), bore.astype(np.float32), angle.astype(np.float32)


def _hidden(wall: Map, scene: Scene, shape: Shape) -> Map:
    """(h, w) share of the wall in front of which nothing stands."""
    standing = scene.where(*STANDING)
    return wall if standing is None else wall * (1 - resized(standing.astype(np.float32), shape))


def _folded(position: NDArray[Any]) -> Map:
    """Positions on a field of 128 cells that is mirrored again and again."""
    return np.abs((position % 254) - 127).astype(np.float32)


def _shown(rgb: NDArray[Any], image: Image) -> Image:
    """(h, w, 3) 0 to 255 in the image's channels and size."""
    seen = rgb if image.shape[2] == 3 else (rgb @ LUMA)[..., None]
    levels = np.rint(np.clip(seen, 0, 255)).astype(np.uint8)
    shown: Any = resized(levels, (image.shape[0], image.shape[1]))
    return shown.reshape(image.shape)
