"""Ellipsoids, blocks and tubes under an orthographic camera: first hit and normal of every pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.base import Map
from anomalies.toolkit.objects.materials import Material

Floats = NDArray[Any]
FAR = np.float32(-1e6)


@dataclass(frozen=True)
class Solid(ABC):
    """An axis-parallel solid, turned and moved. x to the right, y up, z towards the viewer.

    Args:
        centre: of the solid. half: its half-axes.
        material: what it is made of.
        turn: (3, 3) rotation of the solid about its centre.
    """

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    material: Material
    turn: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))

    @abstractmethod
    def hit(self, o: Floats, d: Floats) -> tuple[Floats, Floats, Floats]:
        """Nearest points of rays o + t d to the viewer, in coordinates where the half-axes are 1.

        Args:
            o: (n, 3). d: (3,).

        Returns:
            t (n,), `FAR` where nothing is hit; points (n, 3); normals (n, 3), not normalised, before the
            half-axes are applied.
        """


@dataclass(frozen=True)
class Ellipsoid(Solid):
    """x^2 + y^2 + z^2 <= 1."""

    def hit(self, o: Floats, d: Floats) -> tuple[Floats, Floats, Floats]:
        a, b = float(d @ d), o @ d
        inside = b * b - np.float32(a) * (np.einsum("ij,ij->i", o, o) - 1)
        t = np.where(inside >= 0, (np.sqrt(np.maximum(inside, 0)) - b) / np.float32(a), FAR)
        p = o + t[:, None] * d
        return t, p, p


@dataclass(frozen=True)
class Block(Solid):
    """|x|, |y|, |z| <= 1.

    Args:
        sharp: how abruptly the normal turns at the edges: 2 a cushion, 30 a crate. The outline stays a block.
    """

    sharp: float = 30

    def hit(self, o: Floats, d: Floats) -> tuple[Floats, Floats, Floats]:
        safe = np.where(np.abs(d) < 1e-6, np.float32(1e-6), d)
        one, other = (1 - o) / safe, (-1 - o) / safe
        t = np.maximum(one, other).min(axis=1)
        t = np.where(t >= np.minimum(one, other).max(axis=1), t, FAR)
        p = o + t[:, None] * d
        return t, p, p * np.abs(p.clip(-1, 1)) ** np.float32(self.sharp)


@dataclass(frozen=True)
class Tube(Solid):
    """A round body about the y axis from -1 to 1: cylinder, cone or ring.

    Args:
        top: radius at y = 1, where the radius at y = -1 is 1.
        bore: radius of the hole as a fraction of the radius; 0 for a solid body.
        bulge: 0 flat ends with a sharp edge, 1 rounded like a tyre.
    """

    top: float = 1
    bore: float = 0
    bulge: float = 0

    def hit(self, o: Floats, d: Floats) -> tuple[Floats, Floats, Floats]:
        outer = self._wall(o, d, 1.0, 1)
        t, p = outer, o + outer[:, None] * d
        normal = np.stack((p[:, 0], self._lean(p) + self.bulge * p[:, 1] ** 3, p[:, 2]), axis=1)
        if abs(float(d[1])) > 1e-4:
            side = np.float32(np.sign(d[1]))
            cap = (side - o[:, 1]) / d[1]
            x, z = o[:, 0] + cap * d[0], o[:, 2] + cap * d[2]
            share = np.sqrt(x * x + z * z) / np.float32(max(self._radius(float(side)), 1e-6))
            on = (share <= 1) & (share >= self.bore) & (cap > t)
            across = np.float32(self.bulge) * (2 * (share - self.bore) / np.float32(1 - self.bore) - 1)
            away = np.maximum(share, 1e-6)
            ends = np.stack(
                (across * x / away, side * np.sqrt(np.maximum(1.05 - across**2, 0)), across * z / away),
                axis=1,
            )
            t = np.where(on, cap, t)
            normal = np.where(on[:, None], ends, normal)
        if self.bore:
            inner = self._wall(o, d, self.bore, -1)
            q = o + inner[:, None] * d
            behind = (t == FAR) & (inner > FAR)
            t = np.where(behind, inner, t)
            normal = np.where(behind[:, None], np.stack((-q[:, 0], 0 * q[:, 1], -q[:, 2]), axis=1), normal)
        return t, o + t[:, None] * d, normal.astype(np.float32)

    def _radius(self, y: Any) -> Any:
        return (1 + self.top) / 2 + (self.top - 1) / 2 * y

    def _lean(self, p: Floats) -> Floats:
        return np.float32((1 - self.top) / 2) * self._radius(p[:, 1])

    def _wall(self, o: Floats, d: Floats, share: float, which: int) -> Floats:
        """t at the outside (which 1) or at the far inside (which -1) of a wall."""
        middle, slope = share * (1 + self.top) / 2, share * (self.top - 1) / 2
        r, dr = np.float32(middle) + np.float32(slope) * o[:, 1], np.float32(slope) * d[1]
        a = np.float32(d[0] ** 2 + d[2] ** 2 - dr**2)
        if abs(a) < 1e-7:
            return np.full(len(o), FAR, dtype=np.float32)
        b = o[:, 0] * d[0] + o[:, 2] * d[2] - r * dr
        inside = b * b - a * (o[:, 0] ** 2 + o[:, 2] ** 2 - r * r)
        t = (np.float32(which) * np.sign(a) * np.sqrt(np.maximum(inside, 0)) - b) / a
        y = o[:, 1] + t * d[1]
        return np.where((inside >= 0) & (np.abs(y) <= 1), t, FAR).astype(np.float32)


@dataclass(frozen=True)
class View:
    """What the camera sees: for each of (h, w) pixels the part number (-1 none), the depth (larger is
    nearer, in units of the object), the unit normal (h, w, 3) and the point (h, w, 3) in the part's own axes.
    """

    part: NDArray[np.int16]
    depth: Map
    normal: Floats
    point: Floats


def rotation(x: float = 0, y: float = 0, z: float = 0) -> NDArray[np.float64]:
    """Turned by angles in degrees about z, then x, then y."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians((x, y, z))), np.sin(np.radians((x, y, z)))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def seen(solids: list[Solid], camera: NDArray[np.float64], side: int) -> View:
    """Solids on a canvas whose longer side has ``side`` pixels.

    Args:
        camera: (3, 3) rotation from the solids' axes to right, up and towards the viewer.
    """
    frames = [(camera @ s.turn * np.array(s.half), camera @ np.array(s.centre)) for s in solids]
    reach = [_reach(s, m) for s, (m, _) in zip(solids, frames, strict=True)]
    low = np.min([c[:2] - r for (_, c), r in zip(frames, reach, strict=True)], axis=0)
    high = np.max([c[:2] + r for (_, c), r in zip(frames, reach, strict=True)], axis=0)
    pixel = float((high - low).max()) / side
    w, h = (max(2, int(np.ceil(size / pixel))) for size in high - low)
    view = View(
        np.full((h, w), -1, np.int16),
        np.full((h, w), FAR, np.float32),
        np.zeros((h, w, 3), np.float32),
        np.zeros((h, w, 3), np.float32),
    )
    u = (low[0] + (np.arange(w) + 0.5) * pixel).astype(np.float32)
    v = (high[1] - (np.arange(h) + 0.5) * pixel).astype(np.float32)
    for number, (solid, (m, c), r) in enumerate(zip(solids, frames, reach, strict=True)):
        rows = slice(*np.searchsorted(-v, (-c[1] - r[1], -c[1] + r[1])))
        columns = slice(*np.searchsorted(u, (c[0] - r[0], c[0] + r[0])))
        _cast(solid, number, m, c, u[columns], v[rows], _window(view, rows, columns))
    return view


