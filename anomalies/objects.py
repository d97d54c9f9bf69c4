"""Objects that do not belong there, pasted where they would stand."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.parts.blending import BLENDS
from anomalies.parts.collage import Collage, Cutout
from anomalies.parts.cutouts import collection, own_objects, picture
from anomalies.parts.pictures import drawn
from anomalies.parts.placement import TINY, Outline, Places, Spot, metres_to_pixels
from anomalies.parts.shapes import SHAPES
from anomalies.scene import Scene

METRES = ((0.25, 0.40), (0.40, 0.60), (0.60, 1.00), (1.00, 1.60), (1.60, 2.50))
TINY_METRES = (0.50, 0.70, 1.00, 1.40, 1.90)
WRONG_METRES = (1.0, 1.4, 2.0, 2.8, 4.0)
MOST = 3
SECOND_AT_3 = 0.5
SMALLEST_CANVAS, LARGEST_CANVAS = 48, 256
COMPACT = ("tyre", "box", "barrel", "ball", "sacks", "sofa", "bin", "suitcase")
OPPOSITE, SIDEWAYS = 180.0, 90.0


def sizes_of(u: float, tiny: bool) -> tuple[float, ...]:
    """The five sizes in metres of one object, for a random number in [0, 1)."""
    return TINY_METRES if tiny else tuple(low + u * (high - low) for low, high in METRES)


def canvas_side(height: int) -> int:
    """Pixels to draw an object with, so that it is sharp enough when it is largest."""
    return int(np.clip(0.3 * height, SMALLEST_CANVAS, LARGEST_CANVAS))


def child(seed: Any) -> np.random.Generator:
    """A generator of its own for each object, so that one object's numbers do not depend on another's."""
    return np.random.Generator(np.random.PCG64(int(seed)))


@dataclass(frozen=True)
class Pasted(Anomaly):
    """What objects have in common: perspective, blending and severities.

    An object stands on the ground: on road, sidewalk or other ground where the scene is labelled, else in the rows
    below the horizon. A metre there has (row - horizon) / camera height pixels. Severities set the height in metres
    (half the width for long objects), 0.25-0.4, 0.4-0.6, 0.6-1, 1-1.6, 1.6-2.5, and the number: 1, 1, 1-2, 2, 3.
    The first one stands on the road, the second lies tilted on any ground, the third hangs in a wrong place (sky,
    facade). Objects are 0.05 to 0.5 H high (thin ones to 0.62 H): rows are chosen, and if needed sizes bent, so
    that it is so. Images with H < 64 have no perspective, and one object of 0.13 to 0.5 H. The same objects grow in
    the same places.

    Not in front of the own vehicle and of borders (large void regions at the edge); a person is hidden by at most
    30 % where there is such a place.

    Args:
        blend: tier of realism, apart from the severity. "hard": cut and paste; "feather": soft edge; "matched":
            also colour, sharpness, noise and a contact shadow; "poisson": the surroundings' colour.

    Raises:
        ValueError: an unknown tier.
    """

    family = "objects"
    level = "pixel"

    blend: str = "matched"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blend not in BLENDS:
            raise ValueError(f"{self.kind}: blend must be one of {', '.join(BLENDS)}, got {self.blend!r}")

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        second, *seeds = rng.integers(0, 2**62, MOST + 1)
        at_3 = 2 if second < SECOND_AT_3 * 2**62 else 1
        collage = Collage(image, scene, self.blend)
        shape = (image.shape[0], image.shape[1])
        places = Places(shape, scene)
        heights, licences = [], []
        counts = (1,) * 5 if shape[0] < TINY else (1, 1, at_3, 2, MOST)
        for number in range(self.of(counts)):
            own = child(seeds[number])
            sizes = sizes_of(float(own.random()), shape[0] < TINY)
            cutout = self.cutout(own, canvas_side(shape[0]), number)
            spot = self._spot(places, own, sizes, cutout.outline, number)
            boxes = spot.boxes(sizes, cutout.outline)
            collage.add(cutout, boxes, self.severity - 1, own, stands=number < MOST - 1)
            heights.append(_metres(spot, self.of(sizes), cutout.outline, scene, shape, number))
            licences.append(cutout.licence)
        known = {"licences": licences} if any(licences) else {}
        return collage.rendered(heights_m=heights, **known)

    @abstractmethod
    def cutout(self, rng: np.random.Generator, side: int, number: int) -> Cutout:
        """The first, second, ... object, with about ``side`` pixels in its longer side."""

    def _spot(
        self,
        places: Places,
        rng: np.random.Generator,
        sizes: tuple[float, ...],
        outline: Outline,
        number: int,
    ) -> Spot:
        ends = (sizes[0], sizes[-1])
        if number == MOST - 1:
            return places.above_ground(rng, ends, outline)
        return places.on_ground(rng, ends, outline, road=number == 0)


def _metres(
    spot: Spot, size: float, outline: Outline, scene: Scene, shape: tuple[int, int], number: int
) -> float | None:
    """Height in metres; None where there is no perspective."""
    pixels = metres_to_pixels(spot.y, shape, scene)
    if shape[0] < TINY or number == MOST - 1 or pixels == 0:
        return None
    return round(size * spot.scale * outline.height / pixels, 3)


def _tilt(rng: np.random.Generator, number: int) -> float:
    """Degrees: the first object stands upright."""
    turn = float(rng.uniform(-180, 180))
    return turn if number else 0.0


@dataclass(frozen=True)
class Object(Pasted):
    """A procedural object: a tyre, a fallen cone, an animal, ... See `Pasted` for sizes and severities. Images with
    H <= 160 get those without thin parts.

    Args:
        shape: "any", or a key of `anomalies.parts.shapes.SHAPES`.

    Raises:
        ValueError: an unknown shape.
    """

    kind = "object"

    shape: str = "any"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape != "any" and self.shape not in SHAPES:
            raise ValueError(f"object: shape must be any or one of {', '.join(SHAPES)}, got {self.shape!r}")

    def cutout(self, rng: np.random.Generator, side: int, number: int) -> Cutout:
        known = COMPACT if side == SMALLEST_CANVAS else tuple(SHAPES)
        drawn_name = known[int(rng.random() * len(known))]
        name = drawn_name if self.shape == "any" else self.shape
        turn = _tilt(rng, number)
        return Cutout.of(drawn(name, rng, side), name, licence="", turn=turn)


@dataclass(frozen=True)
class FolderObject(Pasted):
    """A picture from a user's folder of RGBA PNG files. See `Pasted` for sizes and severities.

    The folder must have an ``index.yaml`` with the licence of each file, see `anomalies.parts.cutouts.collection`. The
    licences are among the details.

    Args:
        folder: its path; "" draws the procedural objects.

    Raises:
        ValueError: a folder without index, an index without licences, files that are missing or not RGBA.
    """

    kind = "folder_object"

    folder: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.folder, str):
            raise ValueError(f"folder_object: folder must be a path as text, got {self.folder!r}")
        if self.folder:
            collection(self.folder)

    def cutout(self, rng: np.random.Generator, side: int, number: int) -> Cutout:
        if not self.folder:
            return Object(self.severity).cutout(rng, side, number)
        entries = collection(self.folder)
        path, name, licence = entries[int(rng.random() * len(entries))]
        return Cutout.of(picture(path, 2 * side), name, licence=licence, turn=_tilt(rng, number))


@dataclass(frozen=True)
class OutOfContext(Anomaly):
    """The scene's own objects where they cannot be: a car in the sky, a sign upside down on the road.

    A labelled object of the image (person, car, sign, ...) is copied to a wrong place above the ground, or to the
    ground on its side or upside down. Severities set its height where it is, 1, 1.4, 2, 2.8, 4 m or up to a quarter
    more (half the width for long objects; 0.05 to 0.5 H), and the number: two from severity 4. Without
    labels, or without such an object in the image, a procedural one is taken. The same objects grow in the same places.

    Args:
        blend: tier of realism, see `Pasted`.

    Raises:
        ValueError: an unknown tier.
    """

    kind = "out_of_context"
    family = "objects"
    level = "pixel"

    blend: str = "matched"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blend not in BLENDS:
            raise ValueError(f"out_of_context: blend must be one of {', '.join(BLENDS)}, got {self.blend!r}")

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        shape = (image.shape[0], image.shape[1])
        collage, places, found = Collage(image, scene, self.blend), Places(shape, scene), own_objects(scene)
        seeds = rng.integers(0, 2**62, 2)
        turns = []
        for seed in seeds[: 1 if shape[0] < TINY else self.of((1, 1, 1, 2, 2))]:
            own = child(seed)
            high, which, angle, size = own.random(4)
            sizes = tuple(float(1 + 0.25 * size) * metres for metres in WRONG_METRES)
            flies = high < 0.55
            turn = (0.0, OPPOSITE, 30.0, -30.0) if flies else (OPPOSITE, SIDEWAYS, -SIDEWAYS, OPPOSITE)
            turns.append(turn[int(4 * angle)])
            if found:
                cutout = found[int(which * len(found))].cutout(image, scene, turns[-1], known=False)
            else:
                picked = Object(self.severity).cutout(own, canvas_side(shape[0]), 0)
                cutout = Cutout.of(picked.rgba, picked.name, turn=turns[-1])
            ends = (sizes[0], sizes[-1])
            if flies:
                spot = places.above_ground(own, ends, cutout.outline)
            else:
                spot = places.on_ground(own, ends, cutout.outline, road=False)
            boxes = spot.boxes(sizes, cutout.outline)
            collage.add(cutout, boxes, self.severity - 1, own, stands=not flies)
        return collage.rendered(turned=turns)


KINDS: tuple[type[Anomaly], ...] = (Object, FolderObject, OutOfContext)
