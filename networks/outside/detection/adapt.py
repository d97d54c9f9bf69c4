"""From a detector of the user to one that the benchmark can measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from lsood.probes.detections import Detections
from lsood.text import reason
from networks.models.padding import pad_to
from networks.outside.detection.layers import named
from networks.outside.detection.queries import QueryDetector, queries_in
from networks.outside.detection.rcnn import RCNNDetector
from networks.outside.trace import STRIDE

CONTRACT = ("feature_layers", "latent_layer", "region_layer", "region_dropout", "head_layer")
ERRORS = (TypeError, ValueError, RuntimeError, IndexError, KeyError, AttributeError, AssertionError)
INSTEAD = (
    "write its results, with logits, to a file and name it: --network predictions:FILE (or wrap the network so that it "
    "returns lsood.probes.detections.Detections)"
)


def adapt_detector(
    module: nn.Module,
    images: Tensor,
    num_classes: int,
    *,
    outputs: Sequence[int] | None = None,
    channel_order: str | None = None,
    latent_layer: str | None = None,
    feature_layers: Sequence[str] = (),
    head_layer: str | None = None,
) -> nn.Module:
    """A detector with the contract of `networks.models.detection.detector.Detector`, in evaluation mode.

    Taken are torchvision's Faster R-CNN family (`RCNNDetector`), networks that return logits and boxes of queries
    (`QueryDetector`), and modules that keep the contract already, which stay as they are.

    Args:
        module: of the user. images: (B, 3, H, W) normalised, for one traced pass.
        num_classes: K, of the data set.
        outputs: which classes of the network are the K classes, in their order, from 0, without the background; None:
            all of them.
        channel_order: "bgr": the network's input is flipped.
        latent_layer, feature_layers, head_layer: names in ``module``; None, (), None: found.

    Raises:
        ValueError: the network gives no logits of its boxes, or they are not those of K classes; an unknown layer.
    """
    module, images = module.eval(), images[:2].float().cpu()
    options: dict[str, Any] = {
        "outputs": outputs,
        "channel_order": channel_order,
        "latent_layer": latent_layer,
        "feature_layers": feature_layers,
        "head_layer": head_layer,
    }
    name = type(module).__name__
    if isinstance(module, GeneralizedRCNN):
        if not all(hasattr(module.roi_heads, part) for part in ("box_roi_pool", "box_head", "box_predictor")):
            raise ValueError(
                f"{name} has region heads of another kind than torchvision's RoIHeads; {INSTEAD}"
            )
        return RCNNDetector(module, images, num_classes, **options).eval()
    output, divisor = _tried(module, images)
    if isinstance(output, list) and output and all(isinstance(one, Detections) for one in output):
        return _kept(module, options)
    if queries_in(output) is None:
        raise ValueError(f"{name} returns no class logits for its boxes, which every method needs; {INSTEAD}")
    return QueryDetector(module, images, num_classes, **options, divisor=divisor).eval()


def _kept(module: nn.Module, options: dict[str, Any]) -> nn.Module:
    """A module that returns `Detections` already, with the layers that the user names."""
    name = type(module).__name__
    if missing := [part for part in CONTRACT if not hasattr(module, part)]:
        raise ValueError(f"{name} returns Detections, but has no attribute {missing[0]!r}")
    if options["outputs"] is not None or options["channel_order"] == "bgr":
        raise ValueError(f"{name} returns Detections: it has to order its classes and channels itself")
    for attribute in ("latent_layer", "feature_layers", "head_layer"):
        if layers := options[attribute]:
            for layer in [layers] if isinstance(layers, str) else layers:
                named(module, layer)
            setattr(module, attribute, layers)
    return module


@torch.no_grad()
def _tried(module: nn.Module, images: Tensor) -> tuple[Any, int]:
    """What a network returns for a batch, and what the sides of its images must be multiples of: 1, or 32."""
    height, width = (side - (side - 1) % STRIDE if side > STRIDE else side for side in images.shape[-2:])
    try:
        module(images[:1, :, :height, :width])  # sizes that no stride divides
        return module(images), 1
    except ERRORS as first:
        try:
            return module(pad_to(images, STRIDE)), STRIDE
        except ERRORS:
            raise ValueError(
                f"{type(module).__name__} cannot detect objects on a batch of images {tuple(images.shape)}: "
                f"{reason(first)}; {INSTEAD}"
            ) from first
