"""Training augmentation on tensors; labels move with their image."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def flip(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror left-right every second time; (C, H, W) image with a class or an (H, W) map."""
    if torch.rand(()) < 0.5:
        return image, target
    return image.flip(-1), target.flip(-1) if target.ndim == 2 else target


def flip_boxes(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    """Mirror left-right every second time; (C, H, W) image with {"boxes": (M, 4) x1 y1 x2 y2, ...} and such regions."""
    if torch.rand(()) < 0.5:
        return image, target
    width = image.shape[-1]

    def mirrored(some: dict[str, Any]) -> dict[str, Any]:
        x1, y1, x2, y2 = some["boxes"].unbind(1)
        regions = {"regions": mirrored(some["regions"])} if "regions" in some else {}
        return some | {"boxes": torch.stack([width - x2, y1, width - x1, y2], dim=1)} | regions

    return image.flip(-1), mirrored(target)


def shift(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Crop the image out of itself with an eighth of its size as border (4 pixels at 32, reflected)."""
    height, width = image.shape[-2:]
    border = height // 8
    top, left = torch.randint(2 * border + 1, (2,)).tolist()
    padded = F.pad(image[None], [border] * 4, mode="reflect")[0]
    return padded[:, top : top + height, left : left + width], target


def shift_and_flip(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """`shift`, then maybe mirror it."""
    return flip(*shift(image, target))


def crop_and_flip(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Zoom into 60 to 100 % of the frame, image bilinear and map nearest neighbour, change contrast a little,
    maybe mirror.
    """
    height, width = image.shape[-2:]
    share = 0.6 + 0.4 * torch.rand(()).item()
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    top = int(torch.randint(height - rows + 1, ()))
    left = int(torch.randint(width - columns + 1, ()))
    image = image[:, top : top + rows, left : left + columns]
    image = F.interpolate(image[None], (height, width), mode="bilinear", align_corners=False)[0]
    if target.ndim == 2:
        part = target[None, None, top : top + rows, left : left + columns].float()
        target = F.interpolate(part, (height, width), mode="nearest-exact")[0, 0].long()
    contrast = 0.8 + 0.4 * torch.rand(()).item()
    return flip(image * contrast + 0.2 * torch.randn(()).item(), target)
