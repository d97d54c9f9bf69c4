"""Boxes, shadows and colours that street objects share."""

from __future__ import annotations

import numpy as np

from datamodules.miniature.canvas import Canvas, Colour, tone
from datamodules.miniature.street.weather import Light

FAR = 120.0
"""Where the street ends, in metres."""


def pick(random: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    """A colour of a palette, slightly varied."""
    return tone(palette[int(random.integers(len(palette)))], random.uniform(0.85, 1.15))


def box(canvas: Canvas, light: Light, x: float, z: float, size: tuple[float, float, float], y: float, colour: Colour,
        label: int) -> None:  # fmt: skip
    """A box (width, height, length) whose near lower centre is (x, y, z): side, top and front faces."""
    w, h, length = size
    left, right, far = x - w / 2, x + w / 2, z + length
    top = y + h
    if top < canvas.camera.height:
        canvas.solid(
            [(left, top, z), (right, top, z), (right, top, far), (left, top, far)], tone(colour, 1.1), label
        )
    if left > 0:
        side = [(left, y, z), (left, top, z), (left, top, far), (left, y, far)]
        canvas.solid(side, tone(colour, light.left), label)
    if right < 0:
        side = [(right, y, z), (right, top, z), (right, top, far), (right, y, far)]
        canvas.solid(side, tone(colour, light.right), label)
    canvas.solid(
        [(left, y, z), (left, top, z), (right, top, z), (right, y, z)], tone(colour, light.front), label
    )


def shadow(canvas: Canvas, light: Light, x: float, z: float, width: float, length: float) -> None:
    """The soft contact shadow of something on the road."""
    near, far = canvas.camera.project(x, 0, z), canvas.camera.project(x, 0, z + length)
    half = canvas.camera.focal * width / z * 0.6
    rows = max(near[1] - far[1], 2.0)
    canvas.shade(((near[0] + far[0]) / 2, near[1] - rows * 0.3), (half, rows * 0.75), light.shadow)


def square(column: float, row: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    return [
        (column - half_width, row - half_height),
        (column + half_width, row - half_height),
        (column + half_width, row + half_height),
        (column - half_width, row + half_height),
    ]
