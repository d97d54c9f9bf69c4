"""The convolutional autoencoder of VMDLS (Dinari & Freifeld, UAI 2022)."""

from __future__ import annotations

import math

from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Two strided convolutions, a bottleneck, and transposed convolutions. Its reconstruction error is high on images
    unlike its training images.

    The authors use a convolutional autoencoder with this bottleneck for MNIST and downloaded ResNets for CIFAR.

    Args:
        channels: of the images. image_size: (H, W). latent: size of the bottleneck. width: of the first
            convolution.

    Raises:
        ValueError: images below 4 x 4 pixels; in a forward pass, images of another size.
    """

    def __init__(
        self, channels: int = 3, image_size: tuple[int, int] = (32, 32), latent: int = 32, width: int = 32
    ) -> None:
        super().__init__()
        self.image_size = tuple(image_size)
        if min(self.image_size) < 4:
            raise ValueError(f"image_size must be at least 4x4 pixels, got {self.image_size}")
        grid = (2 * width, *(math.ceil(side / 4) for side in self.image_size))
        self.encoder = nn.Sequential(
            *(nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU()),
            *(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(math.prod(grid), latent)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latent, math.prod(grid)), nn.ReLU(), nn.Unflatten(1, grid)),
            *(nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.ReLU()),
            nn.ConvTranspose2d(width, channels, 4, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W), on the same (normalised) scale."""
        if tuple(x.shape[-2:]) != self.image_size:
            (height, width), given = self.image_size, f"{x.shape[-2]}x{x.shape[-1]}"
            raise ValueError(f"this autoencoder takes images of {height}x{width} pixels, got {given}")
        return self.decoder(self.encoder(x))[..., : self.image_size[0], : self.image_size[1]]
