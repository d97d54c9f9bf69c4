"""OoD sets of noise, drawn for the size of the network's input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datamodules.imagesets.base import ArraySet, ImageSet

Shape = tuple[int, ...]
NOISE = {
    "gaussian-noise": "pixels normal with mean .5, deviation 1, clipped",
    "uniform-noise": "pixels uniform on 0..255",
    "bright-noise": "pixels uniform on 128..255: VMDLS' noise on [0, 1) where its digits lie on [-1, 1]",
    "mnist-noise": "MNIST test images plus noise uniform on 0..127, as in VMDLS, clipped at 255",
}
COUNT, LARGE_COUNT, LARGE = 10_000, 1000, 64 * 64


def noise_set(
    name: str, shape: Shape, test_images: int, seed: int, digits: Callable[[], ImageSet]
) -> ArraySet:
    """One of ``NOISE``, seeded: as many images as there are test images, at most 10,000 as in ODIN's archives
    (1,000 where they are larger than 64 x 64).

    VMDLS adds its noise to normalised digits without clipping, up to 1.5 times white; images of bytes end at white.

    Args:
        shape: (H, W, C) of the network's input. digits: gives the MNIST test set, which mnist-noise keeps in size
            and number.
    """
    random = np.random.default_rng([seed, list(NOISE).index(name)])
    if name == "mnist-noise":
        clean = digits()
        pixels = np.stack([clean.read(i).image for i in range(len(clean))]).astype(np.int64)
        noisy = (pixels + random.integers(0, 128, pixels.shape)).clip(0, 255).astype(np.uint8)
        return ArraySet(name, noisy, None, clean.origin, f"{name}/")
    count = min(test_images, COUNT if shape[0] * shape[1] <= LARGE else LARGE_COUNT)
    return ArraySet(name, _pixels(name, (count, *shape), random), None, "official", f"{name}/")


def _pixels(name: str, shape: Shape, random: np.random.Generator) -> NDArray[np.uint8]:
    if name == "gaussian-noise":
        return (random.normal(0.5, 1.0, shape).clip(0, 1) * 255).round().astype(np.uint8)
    return random.integers(128 if name == "bright-noise" else 0, 256, shape, dtype=np.uint8)
