"""Randomness without state: a generator per (seed, kind, image key, severity), the same in any order and any
process.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, kind: str, key: str, severity: int) -> np.random.Generator:
    """PCG64 seeded by a stable hash of its arguments.

    Example:
        >>> int(generator(0, "fog", "a.png", 3).integers(1000)) == int(generator(0, "fog", "a.png",
        3).integers(1000)) True
    """
    digest = hashlib.blake2b(f"{seed}\0{kind}\0{key}\0{severity}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little"))))
