"""Street scenes: perspective road, pavements, facades, sky and what happens between them, with exact label maps."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.canvas import OVERSAMPLING, Camera, Canvas, Colour, noise, tone
from datamodules.miniature.street import furniture, traffic
from datamodules.miniature.street.buildings import roadside, skyline
from datamodules.miniature.street.labels import (
    BICYCLE,
    BUS,
    EGO,
    KERB,
    LANE_MARK,
    MOTORCYCLE,
    ROAD,
    SIDEWALK,
    TERRAIN,
    TRAIN,
    TRUCK,
)
from datamodules.miniature.street.solids import FAR
from datamodules.miniature.street.weather import Light, Mood, develop, draw_sky, mood


@dataclass(frozen=True)
class Scene:
    """A rendered frame.

    Attributes:
        image: (H, W, 3) uint8 RGB. labels: (H, W) uint8, Cityscapes ids plus 40 (lane mark) and 41 (kerb).
        instances: (H, W) int32, 0 none. weather, timeofday, place: in BDD100K's words.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.int32]
    weather: str
    timeofday: str
    place: str


def render(random: np.random.Generator, size: tuple[int, int] = (256, 512), ego: bool = True) -> Scene:
    """A frame of ``size`` (H, W) from a generator's numbers alone."""
    height, width = size
    camera = Camera(size, random.uniform(0.40, 0.46), random.uniform(-0.06, 0.06) * width)
    canvas, weather = Canvas(camera), mood(random)
    road, pavement = random.uniform(3.2, 5.5), random.uniform(1.8, 3.2)
    centre = random.uniform(-0.8, 0.8)
    place = str(random.choice(["city street", "residential", "highway"], p=[0.5, 0.4, 0.1]))
    draw_sky(canvas, weather, random)
    _ground(canvas, weather, random, centre, road, pavement)
    edges = (centre - road - pavement, centre + road + pavement)
    skyline(canvas, weather, random)
    for side, edge in zip((-1, 1), edges, strict=True):
        roadside(canvas, weather, random, side, edge, place)
    _things(canvas, weather.light, random, centre, road, pavement)
    if ego:
        hood = camera.size[0] * random.uniform(0.93, 0.97)
        canvas.instance = 0
        canvas.ellipse(
            (width / 2, height * 1.16), (width * 0.62, height * 1.16 - hood), (0.06, 0.065, 0.07), EGO
        )
        canvas.ellipse(
            (width / 2, height * 1.17), (width * 0.58, height * 1.155 - hood), (0.10, 0.105, 0.115), EGO
        )
    image, labels, instances = canvas.finish()
    return Scene(
        develop(image, weather, random), labels, instances, weather.weather, weather.timeofday, place
    )


def _ground(
    canvas: Canvas, weather: Mood, random: np.random.Generator, centre: float, road: float, pavement: float
) -> None:
    grass = tone((0.30, 0.35, 0.17), random.uniform(0.8, 1.2))
    stone = tone((0.50, 0.48, 0.46), random.uniform(0.85, 1.15))
    asphalt = tone((0.30, 0.30, 0.31), random.uniform(0.8, 1.25))
    strips = (
        (200.0, grass, TERRAIN),
        (road + pavement, stone, SIDEWALK),
        (road + 0.18, tone(stone, 1.18), KERB),
        (road, asphalt, ROAD),
    )
    for half, colour, label in strips:
        left, right = centre - half, centre + half
        canvas.solid([(left, 0, 1.2), (left, 0, FAR), (right, 0, FAR), (right, 0, 1.2)], colour, label)
    _texture(canvas, random)
    paint: Colour = (0.82, 0.82, 0.79)
    start = random.uniform(0, 6)
    for z in np.arange(2.0 + start, 70, 6.0):
        mark = [
            (centre - 0.07, 0, z),
            (centre - 0.07, 0, z + 2.6),
            (centre + 0.07, 0, z + 2.6),
            (centre + 0.07, 0, z),
        ]
        canvas.solid(mark, paint, LANE_MARK)
    if random.random() < 0.6:
        for side in (-1, 1):
            x = centre + side * (road - 0.35)
            canvas.solid(
                [(x - 0.06, 0, 1.5), (x - 0.06, 0, 80), (x + 0.06, 0, 80), (x + 0.06, 0, 1.5)],
                paint,
                LANE_MARK,
            )
    if random.random() < 0.25:
        z = random.uniform(9, 22)
        for x in np.arange(centre - road + 0.4, centre + road - 0.4, 0.9):
            canvas.solid([(x, 0, z), (x, 0, z + 3), (x + 0.45, 0, z + 3), (x + 0.45, 0, z)], paint, LANE_MARK)


