"""Faster R-CNN with ResNet-50 as in LaREx, and a thin one for CPUs."""

from __future__ import annotations

from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from networks.models.detection.detector import Detector
from networks.models.detection.pyramids import ENCODER_WEIGHTS, NORMS, resnet50_pyramid, small_pyramid
from networks.spec import NetworkSpec


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


SMALL_CONFIG = {"epochs": 16, "batch_size": 2, "optimizer": "adam", "lr": 2e-3, "weight_decay": 1e-4}
NETWORKS = (
    NetworkSpec(
        "faster-rcnn",
        "detection",
        "Faster R-CNN with ResNet-50 and feature pyramid, as in LaREx",
        FasterRCNN,
    ),
    NetworkSpec(
        "faster-rcnn-small",
        "detection",
        "Faster R-CNN, thin, for CPUs and miniatures",
        SmallFasterRCNN,
        training_config=SMALL_CONFIG,
        miniature_training_config=SMALL_CONFIG,
    ),
)
