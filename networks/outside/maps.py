"""Feature maps in the layouts of convolutional networks and transformers, and between these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

PREFIXES = range(9)
"""How many tokens may stand before those of image patches: class tokens, registers."""
BORDER = 0.2
"""Share of an image's side that convolutions without padding may cut off."""
ASPECT = 1.5
"""How far a map's aspect may be from that of the images: rounding shifts that of small maps."""


@dataclass(frozen=True)
class Layout:
    """How a layer's output is a map (B, C, h, w).

    Attributes:
        kind: "map" (B, C, h, w), "channels-last" (B, h, w, C), "tokens" (B, prefix + h w, C), or "vector" (B, D).
        shape: (C, h, w), or (D,).
        prefix: tokens before those of the map.
    """

    kind: str
    shape: tuple[int, ...]
    prefix: int = 0

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w); (1, 1) of a vector."""
        return self.shape[1:] if len(self.shape) == 3 else (1, 1)  # type: ignore[return-value]

    def to_map(self, x: Tensor) -> Tensor:
        """(B, C, h, w), or (B, D) of a vector; without the prefix."""
        if self.kind == "channels-last":
            return x.permute(0, 3, 1, 2)
        if self.kind == "tokens":
            return x[:, self.prefix :].transpose(1, 2).unflatten(2, self.cells)
        return x

    def from_map(self, x: Tensor, whole: Tensor) -> Tensor:
        """The map in the layout of ``whole``, whose prefix it keeps."""
        if self.kind == "channels-last":
            return x.permute(0, 2, 3, 1)
        if self.kind == "tokens":
            kept = whole.clone()
            kept[:, self.prefix :] = x.flatten(2).transpose(1, 2)
            return kept
        return x


def tensors_in(value: Any) -> list[Tensor]:
    """The tensor itself, or those in a tuple, list or mapping."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return [one for one in value if isinstance(one, Tensor)] if isinstance(value, tuple | list) else []


def layout_of(shape: tuple[int, ...], batch: int, size: tuple[int, int]) -> Layout | None:
    """The layout of a tensor of this shape, for images (H, W) = ``size``; None: it is no map of them, nor a vector."""
    if len(shape) < 2 or shape[0] != batch or 0 in shape:
        return None
    if len(shape) == 2:
        return Layout("vector", (shape[1],))
    if len(shape) == 4:
        first, last = _fit(shape[2:], size), _fit(shape[1:3], size)
        if first is None and last is None:
            return None
        if last is None or (first is not None and first <= last):
            return Layout("map", tuple(shape[1:]))
        return Layout("channels-last", (shape[3], shape[1], shape[2]))
    if len(shape) == 3:
        for prefix in PREFIXES:
            if (cells := _grid(shape[1] - prefix, size)) is not None:
                return Layout("tokens", (shape[2], *cells), prefix)
    return None


def _fit(cells: tuple[int, ...], size: tuple[int, int]) -> float | None:
    """How far (h, w) is from the images' aspect, 0 where it is equal; None: they are no cells of the images."""
    steps = [max(1, round(side / n)) for side, n in zip(size, cells, strict=True)]
    covered = [step * n / side for step, n, side in zip(steps, cells, size, strict=True)]
    aspect = (cells[0] / cells[1]) / (size[0] / size[1])
    if max(cells) > 1 and max(aspect, 1 / aspect) > ASPECT:
        return None
    return abs(aspect - 1) if all(abs(share - 1) <= BORDER for share in covered) else None


def _grid(tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """(h, w) of so many patches of the images; None: no square patch gives them."""
    if tokens < 1:
        return None
    for patch in range(1, max(size) + 1):
        for cells in {
            (size[0] // patch, size[1] // patch),
            (-(-size[0] // patch), -(-size[1] // patch)),
        }:
            if cells[0] * cells[1] == tokens:
                return cells
    return None
