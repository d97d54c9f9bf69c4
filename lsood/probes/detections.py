"""What an object detector says about one image, and what it says where it found nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Detections:
    """The kept detections of one image, best first, and the class logits of all proposals. M detections, P proposals,
    K classes without background.

    Attributes:
        boxes: (M, 4) float32, x1 y1 x2 y2 in pixels of the network's input.
        labels: (M,) int64, 0 to K-1.
        scores: (M,) float32, softmax probability of the label, falling.
        logits: (M, K) float32, without background.
        background: (M,) float32, its logit.
        features: (M, F) float32, output of the box head: input of the last linear layer.
        regions: (M, C, h, w) float32, pooled feature maps: input of the region's DropBlock layer.
        origins: (M,) int64, the row among the proposals each was pooled from: logits = proposal_logits[origins].
        proposal_logits: (P, K) float32.
        proposal_background: (P,) float32.
        proposal_boxes: (P, 4) float32, as ``boxes``, before the box head moves them.

    Raises:
        ValueError: shapes that do not fit each other.

    Example:
        >>> nothing = Detections.none(num_classes=2, features=8, region=(4, 7, 7))
        >>> len(nothing), [tuple(x.shape) for x in nothing.best()]
        (0, [(1, 2), (1,)])
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    logits: Tensor
    background: Tensor
    features: Tensor
    regions: Tensor
    origins: Tensor
    proposal_logits: Tensor
    proposal_background: Tensor
    proposal_boxes: Tensor

    def __post_init__(self) -> None:
        kept, classes, proposals = len(self.boxes), self.logits.shape[-1], len(self.proposal_logits)
        expected: dict[str, tuple[int | None, ...]] = {
            "boxes": (kept, 4),
            "labels": (kept,),
            "scores": (kept,),
            "logits": (kept, classes),
            "background": (kept,),
            "features": (kept, None),
            "regions": (kept, None, None, None),
            "proposal_logits": (proposals, classes),
            "origins": (kept,),
            "proposal_background": (proposals,),
            "proposal_boxes": (proposals, 4),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if len(found) != len(shape) or any(
                e is not None and e != f for e, f in zip(shape, found, strict=True)
            ):
                wanted = ", ".join("any" if size is None else str(size) for size in shape)
                raise ValueError(f"detections: {name} must have shape ({wanted}), got {tuple(found)}")

    def __len__(self) -> int:
        return len(self.boxes)

    def best(self) -> tuple[Tensor, Tensor]:
        """Class logits (m, K) and background logits (m,) that stand for the kept detections in a score of the image;
        m is at least 1.

        Kept detections where there are any; else the one proposal with the highest class probability; else, without
        proposals, one row of zeros: every class as likely as background. So every image has a finite score.
        """
        if len(self):
            return self.logits, self.background
        logits, background = self.proposals()
        row = self._most_certain(logits, background)
        return logits[row], background[row]

    def best_boxes(self) -> Tensor:
        """(m, 4): the proposals that the rows of :meth:`best` were pooled from; m is 0 where there are none."""
        if len(self) or not len(self.proposal_boxes):
            return self.proposal_boxes[self.origins]
        return self.proposal_boxes[self._most_certain(self.proposal_logits, self.proposal_background)]

    @staticmethod
    def _most_certain(logits: Tensor, background: Tensor) -> Tensor:
        """(1,) int64: the row with the highest class probability."""
        together = torch.cat([logits, background[:, None]], dim=1).softmax(dim=1)
        return together[:, :-1].amax(dim=1).argmax()[None]

    def proposals(self) -> tuple[Tensor, Tensor]:
        """Class logits (p, K) and background logits (p,) of all proposals; one row of zeros where there is none."""
        if len(self.proposal_logits):
            return self.proposal_logits, self.proposal_background
        return self.logits.new_zeros(1, self.logits.shape[1]), self.logits.new_zeros(1)

    def to(self, device: torch.device | str) -> Detections:
        """The same on another device."""
        return Detections(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @classmethod
    def none(cls, num_classes: int, features: int, region: tuple[int, int, int]) -> Detections:
        """An image without detections and without proposals; ``region`` is (C, h, w)."""
        empty, rows = torch.empty(0), torch.empty(0, num_classes)
        return cls(
            boxes=torch.empty(0, 4),
            labels=torch.empty(0, dtype=torch.int64),
            scores=empty,
            logits=rows,
            background=empty,
            features=torch.empty(0, features),
            regions=torch.empty(0, *region),
            origins=torch.empty(0, dtype=torch.int64),
            proposal_logits=rows,
            proposal_background=empty,
            proposal_boxes=torch.empty(0, 4),
        )
