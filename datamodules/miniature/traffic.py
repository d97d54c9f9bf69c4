"""What stands and moves in a street: vehicles, people, poles, signs, lights, trees. Labels are Cityscapes'
ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datamodules.miniature.canvas import Canvas, Colour, tone

POLE, LIGHT, SIGN, VEGETATION, PERSON, RIDER = 17, 19, 20, 21, 24, 25
CAR, TRUCK, BUS, TRAIN, MOTORCYCLE, BICYCLE = 26, 27, 28, 31, 32, 33
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


@dataclass(frozen=True)
class Light:
    """Sunlight: brightness of faces turned left, right and to the camera, and strength of shadows."""

    left: float
    right: float
    front: float
    shadow: float


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


def wheels(
    canvas: Canvas, x: float, z: float, width: float, length: float, radius: float, label: int
) -> None:
    """Dark wheels seen from the near end and from the side turned to the camera."""
    scale = canvas.camera.focal / z
    for side in (-1, 1):
        column, row = canvas.camera.project(x + side * width * 0.38, radius, z)
        canvas.polygon(_square(column, row, 0.13 * scale, radius * scale), (0.05, 0.05, 0.055), label)
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


def _square(column: float, row: float, half_width: float, half_height: float) -> list[tuple[float, float]]:
    return [
        (column - half_width, row - half_height),
        (column + half_width, row - half_height),
        (column + half_width, row + half_height),
        (column - half_width, row + half_height),
    ]


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
    canvas.polygon(_square(column, row, cabin[0] * 0.43 * scale, cabin[1] * 0.36 * scale), glass, CAR)
    edge = x - cabin[0] / 2 if x > 0 else x + cabin[0] / 2
    if abs(x) > cabin[0] / 2:
        low, high, near, far = 0.95, roof - 0.1, start + 0.15, start + cabin[2] * 0.92
        canvas.solid([(edge, low, near), (edge, high, near), (edge, high, far), (edge, low, far)], glass, CAR)
    scale = canvas.camera.focal / z
    lamp: Colour = (0.75, 0.08, 0.06) if random.random() < 0.6 else (0.95, 0.93, 0.85)
    for side in (-1, 1):
        column, row = canvas.camera.project(x + side * width * 0.41, 0.72, z)
        canvas.polygon(_square(column, row, 0.1 * scale, 0.06 * scale), lamp, CAR)
    column, row = canvas.camera.project(x, 0.5, z)
    canvas.polygon(_square(column, row, 0.24 * scale, 0.055 * scale), (0.85, 0.85, 0.82), CAR)


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
            _square(column, row, width * 0.46 * scale, height * 0.4 * scale), tone(colour, 0.8), label
        )
        canvas.polygon(_square(column, row, 0.02 * scale, height * 0.4 * scale), tone(colour, 0.5), label)
        return
    column, row = canvas.camera.project(x, height * 0.68, z)
    canvas.polygon(_square(column, row, width * 0.42 * scale, height * 0.17 * scale), glass, label)
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


def tree(canvas: Canvas, light: Light, random: np.random.Generator, x: float, z: float) -> None:
    """A trunk and a crown of overlapping leafy clumps, brighter above."""
    scale = canvas.camera.focal / z
    tall, spread = random.uniform(4, 8), random.uniform(1.3, 2.6)
    column, foot = canvas.camera.project(x, 0, z)
    bark: Colour = (0.23, 0.18, 0.13)
    trunk = 0.13 * scale
    canvas.shade((column, foot), (spread * scale, spread * scale * 0.12), light.shadow * 0.6)
    canvas.polygon(_square(column, foot - tall * 0.3 * scale, trunk, tall * 0.3 * scale), bark, VEGETATION)
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
        _square(column, (foot + top) / 2, half, tall * scale / 2), tone((0.36, 0.37, 0.38), light.front), POLE
    )
    inward = -np.sign(x) or 1.0
    if kind == "lamp":
        arm = [(column, top), (column + inward * 1.2 * scale, top - 0.1 * scale),
               (column + inward * 1.2 * scale, top), (column, top + 2 * half)]  # fmt: skip
        canvas.polygon(arm, (0.3, 0.31, 0.32), POLE)
    elif kind == "light":
        canvas.instance += 1
        canvas.polygon(
            _square(column, top + 0.45 * scale, 0.17 * scale, 0.48 * scale), (0.05, 0.06, 0.05), LIGHT
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
        canvas.polygon(_square(column, row, size * 0.12, size * 0.36), (0.1, 0.1, 0.1), SIGN)
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
        canvas.polygon(_square(column, row, size * 0.9, size * 0.9), blue, SIGN)
        arrow = [(column, row - size * 0.6), (column + size * 0.4, row), (column - size * 0.4, row)]
        canvas.polygon(arrow, white, SIGN)
        canvas.polygon(_square(column, row + size * 0.3, size * 0.14, size * 0.35), white, SIGN)
    else:
        diamond = [(column, row - size), (column + size, row), (column, row + size), (column - size, row)]
        canvas.polygon(diamond, white, SIGN)
        canvas.polygon(
            [(column + 0.72 * (a - column), row + 0.72 * (b - row)) for a, b in diamond], yellow, SIGN
        )
