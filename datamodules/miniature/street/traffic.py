"""What moves in a street: vehicles and people."""

from __future__ import annotations

import numpy as np

from datamodules.miniature.canvas import Canvas, Colour, tone
from datamodules.miniature.street.labels import BICYCLE, BUS, CAR, PERSON, RIDER, TRAIN, TRUCK
from datamodules.miniature.street.solids import box, pick, shadow, square
from datamodules.miniature.street.weather import Light

PAINT = ((0.55, 0.06, 0.07), (0.08, 0.14, 0.38), (0.75, 0.76, 0.78), (0.12, 0.12, 0.13), (0.45, 0.47, 0.49),
         (0.85, 0.84, 0.80), (0.16, 0.30, 0.22), (0.72, 0.55, 0.12), (0.25, 0.36, 0.50))  # fmt: skip
CLOTHES = (
    (0.65, 0.16, 0.14),
    (0.13, 0.2, 0.42),
    (0.2, 0.2, 0.22),
    (0.78, 0.76, 0.7),
    (0.28, 0.38, 0.2),
    (0.7, 0.5, 0.2),
)
SKIN = ((0.85, 0.66, 0.54), (0.62, 0.44, 0.33), (0.38, 0.26, 0.2))


def wheels(
    canvas: Canvas, x: float, z: float, width: float, length: float, radius: float, label: int
) -> None:
    """Dark wheels seen from the near end and from the side turned to the camera."""
    scale = canvas.camera.focal / z
    for side in (-1, 1):
        column, row = canvas.camera.project(x + side * width * 0.38, radius, z)
        canvas.polygon(square(column, row, 0.13 * scale, radius * scale), (0.05, 0.05, 0.055), label)
    edge = x - width / 2 if x > 0 else x + width / 2
    if abs(x) > width / 2:
        for share in (0.2, 0.8):
            depth = z + share * length
            near = canvas.camera.focal / depth
            squeeze = min(1.0, abs(edge) / depth * 2.2)
            canvas.ellipse(
                canvas.camera.project(edge, radius, depth),
                (radius * near * squeeze, radius * near),
                (0.05, 0.05, 0.055),
                label,
            )


def car(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float) -> None:
    """A car seen from behind or from the front."""
    colour, width, length = pick(random, PAINT), random.uniform(1.7, 1.9), random.uniform(3.8, 4.7)
    roof = random.uniform(1.4, 1.75)
    glass: Colour = (0.10, 0.13, 0.16)
    shadow(canvas, light, x, z, width, length)
    wheels(canvas, x, z + 0.1, width, length, 0.32, CAR)
    box(canvas, light, x, z, (width, 0.62, length), 0.25, colour, CAR)
    cabin = (width * 0.9, roof - 0.87, length * 0.55)
    start = z + length * random.uniform(0.12, 0.25)
    box(canvas, light, x, start, cabin, 0.87, tone(colour, 0.95), CAR)
    scale = canvas.camera.focal / start
    column, row = canvas.camera.project(x, (0.93 + roof) / 2, start)
    canvas.polygon(square(column, row, cabin[0] * 0.43 * scale, cabin[1] * 0.36 * scale), glass, CAR)
    edge = x - cabin[0] / 2 if x > 0 else x + cabin[0] / 2
    if abs(x) > cabin[0] / 2:
        low, high, near, far = 0.95, roof - 0.1, start + 0.15, start + cabin[2] * 0.92
        canvas.solid([(edge, low, near), (edge, high, near), (edge, high, far), (edge, low, far)], glass, CAR)
    scale = canvas.camera.focal / z
    lamp: Colour = (0.75, 0.08, 0.06) if random.random() < 0.6 else (0.95, 0.93, 0.85)
    for side in (-1, 1):
        column, row = canvas.camera.project(x + side * width * 0.41, 0.72, z)
        canvas.polygon(square(column, row, 0.1 * scale, 0.06 * scale), lamp, CAR)
    column, row = canvas.camera.project(x, 0.5, z)
    canvas.polygon(square(column, row, 0.24 * scale, 0.055 * scale), (0.85, 0.85, 0.82), CAR)


