"""torchvision's Faster R-CNN family, also with masks or key points, of which the boxes are used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss

from lsood.extraction.masks import RANDOM_LAYERS
from lsood.probes.detections import Detections
from networks.models.detection.proposals import SafeDropBlock
from networks.models.detection.regions import kept_detections
from networks.outside.description import Row
from networks.outside.detection.base import OutsideDetector
from networks.outside.detection.layers import backbone_of, class_layer, stages, traced
from networks.outside.wrapper import OWN

REGION_PROBABILITY, REGION_BLOCK = 0.3, 3
CONVOLUTION = "rpn.head.conv"
"""Layer of torchvision's proposal head behind which LaREx has its DropBlock."""


class RCNNDetector(OutsideDetector):
    """A ``GeneralizedRCNN`` of torchvision without its own transform: images come normalised and resized, as its
    transform states it (`networks.outside.configuration.of_module`), and are only padded here, as the transform pads
    them. So boxes, labels and scores are those of the network on the same images.

    Args: see `networks.outside.detection.adapt.adapt_detector`.
    """

    background = 0
    region_layer = "region_drop_block"
    region_dropout = "network.roi_heads.box_head"

    def __init__(
        self,
        network: GeneralizedRCNN,
        images: Tensor,
        num_classes: int,
        outputs: Sequence[int] | None = None,
        channel_order: str | None = None,
        latent_layer: str | None = None,
        feature_layers: Sequence[str] = (),
        head_layer: str | None = None,
    ) -> None:
        super().__init__(network, channel_order, num_classes)
        self.region_drop_block = SafeDropBlock(REGION_PROBABILITY, REGION_BLOCK)
        self._random = [m for m in network.roi_heads.modules() if isinstance(m, RANDOM_LAYERS)]
        size = (images.shape[-2], images.shape[-1])

        def run() -> Tensor:
            maps, padded = self._maps(self._input(images))
            network.rpn(padded, maps)
            whole = torch.tensor([[0.0, 0.0, size[1], size[0]]], device=images.device)
            return self._described(maps, [whole] * len(images), size)[2]

        logits, calls = traced(network, run)
        outputs_of = {call.name: call.output for call in calls}
        self._choose_classes(outputs, range(1, logits.shape[-1]))
        head = head_layer or class_layer(calls, logits)
        self._watch_head(head)
        own = tuple(feature_layers) or stages(calls, backbone_of(network))
        self.feature_layers = self._features_of(own, outputs_of)
        place = CONVOLUTION if CONVOLUTION in outputs_of else own[-1]
        self.latent_layer, latent = self._latent(latent_layer, place, outputs_of)
        self.head_layer = None if head is None else f"{OWN}{head}"
        stated = "--feature-layers" if feature_layers else "output of a stage of the backbone"
        self.description.rows += [
            *(Row("feature", layer, stated) for layer in own),
            latent,
            Row(
                "latent of regions",
                f"DropBlock2D (p {REGION_PROBABILITY:g}, block {REGION_BLOCK})",
                "behind pooling",
            ),
            Row(
                "head", head or "none", "--head-layer" if head_layer else "its output gives the class logits"
            ),
            Row(
                "logits",
                f"{self.num_outputs} classes, and the background before them",
                "as torchvision has it",
            ),
        ]
        self.description.notes.append(
            "the network's own transform is bypassed: images come resized, and normalised with its mean and standard "
            "deviation"
        )

    def _maps(self, images: Tensor) -> tuple[OrderedDict[str, Tensor], ImageList]:
        """Feature maps and the images, padded with zeros to multiples of the transform's divisor."""
        transform: Any = self.network.transform
        size = (images.shape[-2], images.shape[-1])
        divisor = int(getattr(transform, "size_divisible", 32))
        padded = F.pad(images, (0, -size[1] % divisor, 0, -size[0] % divisor))
        maps = self.network.backbone(padded)  # type: ignore[operator]
        maps = OrderedDict([("0", maps)]) if isinstance(maps, Tensor) else maps
        return maps, ImageList(padded, [size] * len(images))

    def _described(
        self, maps: OrderedDict[str, Tensor], boxes: list[Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the regions of all images: pooled maps, features, logits and box deltas."""
        heads: Any = self.network.roi_heads
        rows = [len(part) for part in boxes]
        layers: list[Any] = [self.region_drop_block, *self._random]
        for layer in layers:
            layer.rows_per_image = rows
        regions = heads.box_roi_pool(maps, boxes, [size] * len(boxes))
        self._seen.clear()
        hidden = heads.box_head(self.region_drop_block(regions))
        logits, deltas = heads.box_predictor(hidden)
        features = self._seen[-1][0] if self._seen else hidden
        self._seen.clear()
        return regions, features.flatten(1), logits, deltas

    def forward(self, images: Tensor, boxes: list[Tensor] | None = None) -> list[Detections] | list[Tensor]:
        """(B, C, H, W) -> the detections of each image; with ``boxes``, B times (m, 4) in pixels of the images, the
        logits (m, K) of these regions instead.
        """
        size = (images.shape[-2], images.shape[-1])
        maps, padded = self._maps(self._input(images))
        if boxes is not None:
            logits = self._described(maps, boxes, size)[2]
            return list(logits[:, list(self.columns)].float().split([len(part) for part in boxes]))
        proposals, _ = self.network.rpn(padded, maps)  # type: ignore[operator]
        rows = [len(part) for part in proposals]
        described: Any = zip(
            *(part.float().split(rows) for part in self._described(maps, proposals, size)), strict=True
        )
        heads: Any = self.network.roi_heads
        return [
            kept_detections(heads, own, size, (*parts,), self.columns)
            for own, parts in zip(proposals, described, strict=True)
        ]

    def losses(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """torchvision's losses of boxes, all with weight 1; also in evaluation mode.

        Args:
            images: (B, C, H, W).
            targets: B times "boxes" (M, 4) float32 and "labels" (M,) int64, 0 to K-1; others are left out.
        """
        size = (images.shape[-2], images.shape[-1])
        columns = torch.tensor(self.columns, device=images.device)
        own = [
            {"boxes": target["boxes"][known], "labels": columns[target["labels"][known]]}
            for target in targets
            for known in [target["labels"] >= 0]
        ]
        maps, padded = self._maps(self._input(images))
        rpn: Any = self.network.rpn
        heads: Any = self.network.roi_heads
        before = rpn.training, heads.training
        rpn.training = heads.training = True  # of these two alone: their layers stay as they are
        try:
            proposals, losses = rpn(padded, maps, own)
            proposals, _, labels, wanted = heads.select_training_samples(proposals, own)
        finally:
            rpn.training, heads.training = before
        _, _, logits, deltas = self._described(maps, proposals, size)
        classifier, boxes = fastrcnn_loss(logits.float(), deltas.float(), labels, wanted)
        return {**losses, "loss_classifier": classifier, "loss_box_reg": boxes}
