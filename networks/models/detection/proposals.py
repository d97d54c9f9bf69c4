"""The region proposal network of Faster R-CNN with the DropBlock of LaREx, for images of any size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import box_iou


class SafeDropBlock(DropBlock2D):
    """DropBlock2D that returns zeros if a whole batch is dropped. The plain layer divides by zero then, which occurs on
    the small maps at the top of a pyramid.

    Attributes:
        rows_per_image: for a layer whose rows are regions of images, how many each image of the current call has;
            None: a row is an image. See `lsood.extraction.sampling.dropping`.
    """

    rows_per_image: list[int] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W); the same in evaluation mode."""
        if not self.training or self.drop_prob == 0 or not len(x):
            return x
        seeds = torch.rand((len(x), *x.shape[2:]), device=x.device) < self._compute_gamma(x)
        keep = self._compute_block_mask(seeds.float())
        return x * keep[:, None] * (keep.numel() / keep.sum().clamp_min(1))


class DropRPNHead(RPNHead):
    """torchvision's head with ``drop_block`` after its 3x3 convolution and ReLU, once per level (LaREx, UAI 2024)."""

    def __init__(self, channels: int, anchors: int, drop_block: nn.Module) -> None:
        super().__init__(channels, anchors)
        self.drop_block = drop_block

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Levels (B, C, h, w) -> objectness (B, A, h, w) and box deltas (B, 4 A, h, w) per level."""
        hidden = [self.drop_block(self.conv(level)) for level in x]
        return [self.cls_logits(h) for h in hidden], [self.bbox_pred(h) for h in hidden]


class StridedAnchors(AnchorGenerator):
    """Anchors at the distance of the network's strides, for images of any size.

    torchvision divides the image's size by the map's, rounding down: if the size is no multiple of the stride, its
    anchors shift relative to the receptive fields of the map's cells. Equal to torchvision's if it is a multiple.

    Args:
        sizes: side of the anchors in pixels, one per level.
        strides: pixels per cell, one per level.
    """

    def __init__(self, sizes: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__(tuple((size,) for size in sizes), ((0.5, 1.0, 2.0),) * len(sizes))
        self.strides = strides

    def grid_anchors(self, grid_sizes: list[list[int]], strides: list[list[Tensor]]) -> list[Tensor]:
        """As torchvision's, with the strides of the network instead of ``strides``."""
        true = [
            [torch.full_like(s, stride) for s in pair]
            for pair, stride in zip(strides, self.strides, strict=True)
        ]
        return super().grid_anchors(grid_sizes, true)


class ProposalNetwork(RegionProposalNetwork):
    """torchvision's, with objects of no class (label below 0) counted neither as objects nor as background."""

    training: bool

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """1 object, 0 background, -1 ignored per anchor, and the box of each."""
        known = [{"boxes": target["boxes"][target["labels"] >= 0]} for target in targets]
        labels, boxes = super().assign_targets_to_anchors(anchors, known)
        for label, anchor, target in zip(labels, anchors, targets, strict=True):
            unknown = target["boxes"][target["labels"] < 0]
            if len(unknown):
                near = box_iou(unknown, anchor).amax(dim=0) >= self.proposal_matcher.low_threshold
                label[near & (label == 0)] = -1
        return labels, boxes

    @contextmanager
    def asked_for_losses(self) -> Iterator[None]:
        """Inside the block a call returns losses also in evaluation mode; the mode of the layers is unchanged."""
        before, self.training = self.training, True
        try:
            yield
        finally:
            self.training = before
