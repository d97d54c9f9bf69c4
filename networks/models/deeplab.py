"""DeepLabv3+ (Chen et al., ECCV 2018) with the DropBlock of LaREx on the encoder's deepest map."""

from __future__ import annotations

from functools import partial

import segmentation_models_pytorch as smp
from dropblock import DropBlock2D
from torch import Tensor, nn

from networks.models.padding import pad_to
from networks.models.pooled_batch_norm import use_pooled_batch_norm
from networks.spec import NetworkSpec


class DeepLabV3Plus(nn.Module):
    """Encoder and decoder of segmentation_models_pytorch around ``drop_block1``.

    Features: ``low_level`` (stride 4), ``deepest`` (the encoder's last map, what ``drop_block1`` gets) and
    ``fused`` (the decoder's output, stride 4). Images whose sides are no multiples of the stride are padded
    and the logits cropped back.

    Args:
        num_classes: K.
        channels: of the images.
        encoder: any encoder name of segmentation_models_pytorch; "resnet101" in the reference.
        encoder_weights: e.g. "imagenet" (downloaded by that library); None: random.
        decoder_channels: of the decoder's maps.
        drop_probability, block_size: of DropBlock2D; .5 and 8 in the reference, whose map is 16 x 32. With
            .5, block 8 drops a third of that map and block 4 a third of an 8 x 16 map; on an 8 x 16 map, more
            than a third of the masks of block 8 drop nothing, and some drop the whole map.
        output_stride: 8 or 16.

    Raises:
        ValueError: an encoder or weights that the library does not have.
    """

    feature_layers = ("low_level", "deepest", "fused")
    latent_layer = "drop_block1"

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        encoder: str = "resnet101",
        encoder_weights: str | None = None,
        decoder_channels: int = 256,
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
                decoder_channels=decoder_channels,
                in_channels=channels,
                classes=num_classes,
            )
        except (KeyError, RuntimeError) as error:
            reason = str(error.args[0] if error.args else error).splitlines()[0]
            raise ValueError(f"unknown encoder {encoder!r}: {reason}") from error
        self.encoder, self.decoder, self.head = model.encoder, model.decoder, model.segmentation_head
        use_pooled_batch_norm(self.decoder)
        self.low_level, self.deepest, self.fused = nn.Identity(), nn.Identity(), nn.Identity()
        self.drop_block1 = DropBlock2D(drop_probability, block_size)
        self.stride = output_stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, K, H, W)."""
        height, width = x.shape[-2:]
        features = list(self.encoder(pad_to(x, self.stride)))
        features[2] = self.low_level(features[2])
        features[-1] = self.drop_block1(self.deepest(features[-1]))
        return self.head(self.fused(self.decoder(features)))[..., :height, :width]


NETWORKS = (
    NetworkSpec("deeplabv3plus", "segmentation", "DeepLabv3+ with ResNet-101, as in LaREx", DeepLabV3Plus),
    NetworkSpec(
        "deeplabv3plus-resnet18",
        "segmentation",
        "DeepLabv3+ with ResNet-18",
        partial(DeepLabV3Plus, encoder="resnet18", block_size=4),
    ),
    NetworkSpec(
        "deeplabv3plus-small",
        "segmentation",
        "DeepLabv3+ with a small MobileNetV3, for CPUs and miniatures",
        partial(DeepLabV3Plus, encoder="tu-mobilenetv3_small_100", decoder_channels=64, block_size=4),
    ),
)
