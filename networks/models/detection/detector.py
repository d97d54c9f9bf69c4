"""Faster R-CNN (Ren et al., NeurIPS 2015) on torchvision's parts, with the DropBlock of LaREx in its proposal head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList

from lsood.probes.detections import Detections
from networks.models.detection.proposals import DropRPNHead, ProposalNetwork, SafeDropBlock, StridedAnchors
from networks.models.detection.pyramids import (
    STAGES,
    STRIDES,
)
from networks.models.detection.regions import RegionDropout, RegionHeads

SMALLEST_SIDE = 32


class Detector(nn.Module):
    """Pyramid, proposal network and region heads; weights named as in torchvision's FasterRCNN.

    Unlike torchvision's it takes normalised images of one size and neither scales nor pads them.

    Args:
        backbone: the pyramid.
        num_classes: K, without background.
        anchors: side in pixels per level.
        candidates: best anchors of each level before non-maximum suppression.
        proposals: at most so many per image.
        samples: anchors and regions per image that train.
        hidden: width of the box head.
        drop_probability, block_size: of ``rpn.head.drop_block``.
        roi_drop_probability, roi_block_size: of ``roi_heads.roi_drop_block``.
        box_dropout: probability of ``roi_heads.box_dropout``.
        points: sampled per side of a region's pooled cell.
    """

    feature_layers = tuple(f"backbone.body.{stage}" for stage in STAGES)
    latent_layer = "rpn.head.drop_block"
    region_layer = "roi_heads.roi_drop_block"
    region_dropout = "roi_heads.box_dropout"
    head_layer = "roi_heads.box_predictor.cls_score"
    background = 0

    def __init__(
        self,
        backbone: BackboneWithFPN,
        num_classes: int,
        anchors: tuple[int, ...],
        candidates: int,
        proposals: int,
        samples: tuple[int, int],
        hidden: int,
        drop_probability: float,
        block_size: int,
        roi_drop_probability: float,
        roi_block_size: int,
        box_dropout: float,
        points: int = 2,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = backbone
        generator = StridedAnchors(anchors, STRIDES)
        self.rpn = ProposalNetwork(
            generator,
            DropRPNHead(
                backbone.out_channels,
                generator.num_anchors_per_location()[0],
                SafeDropBlock(drop_probability, block_size),
            ),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=samples[0],
            positive_fraction=0.5,
            pre_nms_top_n={"training": 2 * candidates, "testing": candidates},
            post_nms_top_n={"training": 2 * proposals, "testing": proposals},
            nms_thresh=0.7,
        )
        self.roi_heads = RegionHeads(
            backbone.out_channels,
            num_classes,
            hidden,
            samples[1],
            SafeDropBlock(roi_drop_probability, roi_block_size),
            RegionDropout(box_dropout),
            points,
        )

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """The levels "0" to "3" and "pool" of the pyramid, (B, C, h, w) float32 each.

        Raises:
            ValueError: images too small.
        """
        if min(images.shape[-2:]) < SMALLEST_SIDE:
            height, width = images.shape[-2:]
            raise ValueError(
                f"the detector takes images of at least {SMALLEST_SIDE} pixels a side, got {height}x{width}"
            )
        return {name: level.float() for name, level in self.backbone(images).items()}

    def forward(self, images: Tensor, boxes: list[Tensor] | None = None) -> list[Detections] | list[Tensor]:
        """(B, C, H, W) -> the detections of each image; with ``boxes``, B times (m, 4) in pixels of the images, the
        logits (m, K) of these regions instead, without background and without the proposal network.
        """
        if boxes is None:
            return self.detect(images)
        logits = self.roi_heads.describe(self.maps(images), boxes, (images.shape[-2], images.shape[-1]))[2]
        return list(logits[:, 1:].float().split([len(part) for part in boxes]))

    def detect(self, images: Tensor) -> list[Detections]:
        """(B, C, H, W) -> the detections of each image, as the call of the network returns them."""
        maps, size = self.maps(images), (images.shape[-2], images.shape[-1])
        proposals, _ = self.rpn(ImageList(images, [size] * len(images)), maps)
        return self.roi_heads.detect(maps, proposals, size)

    def losses(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The four losses of the paper, all with weight 1; also in evaluation mode.

        Args:
            images: (B, C, H, W).
            targets: B times "boxes" (M, 4) float32 and "labels" (M,) int64, 0 to K-1; below 0: none of the classes,
                neither object nor background.

        Raises:
            ValueError: a label of no class, or a box without area.
        """
        size = (images.shape[-2], images.shape[-1])
        shifted = [self._shifted(target) for target in targets]
        maps = self.maps(images)
        with self.rpn.asked_for_losses():
            proposals, losses = self.rpn(ImageList(images, [size] * len(images)), maps, shifted)
        return {**losses, **self.roi_heads.losses(maps, proposals, size, shifted)}

    def _shifted(self, target: dict[str, Tensor]) -> dict[str, Tensor]:
        """Labels 1 to K, 0 being the background; -1 stays."""
        boxes, labels = target["boxes"].float(), target["labels"]
        if len(labels) and int(labels.max()) >= self.num_classes:
            raise ValueError(f"a label is {int(labels.max())}, there are {self.num_classes} classes")
        if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
            raise ValueError("a box has no area: x1 y1 x2 y2 must have x2 > x1 and y2 > y1")
        return {"boxes": boxes, "labels": torch.where(labels < 0, -1, labels + 1)}
