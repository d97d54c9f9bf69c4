"""The second stage of Faster R-CNN: region pooling, features and logits of regions, the detections kept of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.ops import MultiScaleRoIAlign, batched_nms, clip_boxes_to_image, remove_small_boxes

from lsood.probes.detections import Detections
from networks.models.detection.proposals import SafeDropBlock

GRID = 7
POOLED_LEVELS = ("0", "1", "2", "3")
SCORE_THRESHOLD, OVERLAP, MOST, SMALLEST = 0.05, 0.5, 100, 1e-2


class RegionDropout(nn.Dropout):
    """Dropout of region vectors (R, F); ``rows_per_image`` as in `SafeDropBlock`."""

    rows_per_image: list[int] | None = None


class RegionHeads(RoIHeads):
    """RoI pooling, ``roi_drop_block``, box head, ``box_dropout``, box predictor; weights named as in torchvision.

    Args:
        channels: of the maps.
        num_classes: K, without background.
        hidden: F, width of the box head.
        samples: regions per image that train the head.
        drop_block, dropout: before and after the box head; identity in evaluation mode.
        points: sampled per side of a pooled cell.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        hidden: int,
        samples: int,
        drop_block: SafeDropBlock,
        dropout: RegionDropout,
        points: int = 2,
    ) -> None:
        super().__init__(
            region_pooling(points),
            TwoMLPHead(channels * GRID**2, hidden),
            FastRCNNPredictor(hidden, num_classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=samples,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=SCORE_THRESHOLD,
            nms_thresh=OVERLAP,
            detections_per_img=MOST,
        )
        self.roi_drop_block, self.box_dropout = drop_block, dropout

    def describe(
        self, maps: dict[str, Tensor], boxes: list[Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the R regions of all images, one image after the other: pooled maps (R, C, 7, 7), features (R, F),
        logits (R, K + 1), background first, and box deltas (R, 4 (K + 1)).
        """
        rows = [len(part) for part in boxes]
        self.roi_drop_block.rows_per_image = self.box_dropout.rows_per_image = rows
        regions = self.box_roi_pool(maps, boxes, [size] * len(boxes))
        features = self.box_dropout(self.box_head(self.roi_drop_block(regions)))
        return regions, features, *self.box_predictor(features)

    def detect(
        self, maps: dict[str, Tensor], proposals: list[Tensor], size: tuple[int, int]
    ) -> list[Detections]:
        """The detections of each image, from its proposals (P, 4)."""
        rows = [len(part) for part in proposals]
        described = zip(
            *(part.float().split(rows) for part in self.describe(maps, proposals, size)), strict=True
        )
        return [
            kept_detections(self, boxes, size, parts)
            for boxes, parts in zip(proposals, described, strict=True)
        ]

    def losses(
        self,
        maps: dict[str, Tensor],
        proposals: list[Tensor],
        size: tuple[int, int],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Of sampled regions; labels 1 to K, below 0: regions near such a box are left out."""
        proposals, _, labels, wanted = self.select_training_samples(proposals, targets)
        _, _, logits, deltas = self.describe(maps, proposals, size)
        classifier, boxes = fastrcnn_loss(logits.float(), deltas.float(), labels, wanted)
        return {"loss_classifier": classifier, "loss_box_reg": boxes}


def kept_detections(
    heads: RoIHeads,
    proposals: Tensor,
    size: tuple[int, int],
    described: tuple[Tensor, Tensor, Tensor, Tensor],
    columns: Sequence[int] = (),
) -> Detections:
    """The detections of one image as torchvision's region heads keep them: score above the threshold, suppressed per
    class, the best by score.

    Args:
        heads: give box coder and thresholds.
        proposals: (P, 4). size: (H, W) of the image.
        described: regions (P, C, h, w), features (P, F), logits (P, L) and deltas (P, 4 L) of the proposals.
        columns: of the logits that are the K classes, in their order; (): all but the first, the background's. Further
            ones count as background.
    """
    regions, features, logits, deltas = described
    classes = torch.tensor(list(columns) or range(1, logits.shape[1]), device=logits.device)
    scores = logits.softmax(dim=1)[:, classes]
    moved = heads.box_coder.decode(deltas, [proposals]).reshape(len(logits), logits.shape[1], 4)[:, classes]
    origins, labels = (scores > heads.score_thresh).nonzero(as_tuple=True)
    boxes = clip_boxes_to_image(moved[origins, labels], size)
    sizeable = remove_small_boxes(boxes, SMALLEST)
    boxes, origins, labels = boxes[sizeable], origins[sizeable], labels[sizeable]
    best = batched_nms(boxes, scores[origins, labels], labels, heads.nms_thresh)[: heads.detections_per_img]
    origins, labels = origins[best], labels[best]
    background = rest_of(logits, classes)
    return Detections(
        boxes=boxes[best],
        labels=labels,
        scores=scores[origins, labels],
        logits=logits[origins][:, classes],
        background=background[origins],
        features=features[origins],
        regions=regions[origins],
        origins=origins,
        proposal_logits=logits[:, classes],
        proposal_background=background,
        proposal_boxes=proposals,
    )


def rest_of(logits: Tensor, classes: Tensor) -> Tensor:
    """(..., L) -> (...): the logit that stands for all columns but ``classes`` (K,) int64: their softmax probabilities
    stay as they are.
    """
    others = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
    others[classes] = False
    rest = logits[..., others]
    return rest[..., 0] if rest.shape[-1] == 1 else rest.logsumexp(-1)


def region_pooling(points: int) -> MultiScaleRoIAlign:
    """Pools 7 x 7 cells, each from points x points values, from the maps of strides 4 to 32.

    The layer infers the strides from its first call. It is called once here, with a size that all strides divide, so
    that images of other sizes cannot change them.
    """
    pool = MultiScaleRoIAlign(list(POOLED_LEVELS), GRID, sampling_ratio=points)
    with torch.device("cpu"):
        maps = {level: torch.zeros(1, 1, 64 >> i, 64 >> i) for i, level in enumerate(POOLED_LEVELS)}
        pool(maps, [torch.zeros(1, 4)], [(256, 256)])
    return pool
