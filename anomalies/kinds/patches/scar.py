"""A thin strip of the image pasted elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalies.kinds.patches._regions import Outline, rectangle
from anomalies.kinds.patches.cutpaste import CutPaste


@dataclass(frozen=True)
class Scar(CutPaste):
    """The long and thin variant of CutPaste: 4 to 9 times as long as wide, up to 45 degrees from vertical."""

    kind = "scar"

    def outline(self, rng: np.random.Generator) -> Outline:
        return rectangle(1 / rng.uniform(4, 9), rng.uniform(-45, 45))
