"""Score maps of images that a method was fitted on, each by a fit that left the image out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from lsood.probes.base import ForwardOutputs
from lsood.probes.pixels import PixelProbe


@dataclass(frozen=True, eq=False)
class LeftOutMaps(PixelProbe):
    """(B, S, h, w) float32 score maps, of every image by its own probe.

    Args:
        fits: {fit image: probe of the method fitted on all others}; they prepare nothing.
        sources: {image: the fit image it was made from}.
    """

    fits: Mapping[str, PixelProbe] = field(repr=False)
    sources: Mapping[str, str] = field(repr=False)

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(layer for probe in self.fits.values() for layer in probe.layers))

    @property
    def name(self) -> str:
        names = "\0".join(f"{key}\0{probe.name}" for key, probe in sorted(self.fits.items()))
        return f"left_out.{hashlib.sha256(names.encode()).hexdigest()[:16]}"

    @property
    def scores(self) -> tuple[str, ...]:  # type: ignore[override]
        count = len(next(iter(self.fits.values())).scores)
        return tuple(f"{self.name}.{i}" for i in range(count))

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        return torch.cat(
            [
                self.fits[self.sources[key]](_of_image(forward, i), None).float()
                for i, key in enumerate(forward.keys)
            ]
        )


def _of_image(forward: ForwardOutputs, i: int) -> ForwardOutputs:
    one = slice(i, i + 1)

    def rows(layers: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: [call[one] for call in seen] if isinstance(seen, list) else seen[one]
            for name, seen in layers.items()
        }

    return replace(
        forward,
        images=forward.images[one],
        logits=forward.logits[one],
        keys=forward.keys[one],
        targets=None if forward.targets is None else forward.targets[one],
        inputs=rows(forward.inputs),
        outputs=rows(forward.outputs),
    )
