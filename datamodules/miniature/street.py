"""Street scenes: perspective road, pavements, facades, sky and what happens between them, with exact label
maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.miniature import traffic
from datamodules.miniature.canvas import OVERSAMPLING, Camera, Canvas, Colour, noise, tone
from datamodules.miniature.traffic import Light

EGO, ROAD, SIDEWALK, BUILDING, WALL, FENCE, TERRAIN, SKY = 1, 7, 8, 11, 12, 13, 22, 23
LANE_MARK, KERB = 40, 41
FAR = 120.0
PLASTER = ((0.72, 0.66, 0.56), (0.62, 0.42, 0.34), (0.58, 0.58, 0.57), (0.78, 0.74, 0.66), (0.66, 0.52, 0.40),
           (0.48, 0.32, 0.27), (0.70, 0.70, 0.72), (0.55, 0.60, 0.62))  # fmt: skip


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


@dataclass(frozen=True)
class Mood:
    """Colours of sky and light of a frame."""

    zenith: Colour
    horizon: Colour
    tint: Colour
    exposure: float
    haze: float
    clouds: float
    light: Light
    weather: str
    timeofday: str


def mood(random: np.random.Generator) -> Mood:
    """Clear, partly cloudy, overcast or low sun, from either side."""
    kind = random.choice(["clear", "partly cloudy", "overcast", "evening"], p=[0.35, 0.3, 0.25, 0.1])
    bright, dull = random.uniform(1.0, 1.15), random.uniform(0.55, 0.75)
    left, right = (bright, dull) if random.random() < 0.5 else (dull, bright)
    light = Light(left, right, random.uniform(0.75, 1.0), 0.62)
    exposure = random.uniform(0.88, 1.1)
    if kind == "overcast":
        flat = Light(0.85, 0.85, 0.85, 0.4)
        return Mood(
            (0.72, 0.75, 0.78),
            (0.86, 0.87, 0.88),
            (0.97, 0.99, 1.02),
            exposure,
            0.22,
            0.5,
            flat,
            kind,
            "daytime",
        )
    if kind == "evening":
        return Mood(
            (0.40, 0.46, 0.62),
            (0.95, 0.76, 0.56),
            (1.06, 0.97, 0.84),
            0.8 * exposure,
            0.18,
            0.6,
            light,
            "clear",
            "dawn/dusk",
        )
    clouds = 0.25 if kind == "clear" else 0.9
    return Mood(
        (0.36, 0.56, 0.84),
        (0.78, 0.86, 0.93),
        (1.02, 1.0, 0.97),
        exposure,
        0.1,
        clouds,
        light,
        kind,
        "daytime",
    )


def render(random: np.random.Generator, size: tuple[int, int] = (256, 512), ego: bool = True) -> Scene:
    """A frame of ``size`` (H, W) from a generator's numbers alone."""
    height, width = size
    camera = Camera(size, random.uniform(0.40, 0.46), random.uniform(-0.06, 0.06) * width)
    canvas, weather = Canvas(camera), mood(random)
    road, pavement = random.uniform(3.2, 5.5), random.uniform(1.8, 3.2)
    centre = random.uniform(-0.8, 0.8)
    place = str(random.choice(["city street", "residential", "highway"], p=[0.5, 0.4, 0.1]))
    _sky(canvas, weather, random)
    _ground(canvas, weather, random, centre, road, pavement)
    edges = (centre - road - pavement, centre + road + pavement)
    _skyline(canvas, weather, random)
    for side, edge in zip((-1, 1), edges, strict=True):
        _roadside(canvas, weather, random, side, edge, place)
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
        _develop(image, weather, random), labels, instances, weather.weather, weather.timeofday, place
    )


