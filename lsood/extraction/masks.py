"""Keep-masks of the random layers, drawn per image so that an image's samples do not depend on its batch
mates.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from dropblock import DropBlock2D
from torch import Tensor, nn
from torchvision.ops import DropBlock2d

from lsood.extraction.devices import generator_device

MAX_REDRAWS = 1000


class UnsampledDropout(ValueError):
    """A network drops in a way that cannot be sampled, so quantities of stochastic passes have no value."""


class FixedKey(str):
    """A key whose masks are those of every other `FixedKey`, drawn on the CPU, so that they are the same for every
    image and on every device.
    """

    __slots__ = ()


def image_generator(key: str, seed: int, device: torch.device | str) -> torch.Generator:
    """The random generator of one image: a function of (key, seed) alone. Same device, same numbers; for every
    `FixedKey` the same numbers on all.
    """
    if isinstance(key, FixedKey):
        key, device = "fixed masks", "cpu"
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest()
    return torch.Generator(generator_device(device)).manual_seed(int.from_bytes(digest, "little") >> 1)


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
        raise UnsampledDropout(
            f"torchvision's DropBlock2d works with odd block sizes only, got {block} "
            f"(block_size={layer.block_size} on a {height}x{width} map); use an odd block_size that fits the map"
        )
    inner = (height - block + 1, width - block + 1)
    gamma = layer.p * height * width / (block**2 * inner[0] * inner[1])
    seeds = torch.rand((n, channels, *inner), generator=random, device=random.device) < gamma
    padded = F.pad(seeds.float(), [block // 2] * 4)
    return 1 - F.max_pool2d(padded, block, stride=1, padding=block // 2)


def _dropout(layer: nn.Dropout, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
    return (torch.rand((n, *shape), generator=random, device=random.device) >= layer.p).float()


def _channels(layer: Any, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
    """One number per channel, the first dimension of an image's features."""
    ones = (1,) * (len(shape) - 1)
    return (torch.rand((n, shape[0], *ones), generator=random, device=random.device) >= layer.p).float()


def _channels_if(dimensions: int) -> Callable[..., Tensor]:
    """As :func:`_channels` for features of so many dimensions; of others the layer takes the batch for the channels, so
    that it drops an image's features all at once.
    """

    def draw(layer: Any, shape: torch.Size, n: int, random: torch.Generator) -> Tensor:
        whole = torch.Size([1] * len(shape))
        return _channels(layer, shape if len(shape) == dimensions else whole, n, random)

    return draw


_DRAW: dict[type[nn.Module], Callable[..., Tensor]] = {
    DropBlock2D: _dropblock,
    DropBlock2d: _torchvision_dropblock,
    nn.Dropout: _dropout,
    nn.Dropout1d: _channels_if(2),
    nn.Dropout2d: _channels,
    nn.Dropout3d: _channels_if(4),
    nn.AlphaDropout: _dropout,
    nn.FeatureAlphaDropout: _channels,
}
RANDOM_LAYERS = tuple(_DRAW)
_RESCALED_BY_SHARE_KEPT = (DropBlock2D, DropBlock2d)
_ALPHA_LAYERS = (nn.AlphaDropout, nn.FeatureAlphaDropout)
ALPHA = 1.7580993408473766
"""Minus the limit of SELU for small inputs: alpha dropout sets dropped values to -ALPHA before its affine map."""


def drop_probability(layer: nn.Module) -> float:
    """The layer's p, 0 for a layer that is not random."""
    return (
        float(getattr(layer, "drop_prob", getattr(layer, "p", 0.0)))
        if isinstance(layer, RANDOM_LAYERS)
        else 0.0
    )


def _alpha_scale(p: float) -> float:
    """Alpha dropout multiplies by it, so that mean 0 and variance 1 stay (Klambauer et al., NeurIPS 2017)."""
    return 0.0 if p == 1 else 1 / math.sqrt((ALPHA**2 * p + 1) * (1 - p))


def drop(layer: nn.Module, features: Tensor, masks: Tensor) -> Tensor:
    """What a dropout layer makes of features under masks of :func:`keep_masks`; both broadcast."""
    masks = masks.to(features.device)
    if not isinstance(layer, _ALPHA_LAYERS):
        return features * masks
    p = drop_probability(layer)
    shift = ALPHA * _alpha_scale(p)
    return features * masks + (shift * p - shift * (masks == 0))


def keep_masks(layer: nn.Module, shape: Sequence[int], n: int, random: torch.Generator) -> Tensor:
    """Draw n scaled keep-masks for one image.

    Args:
        layer: ``dropblock.DropBlock2D``, ``torchvision.ops.DropBlock2d``, or PyTorch's ``Dropout``, ``Dropout1d``,
            ``Dropout2d``, ``Dropout3d``, ``AlphaDropout``, ``FeatureAlphaDropout``.
        shape: of one image's features at the layer, (C, H, W) or (D,).
        n: number of masks.
        random: the image's generator; masks are drawn on its device.

    Returns:
        (n, ...) float32, broadcastable to (n, *shape): 0 where dropped, the rescaling factor where kept; :func:`drop`
        applies them. Every mask of a DropBlock layer is rescaled by its own share kept, as a pass with batch size one
        does. Where a mask drops a small map entirely, torchvision's layer gives zeros, and so do the masks; PyPI's
        divides by zero, so such masks are drawn again: samples follow the distribution of the passes that have a
        value.

    Raises:
        UnsampledDropout: unsupported layer, or one that drops everything in (almost) every draw.
    """
    draw = next((draw for kind, draw in _DRAW.items() if isinstance(layer, kind)), None)
    if draw is None:
        names = ", ".join(f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in _DRAW)
        raise UnsampledDropout(
            f"cannot draw Monte-Carlo samples of {type(layer).__name__}; supported layers: {names}"
        )
    probability, shape = drop_probability(layer), torch.Size(shape)
    if isinstance(layer, _ALPHA_LAYERS):
        return draw(layer, shape, n, random) * _alpha_scale(probability)
    if not isinstance(layer, _RESCALED_BY_SHARE_KEPT):
        return draw(layer, shape, n, random) / max(1 - probability, torch.finfo(torch.float32).tiny)
    if len(shape) != 3:
        raise UnsampledDropout(f"{type(layer).__name__} needs feature maps (C, H, W), got {tuple(shape)}")
    keep = draw(layer, shape, n, random)
    for _ in range(MAX_REDRAWS):
        empty = keep.flatten(1).sum(1) == 0
        missing = int(empty.sum())
        if not missing or isinstance(layer, DropBlock2d):
            share = keep.mean(dim=(1, 2, 3), keepdim=True)
            return keep / share.masked_fill(share == 0, 1)
        keep[empty] = draw(layer, shape, missing, random)
    raise UnsampledDropout(
        f"{type(layer).__name__}(p={probability}, block_size={layer.block_size}) drops the whole "
        f"{shape[-2]}x{shape[-1]} map in nearly every draw; use a smaller block or larger images"
    )