def _texture(canvas: Canvas, random: np.random.Generator) -> None:
    """Grain on the ground that gets finer with distance, and cast shadows across the road."""
    height, width = canvas.labels.shape
    top = int(canvas.camera.horizon * canvas.camera.size[0] * OVERSAMPLING) + 1
    rows = height - top
    fine = noise((rows, width), random, 10, 2) * 0.018
    coarse = cv2.resize(noise((48, 32), random, 12, 3), (width, rows), interpolation=cv2.INTER_CUBIC) * 0.03
    factor = 1 + fine + coarse
    if random.random() < 0.5:
        edge = random.uniform(0.3, 0.8)
        depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None] + 0.02 * noise(
            (rows, width), random, width / 6, 2
        )
        factor *= 1 - 0.38 * np.clip((0.06 - np.abs(depth - edge) + random.uniform(0, 0.1)) * 60, 0, 1)
    canvas.image[top:] *= factor[..., None]


def _things(
    canvas: Canvas, light: Light, random: np.random.Generator, centre: float, road: float, pavement: float
) -> None:
    """Everything that stands on road and pavement, drawn far to near."""
    things: list[tuple[float, str, float]] = []
    for side in (-1, 1):
        kerb = centre + side * road
        if random.random() < 0.75:
            z = random.uniform(6, 14)
            while z < 70:
                if random.random() < 0.7:
                    things.append((z, "car", kerb - side * 1.1))
                z += random.uniform(5.6, 8)
        posts = np.arange(random.uniform(6, 16), 70, random.uniform(12, 24))
        things += [(float(z), "pole", kerb + side * 0.5) for z in posts]
        if random.random() < 0.5:
            trunks = np.arange(random.uniform(8, 20), 60, random.uniform(9, 18))
            things += [(float(z), "tree", kerb + side * 0.9) for z in trunks]
        walkers = range(int(random.integers(0, 6)))
        beside = (0.4, pavement - 0.2)
        things += [(random.uniform(6, 45), "person", kerb + side * random.uniform(*beside)) for _ in walkers]
        if random.random() < 0.4:
            things.append((random.uniform(6, 25), "parked bicycle", kerb + side * random.uniform(0.6, 1.2)))
    for _ in range(int(random.integers(1, 4))):
        lane = centre + random.choice([-1.0, 1.0]) * road * 0.42
        kind = random.choice(
            ["car", "truck", "bus", "train", "motorcycle", "bicycle"], p=[0.48, 0.13, 0.1, 0.05, 0.1, 0.14]
        )
        things.append((random.uniform(9, 50), str(kind), lane))
    if random.random() < 0.3:
        things.append((random.uniform(8, 25), "person", centre + random.uniform(-1, 1) * road * 0.8))
    for z, kind, x in sorted(things, reverse=True):
        canvas.instance += 1
        if kind == "car":
            traffic.car(canvas, light, random, x, z)
        elif kind in ("truck", "bus", "train"):
            label = {"truck": TRUCK, "bus": BUS, "train": TRAIN}[kind]
            traffic.large(canvas, light, random, x, z, label)
        elif kind == "person":
            traffic.person(canvas, light, random, x, z)
        elif kind == "pole":
            furniture.pole(canvas, light, random, x, z)
        elif kind == "tree":
            furniture.tree(canvas, light, random, x, max(z, 8.0))
        else:
            label = MOTORCYCLE if kind == "motorcycle" else BICYCLE
            traffic.two_wheeler(canvas, light, random, x, z, label, ridden=kind != "parked bicycle")