def _window(view: View, rows: slice, columns: slice) -> View:
    at = (rows, columns)
    return View(view.part[at], view.depth[at], view.normal[at], view.point[at])


def _reach(solid: Solid, m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the width and height of the solid on the canvas, or more."""
    sides = np.abs(m[:2])
    if isinstance(solid, Ellipsoid):
        return np.asarray(np.sqrt((sides**2).sum(axis=1)))
    if isinstance(solid, Tube):
        round_part = np.hypot(sides[:, 0], sides[:, 2]) * max(1.0, solid.top)
        return np.asarray(round_part + sides[:, 1])
    return np.asarray(sides.sum(axis=1))


def _cast(
    solid: Solid, number: int, m: NDArray[np.float64], c: NDArray[np.float64], u: Map, v: Map, view: View
) -> None:
    if not u.size or not v.size:
        return
    back = np.linalg.inv(m).astype(np.float32)
    start = -back @ c.astype(np.float32)
    o = (u[None, :, None] * back[:, 0] + v[:, None, None] * back[:, 1] + start).reshape(-1, 3)
    t, p, normal = solid.hit(o, np.ascontiguousarray(back[:, 2]))
    nearer = t.reshape(view.depth.shape) > view.depth
    chosen = nearer.ravel()
    n = normal[chosen] @ back
    n /= np.maximum(np.sqrt(np.einsum("ij,ij->i", n, n)), 1e-6)[:, None]
    view.part[nearer], view.depth[nearer] = number, t[chosen]
    view.normal[nearer], view.point[nearer] = n, p[chosen]
