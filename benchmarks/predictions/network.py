"""What stands where the network would: a module that says what is not known of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.features.files import check_head, read_npz
from benchmarks.predictions.files import Predictions, files_of
from lsood.detector import Detector

FEATURES = "features"
PARTS = ("weight", "bias")


class StatedDetector(nn.Module):
    """A detector of which results are known, not the network. Its ``head``, where its weights are stated, is the last
    linear layer.
    """

    feature_layers = ("none",)
    latent_layer = region_layer = "none"
    region_dropout = FEATURES

    def __init__(self, predictions: Predictions, head: nn.Linear | None = None) -> None:
        super().__init__()
        self.predictions = predictions
        if head is not None:
            self.head = head
        self.head_layer = None if head is None else "head"

    def forward(self, images: Tensor, boxes: list[Tensor] | None = None) -> list[Tensor]:
        """Raises ValueError: there is no network."""
        raise ValueError(self.reason)

    @property
    def reason(self) -> str:
        """Why what needs the network cannot be measured."""
        return (
            f"{self.predictions.name} holds detections, not the network: methods on layers and passes need it"
        )

    def unusable(self, detector: Detector) -> str | None:
        """Why a method cannot be used that needs further networks, or boxes that no file holds; None: it can."""
        if getattr(detector, "over", None) == "proposals":
            return f"{self.predictions.name} holds detections, no proposals"
        return self.reason if detector.auxiliary_networks is not None else None


def head_of(spec: str, num_classes: int, predictions: Predictions) -> nn.Linear | None:
    """The last linear layer in ``NAME.head.npz`` beside the (first) file of results: ``weight`` (K, F) and ``bias``
    (K,); None: there is no such file.

    Raises:
        ValueError: damaged, other shapes, or it does not give the logits of the features.
    """
    path = files_of(spec)[0]
    path = path.with_name(f"{path.stem}.head.npz")
    if not path.is_file():
        return None
    found = read_npz(path)
    if lacking := [part for part in PARTS if part not in found or found[part].dtype.kind not in "fiu"]:
        raise ValueError(f"{path} has no numbers {lacking[0]}; it must be an .npz file with weight and bias")
    weight, bias = (torch.from_numpy(np.asarray(found[part], np.float32)) for part in PARTS)
    features = predictions.features
    if tuple(weight.shape) != (num_classes, features) or tuple(bias.shape) != (num_classes,):
        raise ValueError(
            f"{path}: weight must be {num_classes} x {features} and bias {num_classes}, got {tuple(weight.shape)} and "
            f"{tuple(bias.shape)}"
        )
    entries = [*predictions.by_name.values(), *predictions.by_id.values()]
    rows, logits = (
        torch.from_numpy(np.concatenate([getattr(one, part) for one in entries]))
        for part in (FEATURES, "logits")
    )
    check_head(str(path), rows, logits, (weight, bias), PARTS)
    head = nn.Linear(features, num_classes)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return head.requires_grad_(False)
