"""Keep-masks of the random layers, drawn per image so that an image's samples do not depend on its batch
mates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from dropblock import DropBlock2D
from torch import Tensor, nn
from torchvision.ops import DropBlock2d

MAX_REDRAWS = 1000


def image_generator(key: str, seed: int, device: torch.device | str) -> torch.Generator:
    """The random generator of one image: a function of (key, seed) alone. Same device, same numbers."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def _dropblock(layer: DropBlock2D, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
    """PyPI ``dropblock``: one spatial mask for all channels, gamma = p / block_size^2, rescale by share
    kept.
    """
    height, width = shape[-2:]
    gamma = layer.drop_prob / layer.block_size**2
    seeds = torch.rand((n, 1, height, width), generator=random, device=random.device) < gamma
    dropped = F.max_pool2d(seeds.float(), layer.block_size, stride=1, padding=layer.block_size // 2)
    return 1 - dropped[..., :height, :width]


def _torchvision_dropblock(layer: DropBlock2d, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
    """torchvision: a mask per channel, gamma corrected for the border (Ghiasi et al. 2018, eq. 1)."""
    channels, height, width = shape[-3:]
    block = min(layer.block_size, height, width)
    if block % 2 == 0:
        raise ValueError(f"torchvision's DropBlock2d works with odd block sizes only, got {block}")
    inner = (height - block + 1, width - block + 1)
    gamma = layer.p * height * width / (block**2 * inner[0] * inner[1])
    seeds = torch.rand((n, channels, *inner), generator=random, device=random.device) < gamma
    padded = F.pad(seeds.float(), [block // 2] * 4)
    return 1 - F.max_pool2d(padded, block, stride=1, padding=block // 2)


def _dropout(layer: nn.Dropout, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
    return (torch.rand((n, *shape), generator=random, device=random.device) >= layer.p).float()


def _dropout2d(layer: nn.Dropout2d, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
    ones = (1,) * (len(shape) - 1)
    return (torch.rand((n, shape[0], *ones), generator=random, device=random.device) >= layer.p).float()


_DRAW: dict[type[nn.Module], Callable[..., Tensor]] = {
    DropBlock2D: _dropblock,
    DropBlock2d: _torchvision_dropblock,
    nn.Dropout: _dropout,
    nn.Dropout2d: _dropout2d,
}
RANDOM_LAYERS = tuple(_DRAW)
_RESCALED_BY_SHARE_KEPT = (DropBlock2D, DropBlock2d)


def drop_probability(layer: nn.Module) -> float:
    """The layer's p, 0 for a layer that is not random."""
    return (
        float(getattr(layer, "drop_prob", getattr(layer, "p", 0.0)))
        if isinstance(layer, RANDOM_LAYERS)
        else 0.0
    )


def keep_masks(layer: nn.Module, shape: Sequence[int], n: int, random: torch.Generator) -> Tensor:
    """Draw n scaled keep-masks for one image.

    Args:
        layer: ``dropblock.DropBlock2D``, ``torchvision.ops.DropBlock2d``, ``nn.Dropout`` or ``nn.Dropout2d``.
        shape: of one image's features at the layer, (C, H, W) or (D,).
        n: number of masks.
        random: the image's generator; masks are drawn on its device.

    Returns:
        (n, ...) float32, broadcastable to (n, *shape): 0 where dropped, the rescaling factor where kept.
            Every mask is rescaled
        by its own share kept, as a pass with batch size one does. A mask that drops a small map entirely (the
        layers divide by zero there) is drawn again: samples follow the distribution of the passes that have a
            value.

    Raises:
        ValueError: unsupported layer, or one that drops everything in (almost) every draw.
    """
    draw = next((draw for kind, draw in _DRAW.items() if isinstance(layer, kind)), None)
    if draw is None:
        names = ", ".join(f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in _DRAW)
        raise ValueError(
            f"cannot draw Monte-Carlo samples of {type(layer).__name__}; supported layers: {names}"
        )
    probability, shape = drop_probability(layer), torch.Size(shape)
    if not isinstance(layer, _RESCALED_BY_SHARE_KEPT):
        return draw(layer, shape, n, random) / max(1 - probability, torch.finfo(torch.float32).tiny)
    if len(shape) != 3:
        raise ValueError(f"{type(layer).__name__} needs feature maps (C, H, W), got {tuple(shape)}")
    keep = draw(layer, shape, n, random)
    for _ in range(MAX_REDRAWS):
        empty = keep.flatten(1).sum(1) == 0
        missing = int(empty.sum())
        if not missing:
            return keep / keep.mean(dim=(1, 2, 3), keepdim=True)
        keep[empty] = draw(layer, shape, missing, random)
    raise ValueError(
        f"{type(layer).__name__}(p={probability}, block_size={layer.block_size}) drops the whole "
        f"{shape[-2]}x{shape[-1]} map in nearly every draw; use a smaller block or larger images"
    )
