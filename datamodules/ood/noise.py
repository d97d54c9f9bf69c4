"""OoD sets of noise, made in the size of the network's input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.arrays import ArraySet
from datamodules.imagesets.base import ImageSet
from datamodules.imagesets.subset import capped
from datamodules.ood.base import Host
from datamodules.registry import OOD_SETS

Shape = tuple[int, ...]
Draw = Callable[[Shape, np.random.Generator], NDArray[np.integer]]
COUNT, LARGE_COUNT, LARGE = 10_000, 1000, 64 * 64
NOISE = "noise"


@dataclass(frozen=True)
class NoiseSet:
    """A seeded set of noise: as many images as there are test images, at most 10,000 as in ODIN's archives (1,000 where
    they are larger than 64 x 64).

    Attributes:
        name, description: for users; literals.
        stream: number of its random stream, another one for every set.
        draw: pixels of a shape, integers.
        on: OoD set to whose images the noise is added, in their size and number, clipped at 255; None: noise alone.
    """

    name: str
    description: str
    stream: int
    draw: Draw
    on: str | None = None

    def open(self, data: Host) -> ImageSet:
        return capped(self.images(data), data.limit, data.seed)

    def images(self, data: Host) -> ArraySet:
        """All images of the set for a data module."""
        random = np.random.default_rng([data.seed, self.stream])
        if self.on is not None:
            clean = OOD_SETS[self.on].located(data)
            pixels = np.stack([clean.read(i).image for i in range(len(clean))]).astype(np.int64)
            noisy = (pixels + self.draw(pixels.shape, random)).clip(0, 255).astype(np.uint8)
            return ArraySet(self.name, noisy, None, clean.origin, f"{self.name}/", NOISE)
        height, width = data.image_size
        count = min(len(data.sets["test"]), COUNT if height * width <= LARGE else LARGE_COUNT)
        noise = self.draw((count, height, width, data.channels), random).astype(np.uint8)
        return ArraySet(self.name, noise, None, "generated", f"{self.name}/", NOISE)


def _uniform(low: int, high: int, dtype: type[np.integer] = np.uint8) -> Draw:
    return lambda shape, random: random.integers(low, high, shape, dtype=dtype)


def _gaussian(shape: Shape, random: np.random.Generator) -> NDArray[np.uint8]:
    return (random.normal(0.5, 1.0, shape).clip(0, 1) * 255).round().astype(np.uint8)


GAUSSIAN = NoiseSet(
    name="gaussian-noise", description="pixels normal with mean .5, deviation 1, clipped", stream=0, draw=_gaussian
)  # fmt: skip
UNIFORM = NoiseSet(
    name="uniform-noise", description="pixels uniform on 0..255", stream=1, draw=_uniform(0, 256)
)
BRIGHT = NoiseSet(
    name="bright-noise",
    description="pixels uniform on 128..255: VMDLS' noise on [0, 1) where its digits lie on [-1, 1]",
    stream=2,
    draw=_uniform(128, 256),
)
# VMDLS adds its noise to normalised digits without clipping, up to 1.5 times white; images of bytes end at white.
DIGITS = NoiseSet(
    name="mnist-noise",
    description="MNIST test images plus noise uniform on 0..127, as in VMDLS, clipped at 255",
    stream=3,
    draw=_uniform(0, 128, np.int64),
    on="mnist",
)
