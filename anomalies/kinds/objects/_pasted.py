"""What pasted objects share: sizes, perspective, blending and severities."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.rng import child
from anomalies.scene import Scene
from anomalies.toolkit.objects.blending import BLENDS
from anomalies.toolkit.objects.collage import Collage
from anomalies.toolkit.objects.cutout import Cutout
from anomalies.toolkit.objects.placement import TINY, Outline, Places, Spot, metres_to_pixels

METRES = ((0.25, 0.40), (0.40, 0.60), (0.60, 1.00), (1.00, 1.60), (1.60, 2.50))
TINY_METRES = (0.50, 0.70, 1.00, 1.40, 1.90)
MOST = 3
SECOND_AT_3 = 0.5
SMALLEST_CANVAS, LARGEST_CANVAS = 48, 256


def sizes_of(u: float, tiny: bool) -> tuple[float, ...]:
    """The five sizes in metres of one object, for a random number in [0, 1)."""
    return TINY_METRES if tiny else tuple(low + u * (high - low) for low, high in METRES)


def canvas_side(height: int) -> int:
    """Pixels to draw an object with, so that it is sharp enough when it is largest."""
    return int(np.clip(0.3 * height, SMALLEST_CANVAS, LARGEST_CANVAS))


@dataclass(frozen=True)
class Pasted(Anomaly):
    """Objects pasted into the image: perspective, blending and severities.

    An object stands on the ground: on road, sidewalk or other ground where the scene has labels, otherwise in the
    rows below the horizon. One metre there is (row - horizon) / camera height pixels. The severity sets the height
    in metres (half the width for long objects), 0.25-0.4, 0.4-0.6, 0.6-1, 1-1.6, 1.6-2.5, and the number of
    objects: 1, 1, 1-2, 2, 3. The first stands on the road, the second lies tilted on any ground, the third is
    placed above the ground (sky, facade). Objects are 0.05 to 0.5 H high (thin ones up to 0.62 H): rows, and if
    necessary sizes, are chosen accordingly. Images with H < 64 have no perspective and get one object of 0.13 to
    0.5 H. Severities share objects and places; only the size and number grow.

    Objects are not placed in front of the ego vehicle or image borders (large void regions at the edge). They hide
    at most 30 % of a person where such a place exists.

    Args:
        blend: tier of realism, independent of the severity. "hard": cut and paste; "feather": soft edge; "matched":
            also matches colour, sharpness and noise and adds a contact shadow; "poisson": colours of the surroundings.

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


def tilt(rng: np.random.Generator, number: int) -> float:
    """Degrees: the first object stands upright."""
    turn = float(rng.uniform(-180, 180))
    return turn if number else 0.0
