"""The pre-processing that all sets of an experiment share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from datamodules.imagesets.base import fingerprint_of
from lsood.images.reading import Image

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def of_channels(numbers: Sequence[float], channels: int) -> tuple[float, ...]:
    """Mean or std of images that are turned to grey (luma of the numbers) or to RGB (the same three times)."""
    if len(numbers) == channels:
        return tuple(numbers)
    if channels == 1:
        return (float(np.dot(LUMA.astype(np.float64), numbers)),)
    return tuple(numbers) * channels


@dataclass(frozen=True)
class Preprocess:
    """uint8 images to normalised tensors: grey or RGB as the network needs it, resized with antialiasing,
    standardised. Label maps and boxes are resized with them.

    Attributes:
        image_size: (H, W) every image is resized to; label maps with nearest neighbour.
        mean, std: per channel, of images in [0, 1]: those of the in-distribution set, for every set.
        channels: 3 or 1.
        keep_aspect: image_size only bounds the size, see `size_of`.
    """

    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int = 3
    keep_aspect: bool = False

    @property
    def fingerprint(self) -> str:
        """sha256 in hex over the parameters."""
        kept = ("keep-aspect",) if self.keep_aspect else ()
        return fingerprint_of("preprocess-1", self.image_size, self.mean, self.std, self.channels, *kept)

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """(H, W) an image of a size is resized to: image_size; where the aspect ratio is kept, the size whose short
        side is the short side of image_size, or whose long side is its long side, whichever is smaller.

        Example:
            >>> Preprocess((800, 1333), (0.5,), (0.5,), keep_aspect=True).size_of(375, 500)
            (800, 1067)
        """
        if not self.keep_aspect:
            return self.image_size
        short, long = min(self.image_size), max(self.image_size)
        scale = min(short / min(height, width), long / max(height, width))
        return max(1, round(height * scale)), max(1, round(width * scale))

    def _as_channels(self, images: Tensor) -> Tensor:
        """(..., C, H, W) uint8 to this number of channels; grey is ITU-R 601 luma."""
        if images.shape[-3] == self.channels:
            return images
        if self.channels == 3:
            return images.expand(*images.shape[:-3], 3, *images.shape[-2:])
        grey = (images.float() * torch.from_numpy(LUMA)[:, None, None]).sum(-3, keepdim=True)
        return grey.round().to(torch.uint8)

    def images(self, images: Tensor) -> Tensor:
        """(..., C, H, W) uint8 -> (..., channels, *size_of(H, W)) float32."""
        images = self._as_channels(images)
        size = self.size_of(*images.shape[-2:])
        if tuple(images.shape[-2:]) != tuple(size):
            images = F.resize(images, list(size), antialias=True)
        mean, std = (torch.tensor(v)[:, None, None] * 255 for v in (self.mean, self.std))
        return (images.float() - mean) / std

    def image(self, image: Image | Tensor) -> Tensor:
        """(H, W, C) uint8 -> (channels, *size_of(H, W)) float32; a tensor is pre-processed already and stays."""
        if isinstance(image, Tensor):
            return image
        return self.images(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1))

    def label_map(self, labels: Image) -> Tensor:
        """(H, W) uint8 -> (*size_of(H, W)) int64, nearest neighbour, so that no new values appear."""
        tensor = torch.from_numpy(np.ascontiguousarray(labels))[None]
        size = self.size_of(*tensor.shape[-2:])
        if tuple(tensor.shape[-2:]) != tuple(size):
            tensor = F.resize(tensor, list(size), interpolation=InterpolationMode.NEAREST_EXACT)
        return tensor[0].long()

    def boxes(self, boxes: NDArray[np.float32], height: int, width: int) -> Tensor:
        """(M, 4) float32 x1 y1 x2 y2 in an image of a size -> (M, 4) float32 in its resized version."""
        rows, columns = self.size_of(height, width)
        factors = np.array([columns / width, rows / height] * 2)
        return torch.from_numpy((boxes * factors).astype(np.float32))
