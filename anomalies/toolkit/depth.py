"""Distances in the scene: measured, estimated from labels, or guessed from the position in the image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import Image, Map
from anomalies.scene import GROUND, SKY, Scene
from anomalies.toolkit.fields import Shape, blurred, resized, smoothstep, working_shape
from anomalies.toolkit.light import luma

HORIZON = 0.42
FOCAL_LENGTH = 2.2
CAMERA_HEIGHT = 1.3
STREET_HALF_WIDTH = 10.0
END_OF_STREET = 150.0
SKY_DISTANCE = 400.0
BACKGROUND = ("building", "wall", "fence", "vegetation", "tree", "bridge", "tunnel")


def distances(image: Image, scene: Scene) -> Map | None:
    """Distances from what is known about the scene.

    Measured ones where there are; elsewhere ground lies on a plane, what stands on it is as far as its foot, and
    the sky is 400 m away.

    Args:
        image: (H, W, C) uint8.

    Returns:
        (H, W) float32 in metres; None where neither depth nor classes of ground or sky are known.
    """
    told = _told(image, scene)
    if scene.depth is None:
        return told
    known = (scene.depth > 0).astype(np.float32)
    rest = street_distance(image, scene.horizon, scene.camera_height) if told is None else told
    # A hole takes the distance of its surroundings, if there are any nearby.
    reach = 0.015 * image.shape[0]
    weight = blurred(known, reach)
    around = blurred(scene.depth * known, reach) / np.maximum(weight, 1e-3)
    filled = np.where(weight > 0.02, around, rest)
    distance = np.where(known > 0, scene.depth, filled).astype(np.float32)
    sky = scene.where(*SKY)
    return distance if sky is None else np.where(sky, np.float32(SKY_DISTANCE), distance)


def _told(image: Image, scene: Scene) -> Map | None:
    ground, sky = scene.where(*GROUND), scene.where(*SKY)
    if (ground is None or not ground.any()) and (sky is None or not sky.any()):
        return None
    full = (image.shape[0], image.shape[1])
    guess = street_distance(resized(image, working_shape(full)), scene.horizon, scene.camera_height)
    distance: Map = resized(guess.astype(np.float32), full)
    if ground is not None and ground.any():
        plane = ground_distance(full[0], scene.horizon, scene.camera_height)
        feet = foot_rows(ground)
        # Feet below the image or behind the bonnet: as near as the position in the image allows.
        behind = np.minimum(distance, np.float32(END_OF_STREET))
        distance = np.append(plane, plane[-1])[feet]
        np.copyto(distance, behind, where=feet == full[0])
        background = scene.where(*BACKGROUND)
        if background is not None:
            np.copyto(distance, _background(ground, background, plane, behind), where=background)
    if sky is not None:
        np.copyto(distance, np.float32(SKY_DISTANCE), where=sky)
    return distance


def _background(ground: NDArray[np.bool_], background: NDArray[np.bool_], plane: Map, behind: Map) -> Map:
    """(H, W) distance of facades and trees: from where their foot is not hidden by something in front of them,
    smoothed along the street.
    """
    full = (ground.shape[0], ground.shape[1])
    shape = working_shape(full)
    rows, columns = (np.arange(n) * size // n for n, size in zip(shape, full, strict=True))
    grid = np.ix_(rows, columns)
    feet, other = foot_rows(ground[grid]), foot_rows(~ground[grid] & ~background[grid])
    seen = (background[grid] & (feet < other)).astype(np.float32)
    near = np.float32(1) / plane[rows[np.minimum(feet, shape[0] - 1)]]
    reach = 0.06 * shape[0]
    weight = blurred(seen, reach)
    trusted = smoothstep(weight, 0.02, 0.15)
    smooth = blurred(near * seen, reach) / np.maximum(weight, 1e-3)
    nearness = trusted * smooth + (1 - trusted) / behind[grid]
    distance: Map = np.float32(1) / np.maximum(resized(nearness.astype(np.float32), full), 1e-3)
    return distance


def foot_rows(ground: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(H, W) row of the nearest ground at or below each pixel; H where there is none."""
    h = ground.shape[0]
    rows: NDArray[np.int32] = np.where(ground, np.arange(h, dtype=np.int32)[:, None], np.int32(h))
    # Row by row, eight times faster than numpy's accumulate along this axis.
    for row in range(h - 2, -1, -1):
        np.minimum(rows[row], rows[row + 1], out=rows[row])
    return rows