def _sky(canvas: Canvas, weather: Mood, random: np.random.Generator) -> None:
    height, width = canvas.labels.shape
    end = min(height, int(height * 0.62))
    share = np.linspace(0, 1, end, dtype=np.float32)[:, None, None] ** 0.8
    sky = np.array(weather.zenith, np.float32) * (1 - share) + np.array(weather.horizon, np.float32) * share
    puffs = np.clip(noise((end // 4, width // 4), random, width / 14) * 0.55 + 0.25, 0, 1) * weather.clouds
    puffs = cv2.resize(puffs, (width, end))[..., None] * (1 - 0.5 * share)
    canvas.image[:end] = sky * (1 - puffs) + np.float32(0.95 if weather.clouds > 0.4 else 0.98) * puffs
    canvas.labels[:end] = SKY


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


def _skyline(canvas: Canvas, weather: Mood, random: np.random.Generator) -> None:
    """Distant trees and houses that close the street."""
    width = canvas.camera.size[1]
    horizon = canvas.camera.horizon * canvas.camera.size[0]
    column = -10.0
    while column < width + 10:
        step = random.uniform(0.02, 0.07) * width
        rise = random.uniform(0.02, 0.1) * canvas.camera.size[0]
        haze = np.array(weather.horizon) * 0.55
        if random.random() < 0.5:
            colour = tuple(np.array((0.20, 0.27, 0.15)) * 0.6 + haze * 0.6)
            canvas.ellipse((column + step / 2, horizon), (step * 0.8, rise), colour, traffic.VEGETATION)  # type: ignore[arg-type]
        else:
            colour = tuple(np.array(PLASTER[int(random.integers(len(PLASTER)))]) * 0.5 + haze * 0.5)
            corners = [
                (column, horizon - rise),
                (column + step, horizon - rise),
                (column + step, horizon + 1),
                (column, horizon + 1),
            ]
            canvas.polygon(corners, colour, BUILDING)  # type: ignore[arg-type]
        column += step * 0.9


def _roadside(
    canvas: Canvas, weather: Mood, random: np.random.Generator, side: int, edge: float, place: str
) -> None:
    """Blocks of facades, trees, walls and fences along one side, far to near."""
    lots, z = [], 3.0
    while z < FAR:
        length = random.uniform(7, 18)
        lots.append((z, min(z + length, FAR)))
        z += length + (random.uniform(0, 3) if random.random() < 0.3 else 0)
    odds = {
        "city street": (0.8, 0.08, 0.06, 0.06),
        "residential": (0.5, 0.28, 0.1, 0.12),
        "highway": (0.1, 0.6, 0.15, 0.15),
    }
    for near, far in reversed(lots):
        kind = random.choice(["facade", "green", "wall", "fence"], p=odds[place])
        if kind == "facade":
            _facade(canvas, weather.light, random, side, edge + side * random.uniform(0, 1.5), near, far)
        elif kind == "green":
            for depth in np.arange(far, near, -3.0):
                traffic.tree(
                    canvas, weather.light, random, edge + side * random.uniform(1.5, 5), max(depth, 4.0)
                )
        else:
            tall = random.uniform(1.2, 2.4)
            colour = tone(
                (0.52, 0.47, 0.42) if kind == "wall" else (0.34, 0.31, 0.27), random.uniform(0.8, 1.2)
            )
            lit = tone(colour, weather.light.right if side < 0 else weather.light.left)
            label = WALL if kind == "wall" else FENCE
            canvas.solid([(edge, 0, near), (edge, tall, near), (edge, tall, far), (edge, 0, far)], lit, label)
            if kind == "fence":
                for post in np.arange(near, far, 0.8):
                    bar = [
                        (edge, 0, post),
                        (edge, tall, post),
                        (edge, tall, post + 0.12),
                        (edge, 0, post + 0.12),
                    ]
                    canvas.solid(bar, tone(lit, 0.7))


def _facade(
    canvas: Canvas, light: Light, random: np.random.Generator, side: int, x: float, near: float, far: float
) -> None:
    """A house: end wall, front with rows of windows, ground floor, cornice."""
    floors = int(random.integers(2, 6))
    storey = random.uniform(2.8, 3.4)
    tall = floors * storey + 0.6
    colour = traffic.pick(random, PLASTER)
    lit = tone(colour, light.right if side < 0 else light.left)
    depth = x + side * 14
    end = [(x, 0, near), (x, tall, near), (depth, tall, near), (depth, 0, near)]
    canvas.solid(end, tone(colour, light.front * 0.9), BUILDING)
    canvas.solid([(x, 0, near), (x, tall, near), (x, tall, far), (x, 0, far)], lit, BUILDING)
    canvas.solid(
        [(x, tall - 0.35, near), (x, tall, near), (x, tall, far), (x, tall - 0.35, far)],
        tone(lit, 0.8),
        BUILDING,
    )
    canvas.solid([(x, 0, near), (x, 0.6, near), (x, 0.6, far), (x, 0, far)], tone(lit, 0.7), BUILDING)
    glass = tone((0.20, 0.25, 0.30), random.uniform(0.7, 1.5))
    frame = tone(lit, 1.15)
    columns = max(2, int((far - near) / random.uniform(2.0, 3.2)))
    wide = (far - near) / columns
    share = random.uniform(0.28, 0.4)
    shop = random.random() < 0.4
    for floor in range(floors):
        low = 0.6 + floor * storey + storey * (0.28 if floor else 0.1)
        high = 0.6 + floor * storey + storey * 0.8
        for column in range(columns):
            middle = near + (column + 0.5) * wide
            half = wide * (0.44 if shop and floor == 0 else share)
            if far > 60 and column % 2:
                continue
            a, b = middle - half, middle + half
            if near < 45:
                canvas.solid(
                    [
                        (x, low - 0.1, a - 0.1),
                        (x, high + 0.1, a - 0.1),
                        (x, high + 0.1, b + 0.1),
                        (x, low - 0.1, b + 0.1),
                    ],
                    frame,
                )
            canvas.solid(
                [(x, low, a), (x, high, a), (x, high, b), (x, low, b)], tone(glass, random.uniform(0.7, 1.5))
            )


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
            label = {"truck": traffic.TRUCK, "bus": traffic.BUS, "train": traffic.TRAIN}[kind]
            traffic.large(canvas, light, random, x, z, label)
        elif kind == "person":
            traffic.person(canvas, light, random, x, z)
        elif kind == "pole":
            traffic.pole(canvas, light, random, x, z)
        elif kind == "tree":
            traffic.tree(canvas, light, random, x, max(z, 8.0))
        else:
            label = traffic.MOTORCYCLE if kind == "motorcycle" else traffic.BICYCLE
            traffic.two_wheeler(canvas, light, random, x, z, label, ridden=kind != "parked bicycle")


def _develop(image: NDArray[Any], weather: Mood, random: np.random.Generator) -> NDArray[np.uint8]:
    """Haze with distance from the lower edge, tint, exposure, vignette, lens softness and sensor noise."""
    height, width = image.shape[:2]
    rows = np.abs(np.linspace(0, 1, height, dtype=np.float32)[:, None] - 0.45)
    haze = weather.haze * np.exp(-((rows / 0.09) ** 2))[..., None]
    image = image * (1 - haze) + np.array(weather.horizon, np.float32) * haze
    image = image * (np.array(weather.tint, np.float32) * np.float32(weather.exposure))
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    vignette = 1 - 0.14 * (columns**2 + (np.linspace(-1, 1, height, dtype=np.float32)[:, None]) ** 2) / 2
    image = cv2.GaussianBlur(image * vignette[..., None], (0, 0), 0.45)
    grain = random.standard_normal((height, width, 1), dtype=np.float32) * 0.010
    return np.clip((image + grain) * 255 + 0.5, 0, 255).astype(np.uint8)
