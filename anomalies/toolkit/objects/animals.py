"""Four-legged animals from ellipsoids and tapered legs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from anomalies.toolkit.objects.materials import RGB, Material
from anomalies.toolkit.objects.solids import Ellipsoid, Solid, Tube, rotation

RNG = np.random.Generator
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Build:
    """Proportions, with the length of the trunk as 2.

    Args:
        leg: length of the legs. girth: half the height of the trunk. neck: its length. rise: of the neck, in
            degrees from level. head: half its length. muzzle: how slender it is, 0 to 1. ear, tail, horn:
            lengths.
        coats: fur colours to choose from.
        pattern: of the fur. woolly: how uneven it is.
    """

    leg: float
    girth: float
    neck: float
    rise: float
    head: float
    muzzle: float
    ear: float
    tail: float
    coats: tuple[RGB, ...]
    horn: float = 0
    pattern: str = "plain"
    woolly: float = 0.12


BUILDS = {
    "dog": Build(0.95, 0.38, 0.5, 50, 0.36, 0.6, 0.22, 0.7, ((0.35, 0.22, 0.12), (0.12, 0.11, 0.10), (0.7, 0.6, 0.45))),
    "sheep": Build(0.6, 0.55, 0.3, 35, 0.32, 0.5, 0.2, 0.15, ((0.80, 0.76, 0.66), (0.62, 0.56, 0.48)), woolly=0.22),
    "deer": Build(1.35, 0.40, 0.95, 58, 0.34, 0.6, 0.3, 0.2, ((0.50, 0.32, 0.17), (0.42, 0.30, 0.20)), horn=0.7),
    "cow": Build(0.85, 0.55, 0.45, 25, 0.45, 0.35, 0.25, 0.8, ((0.88, 0.86, 0.82), (0.45, 0.22, 0.12)), 0.25, "spots"),
    "boar": Build(0.5, 0.50, 0.25, -5, 0.50, 0.7, 0.2, 0.3, ((0.17, 0.14, 0.12), (0.28, 0.21, 0.16)), woolly=0.25),
}  # fmt: skip


def _limb(start: Point, end: Point, thick: float, thin: float, material: Material) -> Solid:
    """A tapered tube between two points."""
    a, b = np.array(start), np.array(end)
    along = (b - a) / 2
    length = float(np.linalg.norm(along))
    y = along / length
    x = np.cross(y, (0.0, 0.0, 1.0) if abs(y[2]) < 0.9 else (1.0, 0.0, 0.0))
    x /= np.linalg.norm(x)
    turn = np.stack((x, y, np.cross(x, y)), axis=1)
    centre = tuple(float(c) for c in (a + b) / 2)
    return Tube(centre, (thick, length, thick), material, turn, top=thin / thick, bulge=1)  # type: ignore[arg-type]


def quadruped(build: Build, rng: RNG) -> list[Solid]:
    """An animal in mid-stride that looks to the right or to the left."""
    coat = build.coats[int(rng.integers(len(build.coats)))]
    fur = Material(coat, tuple(0.25 * c for c in coat), build.pattern, rough=build.woolly)  # type: ignore[arg-type]
    dark = Material(tuple(0.55 * c for c in coat), rough=build.woolly)  # type: ignore[arg-type]
    stride, rise = rng.uniform(-0.3, 0.3, 4), np.radians(build.rise + rng.uniform(-15, 15))
    facing = rotation(y=0 if rng.random() < 0.5 else 180)
    back = build.leg + 0.8 * build.girth
    g = build.girth
    chest = (0.95 + build.neck * np.cos(rise), back + 0.15 * g + build.neck * np.sin(rise), 0.0)
    nose = (chest[0] + 1.2 * build.head, chest[1] - 0.55 * build.head, 0.0)
    tail = (-1.0 - 0.5 * build.tail, back - 0.7 * build.tail, 0.0)
    parts: list[Solid] = [
        Ellipsoid((0, back, 0), (1.08, 0.9 * g, 0.75 * g), fur),
        Ellipsoid((0.6, back, 0), (0.5, g, 0.78 * g), fur),
        Ellipsoid((-0.65, back + 0.05 * g, 0), (0.45, 0.95 * g, 0.75 * g), fur),
        _limb((0.7, back + 0.1 * g, 0), chest, 0.62 * g, 0.40 * g, fur),
        Ellipsoid(chest, (0.62 * build.head, 0.5 * build.head, 0.42 * build.head), fur),
        _limb(chest, nose, 0.40 * build.head, 0.40 * build.head * (1.1 - 0.7 * build.muzzle), fur),
        Ellipsoid(nose, (0.2 * build.head,) * 3, dark),
        _limb((-0.98, back + 0.3 * g, 0), tail, 0.09, 0.04, dark),
    ]
    for z in (-0.3 * build.head, 0.3 * build.head):
        tip = (chest[0] - 0.1, chest[1] + 0.3 * build.head + build.ear, 1.6 * z)
        parts.append(_limb((chest[0] - 0.1, chest[1] + 0.3 * build.head, z), tip, 0.10, 0.03, dark))
        if build.horn:
            top = (chest[0] - 0.3 * build.horn, chest[1] + 0.4 * build.head + build.horn, 3 * z)
            parts.append(_limb((chest[0], chest[1] + 0.4 * build.head, 0.5 * z), top, 0.045, 0.015, dark))
    for i, (x, z) in enumerate(((0.7, 0.5), (0.7, -0.5), (-0.75, 0.5), (-0.75, -0.5))):
        knee = (x + 0.5 * float(stride[i]), 0.5 * build.leg, z * g)
        foot = (x + 0.7 * float(stride[i]) - 0.08, 0.0, z * g)
        parts.append(_limb((x, build.leg + 0.5 * g, z * g), knee, 0.32 * g, 0.05 + 0.08 * g, fur))
        parts.append(Ellipsoid(knee, (0.055 + 0.08 * g,) * 3, fur))
        parts.append(_limb(knee, foot, 0.05 + 0.08 * g, 0.065, dark if build.horn else fur))
        parts.append(Ellipsoid((foot[0] + 0.03, 0.05, foot[2]), (0.11, 0.06, 0.08), dark))
    return [_mirrored(part, facing) for part in parts]


def _mirrored(solid: Solid, facing: np.ndarray) -> Solid:
    centre = tuple(float(c) for c in facing @ np.array(solid.centre))
    return replace(solid, centre=centre, turn=facing @ solid.turn)  # type: ignore[arg-type]


ANIMALS: dict[str, Callable[[RNG], list[Solid]]] = {
    name: lambda rng, build=build: quadruped(build, rng)  # type: ignore[misc]
    for name, build in BUILDS.items()
}