def ground_distance(rows: int, horizon: float = HORIZON, camera_height: float = CAMERA_HEIGHT) -> Map:
    """(rows,) distance of flat ground, at most 150 m."""
    below = (np.arange(rows, dtype=np.float32) + 0.5) / rows - horizon
    nearness = np.maximum(below, 0) / np.float32(FOCAL_LENGTH * camera_height)
    distance: Map = (1 / np.sqrt(nearness**2 + END_OF_STREET**-2)).astype(np.float32)
    return distance


def street_distance(image: Image, horizon: float = HORIZON, camera_height: float = CAMERA_HEIGHT) -> Map:
    """Distances in metres guessed from the position in the image: flat ground, facades 10 m to both sides,
    the end of the street after 150 m, sky beyond.

    Args:
        image: (h, w) or (h, w, C) uint8; bright smooth parts above the horizon are taken for sky.
        horizon: its row as a fraction of the height.
        camera_height: above the ground, in metres.

    Returns:
        (h, w) float32.
    """
    h, w = image.shape[:2]
    rows = ((np.arange(h, dtype=np.float32) + 0.5) / h - np.float32(horizon))[:, None]
    columns = np.abs((np.arange(w, dtype=np.float32) + 0.5 - w / 2) / h)[None, :]
    ground = np.maximum(rows, 0) / np.float32(FOCAL_LENGTH * camera_height)
    facade = columns / np.float32(FOCAL_LENGTH * STREET_HALF_WIDTH)
    # The nearest of the three, without a kink where one takes over from another.
    distance = 1 / np.sqrt(ground**2 + facade**2 + np.float32(END_OF_STREET**-2))
    sky = _looks_like_sky(image, rows)
    return distance + sky * (SKY_DISTANCE - distance)


def _looks_like_sky(image: Image, rows: Map) -> Map:
    """How much each pixel looks like sky, 0 to 1."""
    h = image.shape[0]
    bright = blurred(luma(image), 0.01 * h)
    rough = blurred(np.abs(luma(image) - bright), 0.01 * h)
    level = float(np.quantile(bright[: h // 2], 0.95))
    # At night what is bright is the glow of lamps.
    day = min(max((level - 50) / 40, 0.0), 1.0)
    looks = day * smoothstep(bright, 0.6 * level, 0.9 * level) * (1 - smoothstep(rough, 2.0, 8.0))
    return blurred(looks * (rows < 0), 0.01 * h).astype(np.float32)


def below_horizon(shape: Shape, horizon: float, width: float) -> Map:
    """(h, 1) share of the ground in each row where no labels tell: 0 above the horizon, 1 from ``width`` x h
    below it.
    """
    rows = (np.arange(shape[0], dtype=np.float32)[:, None] + 0.5) / shape[0]
    return smoothstep(rows, horizon, horizon + width)


def guessed_road(shape: Shape, horizon: float, slope: float = 2.2) -> Map:
    """(h, w) share of road where no labels tell: a strip that widens by ``slope`` to both sides towards the camera."""
    h, w = shape
    below = ((np.arange(h, dtype=np.float32) + 0.5) / h - np.float32(horizon))[:, None]
    aside = np.abs(np.arange(w, dtype=np.float32) + 0.5 - w / 2)[None, :] / h
    strip = 1 - smoothstep(aside - np.float32(slope) * below, -0.04, 0.04)
    return (strip * smoothstep(below, 0.02, 0.08)).astype(np.float32)


def labelled_ground(scene: Scene, shape: Shape, *classes: str) -> Map | None:
    """(h, w) share of the classes' pixels, softened; None without labels of them."""
    where = scene.where(*classes)
    if where is None:
        return None
    share: Any = cv2.resize(where.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    softened: Map = blurred(share, max(0.3, 0.002 * shape[0]))
    return softened
