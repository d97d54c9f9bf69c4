"""Random generators that depend only on what is drawn, never on order or process."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def child(seed: Any) -> np.random.Generator:
    """A generator of its own for each object, so that one object's numbers do not depend on another's."""
    return np.random.Generator(np.random.PCG64(int(seed)))


def generator(seed: int, kind: str, key: str, severity: int = 0) -> np.random.Generator:
    """The random generator of one anomaly on one image.

    A function of its arguments alone, so any image can be made again by itself, in any order and process.

    Args:
        seed: of the whole data set.
        kind: of the anomaly.
        key: of the image.
        severity: 0 gives all severities the same numbers: the same dirt, more of it, so that severities can
            be compared image by image. Recipes do this.
    """
    name = "\0".join((str(int(seed)), kind, key, str(int(severity))))
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little"))))
