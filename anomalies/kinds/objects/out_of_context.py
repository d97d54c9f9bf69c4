"""The scene's own objects in impossible places or poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.kinds.objects._pasted import canvas_side
from anomalies.kinds.objects.object import Object
from anomalies.rng import child
from anomalies.scene import Scene
from anomalies.toolkit.objects.blending import BLENDS
from anomalies.toolkit.objects.collage import Collage
from anomalies.toolkit.objects.cutout import Cutout
from anomalies.toolkit.objects.own import own_objects
from anomalies.toolkit.objects.placement import TINY, Places

WRONG_METRES = (1.0, 1.4, 2.0, 2.8, 4.0)
OPPOSITE, SIDEWAYS = 180.0, 90.0


@dataclass(frozen=True)
class OutOfContext(Anomaly):
    """The scene's own objects in impossible places: a car in the sky, a sign upside down on the road.

    A labelled object of the image (person, car, sign, ...) is copied to a place above the ground, or onto the
    ground lying on its side or upside down. The severity sets its height, 1, 1.4, 2, 2.8, 4 m or up to a quarter
    more (half the width for long objects; 0.05 to 0.5 H), and the number of objects: two from severity 4. Without
    labels or without such an object in the image, a procedural object is used. Severities share objects and places.

    Args:
        blend: tier of realism, see `Pasted`.

    Raises:
        ValueError: an unknown tier.
    """

    kind = "out_of_context"
    objects = "own"
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