def large(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float, label: int) -> None:
    """A truck, bus or tram: a tall box with windows or a tailboard."""
    width, height, length = {TRUCK: (2.3, 3.2, 7.0), BUS: (2.5, 3.1, 11.0), TRAIN: (2.6, 3.4, 24.0)}[label]
    colour = pick(random, PAINT if label == TRUCK else PAINT[:1] + PAINT[2:3] + PAINT[7:])
    shadow(canvas, light, x, z, width, length)
    wheels(canvas, x, z + 0.1, width, length, 0.45, label)
    box(canvas, light, x, z, (width, height - 0.45, length), 0.45, colour, label)
    scale = canvas.camera.focal / z
    glass: Colour = (0.12, 0.15, 0.18)
    if label == TRUCK:
        column, row = canvas.camera.project(x, 0.45 + height * 0.5, z)
        canvas.polygon(
            square(column, row, width * 0.46 * scale, height * 0.4 * scale), tone(colour, 0.8), label
        )
        canvas.polygon(square(column, row, 0.02 * scale, height * 0.4 * scale), tone(colour, 0.5), label)
        return
    column, row = canvas.camera.project(x, height * 0.68, z)
    canvas.polygon(square(column, row, width * 0.42 * scale, height * 0.17 * scale), glass, label)
    edge = x - width / 2 if x > 0 else x + width / 2
    if abs(x) > width / 2:
        count = int(length / 1.6)
        for i in range(count):
            near, far = z + (i + 0.12) * length / count, z + (i + 0.88) * length / count
            low, high = height * 0.52, height * 0.82
            canvas.solid(
                [(edge, low, near), (edge, high, near), (edge, high, far), (edge, low, far)], glass, label
            )


def person(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float, tall: float | None = None,
           label: int = PERSON, lift: float = 0.0) -> None:  # fmt: skip
    """A walking person, or with ``lift`` a rider without visible legs on the ground."""
    tall = tall or random.uniform(1.5, 1.9)
    scale = canvas.camera.focal / z
    column, foot = canvas.camera.project(x, lift, z)
    unit = tall * scale
    shirt, trousers, skin = (
        pick(random, CLOTHES),
        pick(random, CLOTHES[1:3] + CLOTHES[3:4]),
        pick(random, SKIN),
    )
    lit = tone(shirt, light.front)
    if not lift:
        canvas.shade((column, foot), (unit * 0.2, unit * 0.05), light.shadow * 0.8)
    stride = unit * random.uniform(0.03, 0.12)
    hip, width = foot - unit * 0.47, unit * 0.055
    for side, factor in ((-1, 0.85), (1, 1.0)):
        legs = [(column - width, hip), (column + width, hip), (column + side * stride + width, foot),
                (column + side * stride - width * 0.4, foot)]  # fmt: skip
        canvas.polygon(legs, tone(trousers, factor * light.front), label)
    shoulder = foot - unit * 0.82
    torso = [(column - unit * 0.11, shoulder), (column + unit * 0.11, shoulder), (column + unit * 0.09, hip + 1),
             (column - unit * 0.09, hip + 1)]  # fmt: skip
    canvas.polygon(torso, lit, label)
    swing = unit * random.uniform(-0.08, 0.08)
    for side in (-1, 1):
        top = column + side * unit * 0.12
        arm = [(top - width * 0.6, shoulder), (top + width * 0.6, shoulder), (top + side * swing + width * 0.5, hip),
               (top + side * swing - width * 0.5, hip)]  # fmt: skip
        canvas.polygon(arm, tone(lit, 0.85), label)
    canvas.ellipse((column, foot - unit * 0.91), (unit * 0.062, unit * 0.085), tone(skin, light.front), label)
    hair = foot - unit * 0.955
    canvas.ellipse(
        (column, hair),
        (unit * 0.06, unit * 0.045),
        pick(random, ((0.1, 0.07, 0.05), (0.35, 0.22, 0.1))),
        label,
    )


def two_wheeler(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float, label: int,
                ridden: bool = True) -> None:  # fmt: skip
    """A bicycle or motorcycle seen obliquely, with its rider unless it is parked."""
    scale = canvas.camera.focal / z
    radius = 0.34 if label == BICYCLE else 0.3
    column, row = canvas.camera.project(x, radius, z)
    half, r = 0.45 * scale * random.uniform(0.5, 1.0), radius * scale
    canvas.shade((column, row + r), (half * 1.5, r * 0.3), light.shadow * 0.7)
    thick = 0.1 if label == BICYCLE else 0.3
    dark: Colour = (0.07, 0.07, 0.08)
    for side in (-1, 1):
        centre = (column + side * half, row)
        canvas.ellipse(centre, (r * 0.85, r), dark, label)
        if label == BICYCLE:
            canvas.ellipse(centre, (r * 0.68, r * 0.82), (0.32, 0.32, 0.33), label)
    frame = pick(random, PAINT)
    bar = [(column - half, row - thick * r), (column - half * 0.2, row - r * 1.1),
           (column + half * 0.7, row - r * 1.25),
           (column + half, row - thick * r), (column + half * 0.6, row + thick * r * 0.6),
           (column - half * 0.4, row + thick * r)]  # fmt: skip
    canvas.polygon(bar, tone(frame, light.front), label)
    if ridden:
        previous, canvas.instance = canvas.instance, canvas.instance + 1
        person(canvas, light, random, x, z, random.uniform(1.25, 1.45), RIDER, lift=0.45)
        canvas.instance = max(previous + 1, canvas.instance)
