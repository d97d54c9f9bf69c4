"""Faster R-CNN (Ren et al., NeurIPS 2015) on torchvision's parts, with the DropBlock of LaREx in its proposal head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList

from lsood.probes.detections import Detections
from networks.models.detection.proposals import DropRPNHead, ProposalNetwork, SafeDropBlock, StridedAnchors
from networks.models.detection.pyramids import (
    ENCODER_WEIGHTS,
    NORMS,
    STAGES,
    STRIDES,
    resnet50_pyramid,
    small_pyramid,
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
        candidates: best anchors of each level that go into the suppression.
        proposals: at most so many per image.
        samples: anchors and regions per image that train.
        hidden: width of the box head.
        drop_probability, block_size: of ``rpn.head.drop_block``.
        roi_drop_probability, roi_block_size: of ``roi_heads.roi_drop_block``.
        box_dropout: probability of ``roi_heads.box_dropout``.
        points: read per side of a region's pooled cell.
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
        """(B, C, H, W) -> what is found in each image; with ``boxes``, B times (m, 4) in pixels of the images, the
        logits (m, K) of these regions instead, without background and without the proposal network.
        """
        if boxes is None:
            return self.detect(images)
        logits = self.roi_heads.describe(self.maps(images), boxes, (images.shape[-2], images.shape[-1]))[2]
        return list(logits[:, 1:].float().split([len(part) for part in boxes]))

    def detect(self, images: Tensor) -> list[Detections]:
        """(B, C, H, W) -> what is found in each image, as the call of the network does."""
        maps, size = self.maps(images), (images.shape[-2], images.shape[-1])
        proposals, _ = self.rpn(ImageList(images, [size] * len(images)), maps)
        return self.roi_heads.detect(maps, proposals, size)

    def losses(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The four losses of the paper, which count alike; in evaluation mode too.

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


class FasterRCNN(Detector):
    """ResNet-50 with a feature pyramid, as in LaREx: five levels x 256 channels are sampled.

    Args:
        num_classes: K.
        channels: of the images.
        encoder_weights: "imagenet" (backbone) or "coco" (everything up to the box predictor), downloaded by
            torchvision; None: random.
        norm: batch norm of the backbone: "batch", or "frozen" for weights trained so (torchvision's and
            detectron2's).
        trainable_stages: of the backbone, 0 to 5; 0 as LaREx has it.
        drop_probability, block_size: of the proposal head's DropBlock; .5 and 4 in LaREx.
        roi_drop_probability, roi_block_size, box_dropout: before and after the box head.

    Raises:
        ValueError: an option out of range.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        encoder_weights: str | None = None,
        norm: str = "batch",
        trainable_stages: int = 5,
        drop_probability: float = 0.5,
        block_size: int = 4,
        roi_drop_probability: float = 0.3,
        roi_block_size: int = 3,
        box_dropout: float = 0.1,
    ) -> None:
        if encoder_weights not in ENCODER_WEIGHTS or norm not in NORMS:
            raise ValueError(
                'encoder_weights must be "imagenet", "coco" or None, norm "batch" or "frozen"; '
                f"got {encoder_weights!r} and {norm!r}"
            )
        if encoder_weights is not None and channels != 3:
            raise ValueError(f"weights of {encoder_weights} are for images of 3 channels, got {channels}")
        if not 0 <= trainable_stages <= 5:
            raise ValueError(f"trainable_stages must lie in 0 to 5, got {trainable_stages}")
        super().__init__(
            resnet50_pyramid(channels, norm, encoder_weights == "imagenet", trainable_stages),
            num_classes,
            anchors=(32, 64, 128, 256, 512),
            candidates=1000,
            proposals=1000,
            samples=(256, 512),
            hidden=1024,
            drop_probability=drop_probability,
            block_size=block_size,
            roi_drop_probability=roi_drop_probability,
            roi_block_size=roi_block_size,
            box_dropout=box_dropout,
        )
        if encoder_weights == "coco":
            self._load_coco()

    def _load_coco(self) -> None:
        state = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.get_state_dict(progress=False, check_hash=True)
        known = {name: value for name, value in state.items() if "box_predictor" not in name}
        self.load_state_dict(known, strict=False)


class SmallFasterRCNN(Detector):
    """A thin Faster R-CNN for CPUs and images of 64 to a few hundred pixels: five levels x 32 channels are sampled.

    Args:
        num_classes: K.
        channels: of the images.
        drop_probability, block_size: of the proposal head's DropBlock; blocks of 4 would drop the small maps whole.
        roi_drop_probability, roi_block_size, box_dropout: before and after the box head.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        drop_probability: float = 0.5,
        block_size: int = 3,
        roi_drop_probability: float = 0.3,
        roi_block_size: int = 3,
        box_dropout: float = 0.1,
    ) -> None:
        super().__init__(
            small_pyramid(channels),
            num_classes,
            anchors=(8, 16, 32, 64, 128),
            candidates=200,
            proposals=100,
            samples=(64, 64),
            hidden=128,
            drop_probability=drop_probability,
            block_size=block_size,
            roi_drop_probability=roi_drop_probability,
            roi_block_size=roi_block_size,
            box_dropout=box_dropout,
            points=1,
        )
