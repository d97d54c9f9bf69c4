"""Objects that may lie on a road, modelled from solids in code; no photographs are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.toolkit.objects.animals import ANIMALS
from anomalies.toolkit.objects.materials import RGB, Material
from anomalies.toolkit.objects.solids import Block, Ellipsoid, Solid, Tube, rotation

RNG = np.random.Generator
WOODS: tuple[RGB, ...] = ((0.62, 0.45, 0.27), (0.50, 0.36, 0.22), (0.68, 0.55, 0.38))
PAINTS: tuple[RGB, ...] = (
    (0.10, 0.25, 0.60),
    (0.62, 0.10, 0.08),
    (0.10, 0.38, 0.20),
    (0.75, 0.60, 0.10),
    (0.55, 0.57, 0.60),
    (0.78, 0.76, 0.72),
)


def _one(rng: RNG, choices: tuple[Any, ...]) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _tyre(rng: RNG) -> list[Solid]:
    rubber = Material((0.11, 0.11, 0.115), (0.055, 0.055, 0.06), "tread", 34, 0.15, 0.10)
    width, turn = rng.uniform(0.28, 0.42), rng.random()
    if turn < 0.5:
        leaning = rotation(z=90) if turn < 0.35 else rotation(z=70)
        return [Tube((0, 1, 0), (1, width, 1), rubber, leaning, bore=0.58, bulge=1)]
    return [
        Tube((0.12 * (-1) ** i, (2 * i + 1) * width, 0), (1, width, 1), rubber, bore=0.58, bulge=1)
        for i in range(1 + int(4 * (turn - 0.5)))
    ]


def _cone(rng: RNG) -> list[Solid]:
    orange = Material((0.90, 0.26, 0.05), (0.92, 0.92, 0.90), "stripes", 2.2, 0.05, 0.06)
    foot = Material((0.12, 0.12, 0.13) if rng.random() < 0.5 else (0.85, 0.25, 0.06), rough=0.1)
    fallen = rotation(x=rng.uniform(-15, 15), z=81) if rng.random() < 0.7 else rotation()
    parts = [((0.0, 1.05, 0.0), (0.72, 1.0, 0.72)), ((0.0, 0.05, 0.0), (1.0, 0.06, 1.0))]
    centres = [tuple(float(x) for x in fallen @ np.array(centre)) for centre, _ in parts]
    return [
        Tube(centres[0], parts[0][1], orange, fallen, top=0.16),  # type: ignore[arg-type]
        Block(centres[1], parts[1][1], foot, fallen),  # type: ignore[arg-type]
    ]


def _box(rng: RNG) -> list[Solid]:
    brown = tuple(rng.uniform(0.85, 1.1) * np.array([0.66, 0.50, 0.33]))
    card = Material(brown, (0.78, 0.70, 0.55), "tape", 9, 0.06)
    w, h, d = rng.uniform(0.7, 1.3), rng.uniform(0.5, 1.0), rng.uniform(0.6, 1.0)
    boxes: list[Solid] = [Block((0, h, 0), (w, h, d), card, sharp=40)]
    if rng.random() < 0.4:
        turn = rotation(y=rng.uniform(-30, 30))
        boxes.append(Block((0.1, 2 * h + 0.4, 0), (0.65 * w, 0.4, 0.6 * d), card, turn, sharp=40))
    return boxes


def _barrel(rng: RNG) -> list[Solid]:
    paint = Material(_one(rng, PAINTS), (0.36, 0.17, 0.08), "rust", 1, 0.10, 0.22)
    rim = Material(tuple(0.8 * c for c in paint.colour), rough=0.1, gloss=0.25)  # type: ignore[arg-type]
    lies = rotation(z=90) if rng.random() < 0.5 else rotation()
    up = 0.64 if lies[0, 0] < 0.5 else 1.0
    rings = [
        Tube(tuple(np.array([0, up, 0]) + lies @ [0, y, 0]), (0.635, 0.03, 0.635), rim, lies, bulge=0.8)
        for y in (-0.97, -0.33, 0.33, 0.97)
    ]
    return [Tube((0, up, 0), (0.61, 1, 0.61), paint, lies), *rings]


def _pallet(rng: RNG) -> list[Solid]:
    wood = Material(_one(rng, WOODS), (0.36, 0.26, 0.16), "wood", 3, 0.12)
    stands = rotation(x=-78) if rng.random() < 0.6 else rotation()
    boards = [((x, 0.28, 0.0), (0.105, 0.025, 0.85)) for x in np.linspace(-0.9, 0.9, 7)]
    beams = [((0.0, 0.15, z), (1.0, 0.10, 0.07)) for z in (-0.75, 0.0, 0.75)]
    feet = [((0.0, 0.02, z), (1.0, 0.02, 0.10)) for z in (-0.75, 0.0, 0.75)]
    return [Block(tuple(stands @ c), half, wood, stands) for c, half in boards + beams + feet]


def _ball(rng: RNG) -> list[Solid]:
    paint, other = _one(rng, PAINTS), (0.93, 0.92, 0.88)
    pattern = _one(rng, ("segments", "checks", "plain", "segments"))
    turn = rotation(*rng.uniform(-60, 60, 3))
    return [Ellipsoid((0, 1, 0), (1, 1, 1), Material(paint, other, pattern, 3, 0.05, 0.30), turn)]


def _planks(rng: RNG) -> list[Solid]:
    wood = Material(_one(rng, WOODS), (0.40, 0.28, 0.17), "wood", 2, 0.12)
    count = int(rng.integers(3, 7))
    turns, shifts, lengths = rng.uniform(-28, 28, count), rng.uniform(-0.2, 0.2, count), rng.random(count)
    return [
        Block((s, 0.06 + 0.1 * i, s), (0.7 + 0.4 * long, 0.05, 0.14), wood, rotation(y=turn, z=3 * s))
        for i, (turn, s, long) in enumerate(zip(turns, shifts, lengths, strict=True))
    ]


def _sacks(rng: RNG) -> list[Solid]:
    cloth = Material(_one(rng, ((0.10, 0.10, 0.11), (0.70, 0.62, 0.48), (0.15, 0.25, 0.45))), rough=0.2)
    shiny = Material(cloth.colour, rough=0.3, gloss=0.20 if cloth.colour[0] < 0.2 else 0)
    bags: list[Solid] = []
    for x in (-0.75, 0.7)[: 1 + int(rng.integers(2))]:
        w, h = rng.uniform(0.6, 0.8), rng.uniform(0.55, 0.8)
        bags += [
            Ellipsoid((x, 0.9 * h, 0), (w, h, 0.6), shiny),
            Ellipsoid((x * 1.05, 0.42 * h, 0.1), (1.12 * w, 0.45 * h, 0.7), shiny),
            Tube((x, 1.95 * h, 0), (0.16, 0.2 * h, 0.16), shiny, rotation(z=rng.uniform(-25, 25)), top=1.5),
        ]
    return bags


def _mattress(rng: RNG) -> list[Solid]:
    stripe = tuple(0.35 * np.array(_one(rng, PAINTS)) + 0.4)
    cloth = Material((0.80, 0.78, 0.72), stripe, "columns", 9, 0.05)
    edge = Material((0.55, 0.53, 0.50), rough=0.05)
    leans = rotation(x=rng.uniform(-30, -8)) if rng.random() < 0.5 else rotation(x=-82)
    half, up = (1.0, 0.62, 0.11), 0.62 if leans[1, 1] > 0.5 else 0.15
    return [
        Block((0, up, 0), half, cloth, leans, sharp=7),
        Block((0, up, 0), (1.01, 0.63, 0.03), edge, leans, sharp=9),
    ]


def _sofa(rng: RNG) -> list[Solid]:
    paint = tuple(0.8 * np.array(_one(rng, PAINTS)) + 0.05)
    cloth = Material(paint, rough=0.10)
    back, seat = 0.5 + 0.15 * rng.random(), 0.24
    cushions = [Block((x, 0.52, 0.1), (0.42, 0.11, 0.42), cloth, sharp=5) for x in (-0.43, 0.43)]
    return [
        Block((0, seat, 0), (0.95, seat, 0.5), cloth, sharp=12),
        Block((0, back + 0.1, -0.45), (0.95, back, 0.16), cloth, rotation(x=-7), sharp=6),
        *(Block((x, 0.38, 0.02), (0.15, 0.38, 0.52), cloth, sharp=5) for x in (-1.0, 1.0)),
        *cushions,
    ]


def _chair(rng: RNG) -> list[Solid]:
    wood = Material(_one(rng, (*WOODS, *PAINTS)), rough=0.12, gloss=0.1)
    tips = rotation(z=_one(rng, (0, 0, 90, -90)), y=rng.uniform(-40, 40))
    legs = [((x, 0.45, z), (0.045, 0.45, 0.045)) for x in (-0.4, 0.4) for z in (-0.4, 0.4)]
    back = [((x, 1.35, -0.4), (0.045, 0.45, 0.045)) for x in (-0.4, 0.4)]
    rails = [((0.0, y, -0.4), (0.4, 0.07, 0.03)) for y in (1.2, 1.45, 1.7)]
    parts = [*legs, *back, *rails, ((0.0, 0.92, 0.0), (0.46, 0.05, 0.46))]
    return [Block(tuple(tips @ c), half, wood, tips, sharp=20) for c, half in parts]


def _bin(rng: RNG) -> list[Solid]:
    plastic = Material(_one(rng, (*PAINTS[:4], (0.16, 0.17, 0.18))), rough=0.07, gloss=0.18)
    black = Material((0.06, 0.06, 0.06))
    tips = rotation(z=90) if rng.random() < 0.4 else rotation()
    parts = [
        Block((0, 0.95, 0), (0.52, 0.78, 0.56), plastic, sharp=14),
        Block((0, 1.78, 0.03), (0.58, 0.07, 0.64), plastic, rotation(x=-4), sharp=8),
        *(Tube((x, 0.17, -0.45), (0.17, 0.06, 0.17), black, rotation(z=90)) for x in (-0.45, 0.45)),
    ]
    return [_turned(part, tips) for part in parts]


def _log(rng: RNG) -> list[Solid]:
    bark = Material((0.30, 0.22, 0.15), (0.18, 0.13, 0.09), "wood", 5, 0.3)
    cut = Material((0.72, 0.58, 0.38), (0.55, 0.40, 0.24), "plain", 1, 0.1)
    lies = rotation(z=90 + rng.uniform(-4, 4), y=rng.uniform(-20, 20))
    end = tuple(np.array([0, 0.22, 0]) + lies @ [0, -0.985, 0])
    branch = rotation(x=rng.uniform(20, 60), z=rng.uniform(-50, 50))
    return [
        Tube((0, 0.22, 0), (0.22, 1, 0.22), bark, lies, top=0.8),
        Tube(end, (0.2, 0.02, 0.2), cut, lies),
        Tube((0.2, 0.5, 0.05), (0.07, 0.35, 0.07), bark, branch, top=0.5),
    ]


def _suitcase(rng: RNG) -> list[Solid]:
    paint = _one(rng, PAINTS)
    shell = Material(paint, tuple(0.72 * c for c in paint), "columns", 5, 0.05, 0.25)
    metal = Material((0.30, 0.30, 0.32), gloss=0.3)
    lies = _one(rng, (rotation(), rotation(z=90), rotation(x=-84)))
    parts = [
        Block((0, 1.0, 0), (0.68, 0.9, 0.30), shell, sharp=9),
        *(Block((x, 2.15, 0), (0.03, 0.3, 0.03), metal) for x in (-0.3, 0.3)),
        Block((0, 2.42, 0), (0.33, 0.05, 0.05), metal, sharp=4),
        *(Ellipsoid((x, 0.06, 0), (0.09, 0.09, 0.2), Material((0.07, 0.07, 0.07))) for x in (-0.5, 0.5)),
    ]
    return [_turned(part, lies) for part in parts]


def _turned(solid: Solid, turn: NDArray[np.float64]) -> Solid:
    centre = tuple(float(x) for x in turn @ np.array(solid.centre))
    return replace(solid, centre=centre, turn=turn @ solid.turn)  # type: ignore[arg-type]


SHAPES: dict[str, Callable[[RNG], list[Solid]]] = {
    "tyre": _tyre,
    "cone": _cone,
    "box": _box,
    "barrel": _barrel,
    "pallet": _pallet,
    "ball": _ball,
    "planks": _planks,
    "sacks": _sacks,
    "mattress": _mattress,
    "sofa": _sofa,
    "chair": _chair,
    "bin": _bin,
    "log": _log,
    "suitcase": _suitcase,
    **ANIMALS,
}
