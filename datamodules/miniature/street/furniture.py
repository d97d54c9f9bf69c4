"""What stands beside a street: trees, lamp posts, traffic lights, signs."""

from __future__ import annotations

import numpy as np

from datamodules.miniature.canvas import Canvas, Colour, tone
from datamodules.miniature.street.labels import LIGHT, POLE, SIGN, VEGETATION
from datamodules.miniature.street.solids import square
from datamodules.miniature.street.weather import Light


def tree(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float) -> None:
    """A trunk and a crown of overlapping leafy clumps, brighter above."""
    scale = canvas.camera.focal / z
    tall, spread = random.uniform(4, 8), random.uniform(1.3, 2.6)
    column, foot = canvas.camera.project(x, 0, z)
    bark: Colour = (0.23, 0.18, 0.13)
    trunk = 0.13 * scale
    canvas.shade((column, foot), (spread * scale, spread * scale * 0.12), light.shadow * 0.6)
    canvas.polygon(square(column, foot - tall * 0.3 * scale, trunk, tall * 0.3 * scale), bark, VEGETATION)
    leaf = tone((0.20, 0.31, 0.11), random.uniform(0.75, 1.3))
    autumn = random.random() < 0.15
    if autumn:
        leaf = tone((0.46, 0.32, 0.10), random.uniform(0.8, 1.2))
    clumps = random.normal(size=(46, 2)) * np.array([0.42, 0.36])
    for dx, dy in clumps[np.argsort(-clumps[:, 1] * -1)][::-1]:
        centre = (column + dx * spread * scale, foot - (tall * 0.68 - dy * tall * 0.42) * scale)
        brightness = np.clip(0.95 - 0.5 * dy + 0.18 * dx * (1 if light.right > light.left else -1), 0.45, 1.5)
        size = spread * scale * random.uniform(0.12, 0.34)
        canvas.ellipse(
            centre, (size, size * 0.8), tone(leaf, brightness * random.uniform(0.8, 1.2)), VEGETATION
        )


def pole(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float) -> None:
    """A lamp post, or a pole that carries traffic lights or a sign."""
    scale = canvas.camera.focal / z
    kind = random.choice(["lamp", "light", "sign", "sign"])
    tall = {"lamp": 6.0, "light": 3.6, "sign": 2.8}[kind]
    column, foot = canvas.camera.project(x, 0, z)
    half = max(0.055 * scale, 0.45)
    top = foot - tall * scale
    canvas.polygon(
        square(column, (foot + top) / 2, half, tall * scale / 2), tone((0.36, 0.37, 0.38), light.front), POLE
    )
    inward = -np.sign(x) or 1.0
    if kind == "lamp":
        arm = [(column, top), (column + inward * 1.2 * scale, top - 0.1 * scale),
               (column + inward * 1.2 * scale, top), (column, top + 2 * half)]  # fmt: skip
        canvas.polygon(arm, (0.3, 0.31, 0.32), POLE)
    elif kind == "light":
        canvas.instance += 1
        canvas.polygon(
            square(column, top + 0.45 * scale, 0.17 * scale, 0.48 * scale), (0.05, 0.06, 0.05), LIGHT
        )
        lit = int(random.integers(3))
        for i, colour in enumerate(((0.95, 0.12, 0.08), (0.98, 0.7, 0.1), (0.15, 0.9, 0.45))):
            row = top + (0.15 + 0.3 * i) * scale
            canvas.ellipse(
                (column, row), (0.11 * scale, 0.11 * scale), tone(colour, 1.0 if i == lit else 0.22), LIGHT
            )
    else:
        _sign(canvas, random, column, top + 0.35 * scale, 0.34 * scale)


def _sign(canvas: Canvas, random: np.random.Generator, column: float, row: float, size: float) -> None:
    canvas.instance += 1
    kind = int(random.integers(4))
    red, white, blue, yellow = (0.78, 0.08, 0.09), (0.93, 0.93, 0.92), (0.1, 0.25, 0.6), (0.93, 0.78, 0.12)
    if kind == 0:
        canvas.ellipse((column, row), (size, size), red, SIGN)
        canvas.ellipse((column, row), (size * 0.72, size * 0.72), white, SIGN)
        canvas.polygon(square(column, row, size * 0.12, size * 0.36), (0.1, 0.1, 0.1), SIGN)
    elif kind == 1:
        canvas.polygon(
            [(column, row - size), (column + size, row + size * 0.75), (column - size, row + size * 0.75)],
            red,
            SIGN,
        )
        inner = [
            (column, row - size * 0.5),
            (column + size * 0.58, row + size * 0.5),
            (column - size * 0.58, row + size * 0.5),
        ]
        canvas.polygon(inner, white, SIGN)
    elif kind == 2:
        canvas.polygon(square(column, row, size * 0.9, size * 0.9), blue, SIGN)
        arrow = [(column, row - size * 0.6), (column + size * 0.4, row), (column - size * 0.4, row)]
        canvas.polygon(arrow, white, SIGN)
        canvas.polygon(square(column, row + size * 0.3, size * 0.14, size * 0.35), white, SIGN)
    else:
        diamond = [(column, row - size), (column + size, row), (column, row + size), (column - size, row)]
        canvas.polygon(diamond, white, SIGN)
        canvas.polygon(
            [(column + 0.72 * (a - column), row + 0.72 * (b - row)) for a, b in diamond], yellow, SIGN
        )
