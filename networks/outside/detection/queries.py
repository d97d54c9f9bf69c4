"""Detectors with queries (DETR and what follows it; YOLOS): class logits and a box for each of Q queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert, clip_boxes_to_image, remove_small_boxes

from lsood.probes.detections import Detections
from networks.models.detection.regions import MOST, SCORE_THRESHOLD, SMALLEST, RegionDropout, rest_of
from networks.models.padding import pad_to
from networks.outside.description import Row
from networks.outside.detection.base import OutsideDetector
from networks.outside.detection.layers import backbone_of, class_layer, stages, traced
from networks.outside.wrapper import OWN

REGION_PROBABILITY = 0.3


class Found(NamedTuple):
    """Logits (B, Q, L), and boxes (B, Q, 4): centre, width and height as shares of the image."""

    logits: Tensor
    boxes: Tensor


def queries_in(output: Any) -> Found | None:
    """The queries in what a network returns: ``logits`` or ``pred_logits`` beside ``pred_boxes``; None: there are
    none.
    """
    if not isinstance(output, Mapping):
        return None
    logits, boxes = output.get("logits", output.get("pred_logits")), output.get("pred_boxes")
    if not isinstance(logits, Tensor) or not isinstance(boxes, Tensor) or logits.ndim != 3:
        return None
    return Found(logits, boxes) if boxes.shape == (*logits.shape[:2], 4) else None


class QueryDetector(OutsideDetector):
    """A network that returns queries. Queries are the proposals; a query's features are what enters its class layer,
    which stands as a region of one cell too.

    Softmax heads have one column more than classes, the last is "no object": a query is a detection of its best class.
    Sigmoid heads (conditional and deformable DETR, RT-DETR) have a column per class and none for the background, whose
    logit is 0 here: so the softmax of a class and the background is the sigmoid. There every pair of a query and a
    class is a detection. Kept are at most 100 of probability above .05, best first.

    Args: see `networks.outside.detection.adapt.adapt_detector`; divisor: images are padded to multiples of it.
    """

    region_layer = "region_drop"

    def __init__(
        self,
        network: nn.Module,
        images: Tensor,
        num_classes: int,
        outputs: Sequence[int] | None = None,
        channel_order: str | None = None,
        latent_layer: str | None = None,
        feature_layers: Sequence[str] = (),
        head_layer: str | None = None,
        divisor: int = 1,
    ) -> None:
        super().__init__(network, channel_order, num_classes)
        self.region_drop = RegionDropout(REGION_PROBABILITY)
        self.divisor = divisor
        output, calls = traced(network, lambda: self._queries(images)[0])
        found: Found = output
        outputs_of = {call.name: call.output for call in calls}
        width = found.logits.shape[-1]
        self.softmax, how_classes = _softmax(network, width, num_classes if outputs is None else None)
        self.background = width - 1 if self.softmax else None
        self._choose_classes(outputs, range(width - 1 if self.softmax else width))
        head = head_layer or class_layer(calls, found.logits)
        self._watch_head(head)
        own = tuple(feature_layers) or stages(calls, backbone_of(network)) or stages(calls)
        self.feature_layers = self._features_of(own, outputs_of)
        self.latent_layer, latent = self._latent(latent_layer, own[-1], outputs_of)
        self.head_layer = None if head is None else f"{OWN}{head}"
        self.region_dropout = self.head_layer or self.region_layer  # a name for what goes into it
        stated = "--feature-layers" if feature_layers else "output of a stage of the backbone, or of a block"
        scores = "softmax, the last column is no object" if self.softmax else "sigmoid of every class"
        self.description.rows += [
            *(Row("feature", layer, stated) for layer in own),
            latent,
            Row("latent of queries", f"Dropout (p {REGION_PROBABILITY:g})", "on what enters the class layer"),
            Row(
                "head", head or "none", "--head-layer" if head_layer else "its output gives the class logits"
            ),
            Row("logits", f"{self.num_outputs} classes; {scores}", how_classes),
        ]
        if divisor > 1:
            self.description.notes.append(
                f"images are padded to multiples of {divisor} pixels, as the network needs"
            )
        if not self.softmax:
            self.description.notes.append(
                "the network's class probabilities are sigmoids; methods on logits take its logits as they are"
            )

    def forward(self, images: Tensor, boxes: list[Tensor] | None = None) -> list[Detections]:
        """(B, C, H, W) -> the detections of each image.

        Raises:
            ValueError: ``boxes`` are given: queries classify no given boxes.
        """
        if boxes is not None:
            raise ValueError(self.reason)
        self._seen.clear()
        found, (height, width) = self._queries(images)
        features = self._features(found.logits)
        corners = box_convert(found.boxes.float(), "cxcywh", "xyxy")
        corners = corners * corners.new_tensor([width, height] * 2)
        size = (images.shape[-2], images.shape[-1])
        return [self._kept(*parts, size) for parts in zip(found.logits, corners, features, strict=True)]

    def unusable(self, detector: Any) -> str | None:
        """Why a method cannot be used: those that compare further passes need logits of given boxes."""
        compares = detector.auxiliary_networks is not None or "dropout" in detector.name
        return self.reason if compares else None

    @property
    def reason(self) -> str:
        """Why boxes of another pass cannot be classified."""
        return f"{type(self.network).__name__} finds boxes by queries and cannot classify given ones"

    def losses(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The loss that a network of transformers gives for labels.

        Args: see `networks.outside.detection.rcnn.RCNNDetector.losses`.

        Raises:
            ValueError: the network takes no labels.
        """
        padded = pad_to(self._input(images), self.divisor)
        height, width = padded.shape[-2:]
        columns = torch.tensor(self.columns, device=images.device)
        labels = []
        for target in targets:
            known = target["labels"] >= 0
            shares = target["boxes"][known] / images.new_tensor([width, height] * 2)
            boxes = box_convert(shares, "xyxy", "cxcywh")
            labels.append({"class_labels": columns[target["labels"][known]], "boxes": boxes})
        try:
            output = self.network(padded, labels=labels)
        except TypeError as error:
            raise ValueError(
                f"{type(self.network).__name__} takes no labels and cannot be trained here"
            ) from error
        self._seen.clear()
        return {"loss": output["loss"]}

    def _queries(self, images: Tensor) -> tuple[Found, tuple[int, int]]:
        """The queries of a batch and the (H, W) that their boxes are shares of."""
        padded = pad_to(self._input(images), self.divisor)
        found = queries_in(self.network(padded))
        assert found is not None
        return found, (padded.shape[-2], padded.shape[-1])

    def _features(self, logits: Tensor) -> Tensor:
        """(B, Q, F): what went into the class layer where the logits came out of it."""
        shape = logits.shape[:2].numel()
        for given, output in reversed(self._seen):
            if output.shape[-1] == logits.shape[-1] and output.shape[:-1].numel() == shape:
                self._seen.clear()
                return given.reshape(*logits.shape[:2], -1)
        return logits

    def _kept(self, logits: Tensor, boxes: Tensor, features: Tensor, size: tuple[int, int]) -> Detections:
        """The detections of one image of a size (H, W) from its Q queries with boxes x1 y1 x2 y2 in pixels."""
        logits, features = logits.float(), features.float()
        classes = torch.tensor(self.columns, device=logits.device)
        corners = clip_boxes_to_image(boxes, size)
        own = logits[:, classes]
        if self.softmax:
            background = rest_of(logits, classes)
            probabilities = logits.softmax(1)[:, classes]
            best, labels = probabilities.max(1)
            origins = torch.arange(len(logits), device=logits.device)
        else:
            background = logits.new_zeros(len(logits))
            pairs = own.sigmoid().flatten()
            best, labels = pairs, torch.arange(len(pairs), device=logits.device) % own.shape[1]
            origins = torch.arange(len(pairs), device=logits.device) // own.shape[1]
        order = best.argsort(descending=True, stable=True)[:MOST]
        order = order[best[order] > SCORE_THRESHOLD]
        order = order[remove_small_boxes(corners[origins[order]], SMALLEST)]
        origins = origins[order]
        return Detections(
            boxes=corners[origins],
            labels=labels[order],
            scores=best[order],
            logits=own[origins],
            background=background[origins],
            features=features[origins],
            regions=features[origins][..., None, None],
            origins=origins,
            proposal_logits=own,
            proposal_background=background,
            proposal_boxes=corners,
        )


def _softmax(network: nn.Module, width: int, num_classes: int | None) -> tuple[bool, str]:
    """Whether the class head is a softmax with a last column for "no object", and by what that is known.

    Args:
        width: columns of the logits. num_classes: of the data set, where every class of the network is one of them.
    """
    config: Any = getattr(network, "config", None)
    labels = getattr(config, "num_labels", None)
    if labels is not None and not getattr(config, "use_focal_loss", True):
        return True, "use_focal_loss of its configuration"
    if labels is not None and width in (labels, labels + 1):
        return width == labels + 1, f"{width} columns for {labels} classes of its configuration"
    if num_classes is not None and width in (num_classes, num_classes + 1):
        return width == num_classes + 1, f"{width} columns for {num_classes} classes of the data set"
    raise ValueError(
        f"cannot tell whether the {width} columns of the logits of {type(network).__name__} include one for no object: "
        "it has no config.num_labels; give it one"
    )
