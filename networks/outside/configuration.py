"""What a network states of its input: normalisation, size, channel order, names of its classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class InputConfig:
    """What a network states of its input and outputs; None: nothing.

    Attributes:
        mean, std: per channel in the network's channel order, of images in [0, 1].
        image_size: (H, W).
        class_names: of the outputs, in their order.
        channel_order: "rgb" or "bgr".
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None
    channel_order: str | None = None


@torch.no_grad()
def channels_of(module: nn.Module, channels: int, size: tuple[int, int]) -> int:
    """1 or 3: how many channels a network takes. ``channels`` unless its first convolution has others, or it has none,
    and it fails on such images (H, W) and not on those with the other number.
    """
    first = next((layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    if first == channels or channels not in (1, 3):
        return channels
    for tried in (channels, 4 - channels):
        try:
            module(torch.zeros(2, tried, *size))
            return tried
        except Exception:
            continue
    return first if first in (1, 3) else channels


def of_module(module: nn.Module, arguments: Mapping[str, Any] | None = None) -> InputConfig:
    """Of a timm network, by its ``pretrained_cfg``; of a detector of torchvision, by its transform; nothing of any
    other.
    """
    transform: Any = getattr(module, "transform", None)
    if hasattr(transform, "image_mean"):
        scale = tuple(map(float, transform.image_mean)), tuple(map(float, transform.image_std))
        return InputConfig(scale[0], scale[1], (int(transform.min_size[-1]), int(transform.max_size)))
    config = getattr(module, "pretrained_cfg", None)
    if not isinstance(config, Mapping):
        return InputConfig()
    size = (arguments or {}).get("img_size") or getattr(module, "img_size", None) or config.get("input_size")
    mean, std = config.get("mean"), config.get("std")
    if mean is None or std is None:
        return InputConfig(image_size=size_of(size))
    return InputConfig(tuple(map(float, mean)), tuple(map(float, std)), size_of(size))


def of_processor(config: Mapping[str, Any], class_names: Sequence[str] | None) -> InputConfig:
    """Of a transformers network, by the content of its ``preprocessor_config.json``."""
    mean, std = config.get("image_mean"), config.get("image_std")
    top = 1.0 if config.get("do_rescale", True) else 255.0
    if config.get("do_normalize", True) is False:
        mean, std = (0.0,), (1.0,)
    stated = mean is not None and std is not None
    size = config.get("crop_size") if config.get("do_center_crop") else None
    names = None if class_names is None else tuple(class_names)
    return InputConfig(
        tuple(float(value) / top for value in _listed(mean)) if stated else None,
        tuple(float(value) / top for value in _listed(std)) if stated else None,
        size_of(size or config.get("size")),
        names,
        "bgr" if config.get("do_flip_channel_order") else None,
    )


def _listed(value: Any) -> Sequence[float]:
    return value if isinstance(value, list | tuple) else (value,)


def size_of(size: Any) -> tuple[int, int] | None:
    """(H, W) of an integer, (H, W), (C, H, W) or a mapping of transformers, of a detector the bounds of the short and
    the long side; None: it states none.
    """
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping):
        if "height" in size and "width" in size:
            return int(size["height"]), int(size["width"])
        short = size.get("shortest_edge")
        return None if short is None else (int(short), int(size.get("longest_edge") or short))
    if isinstance(size, list | tuple) and len(size) >= 2 and all(isinstance(n, int) for n in size):
        return int(size[-2]), int(size[-1])
    return None
