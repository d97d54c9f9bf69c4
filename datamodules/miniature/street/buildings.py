"""What lines a street: the skyline, facades, trees, walls and fences."""

from __future__ import annotations

import numpy as np

from datamodules.miniature.canvas import Canvas, tone
from datamodules.miniature.street.furniture import tree
from datamodules.miniature.street.labels import BUILDING, FENCE, VEGETATION, WALL
from datamodules.miniature.street.solids import FAR, pick
from datamodules.miniature.street.weather import Light, Mood

PLASTER = ((0.72, 0.66, 0.56), (0.62, 0.42, 0.34), (0.58, 0.58, 0.57), (0.78, 0.74, 0.66), (0.66, 0.52, 0.40),
           (0.48, 0.32, 0.27), (0.70, 0.70, 0.72), (0.55, 0.60, 0.62))  # fmt: skip


def skyline(canvas: Canvas, weather: Mood, random: np.random.Generator) -> None:
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
            canvas.ellipse((column + step / 2, horizon), (step * 0.8, rise), colour, VEGETATION)  # type: ignore[arg-type]
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


def roadside(
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
                tree(canvas, weather.light, random, edge + side * random.uniform(1.5, 5), max(depth, 4.0))
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
    colour = pick(random, PLASTER)
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
