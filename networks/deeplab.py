"""DeepLabv3+ (Chen et al., ECCV 2018) with the DropBlock of LaREx on the encoder's deepest map."""

from __future__ import annotations

import segmentation_models_pytorch as smp
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.padding import pad_to


class DeepLabV3Plus(nn.Module):
    """Encoder and decoder of segmentation_models_pytorch around ``drop_block1``.

    Args:
        num_classes: K.
        channels: of the images.
        encoder: any encoder name of segmentation_models_pytorch; "resnet101" in the reference.
        encoder_weights: e.g. "imagenet" (downloaded by that library); None: random.
        drop_probability, block_size: of DropBlock2D; .5 and 8 in the reference, whose map is 16 x 32.
        output_stride: 8 or 16.

    Raises:
        ValueError: an encoder the library does not know.
    """

    feature_layers = ("low_level", "deepest", "fused")
    latent_layer = "drop_block1"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        encoder: str = "resnet101",
        encoder_weights: str | None = None,
        drop_probability: float = 0.5,
        block_size: int = 8,
        output_stride: int = 16,
    ) -> None:
        super().__init__()
        try:
            model = smp.DeepLabV3Plus(
                encoder_name=encoder,
                encoder_weights=encoder_weights,
                encoder_output_stride=output_stride,
                in_channels=channels,
                classes=num_classes,
            )
        except KeyError as error:
            raise ValueError(f"unknown encoder {encoder!r}: {str(error).splitlines()[0]}") from error
        self.encoder, self.decoder, self.head = model.encoder, model.decoder, model.segmentation_head
        self.low_level, self.deepest, self.fused = nn.Identity(), nn.Identity(), nn.Identity()
        self.drop_block1 = DropBlock2D(drop_probability, block_size)
        self.stride = output_stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K, H, W)."""
        height, width = x.shape[-2:]
        features = list(self.encoder(pad_to(x, self.stride)))
        features[-4] = self.low_level(features[-4])
        features[-1] = self.drop_block1(self.deepest(features[-1]))
        return self.head(self.fused(self.decoder(features)))[..., :height, :width]
