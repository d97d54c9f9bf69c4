"""Detectors of pytorch-ood (Kirchheim et al., CVPR workshops 2022) as methods: ``pytorch_ood.detector:KNN@k=10``."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import torch
from pytorch_ood.api import Detector as LibraryDetector
from pytorch_ood.api import FeaturesDetector, LogitsDetector
from torch import Tensor, nn

from lsood.detector import Detector, Input
from lsood.extraction.activations import Activations
from lsood.probes.base import ModelInfo, Probe
from lsood.probes.image import Logits, Pooled

GIVEN = ("encoder", "model", "w", "b", "head")
"""Arguments of the library's constructors that follow from the network."""


class LibraryMethod(Detector):
    """A pytorch-ood detector on what the pass measures: logits, or pooled penultimate features with the true classes of
    the fit images. The library computes in float32 and calls nothing but its own code.

    Attributes:
        kind: class of the library; set by :func:`method`.

    Raises:
        ValueError: when attached to a segmentation network, or to one without the linear layer that it needs.
    """

    kind: ClassVar[type[LibraryDetector]]
    levels: ClassVar[tuple[str, ...]] = ("image", "object")
    argument: ClassVar[str] = "k"

    def __init__(self, **arguments: Any) -> None:
        own = inspect.signature(type(self))
        taken = own.bind(**arguments)
        taken.apply_defaults()
        vars(self).update(taken.arguments)

    def attach(self, model_info: ModelInfo) -> LibraryMethod:
        kind = self.kind
        if model_info.task == "segmentation":
            raise ValueError(f"{self.name} scores whole images by one vector of logits or features")
        if {"w", "head"} & set(inspect.signature(kind).parameters) and model_info.head is None:
            raise ValueError(f"{self.name} needs a last linear layer, and this network has none")
        super().attach(model_info)
        return self

    def probes(self) -> list[Probe]:
        """Logits, or the features that enter the last linear layer."""
        if issubclass(self.kind, LogitsDetector):
            return [Logits()]
        return [Pooled(self._model_info().penultimate)]

    def _values(self, x: Input) -> Tensor:
        return (x[self.probes()[0].name] if isinstance(x, Activations) else x).float()

    def fit(self, train: Input) -> LibraryMethod:
        """Make the library's detector and fit it on rows with a class.

        Raises:
            ValueError: it needs classes and no row has one.
        """
        made, values = self._made(), self._values(train)
        if made.requires_fit:
            labels = train["labels"] if isinstance(train, Activations) else torch.full((len(values),), -1)
            known = labels >= 0
            if not bool(known.any()):
                raise ValueError(f"{self.name} needs the classes of the fit images")
            if isinstance(made, LogitsDetector):
                made.fit_logits(values[known], labels[known])
            else:
                made.fit_features(values[known], labels[known])  # type: ignore[attr-defined]
        self.fitted_ = made
        return self

    def _made(self) -> LibraryDetector:
        head = self._model_info().head
        given: dict[str, Any] = dict.fromkeys(("encoder", "model"))
        if head is not None:
            linear = nn.Linear(head.weight.shape[1], len(head.weight))
            linear.load_state_dict({"weight": head.weight.float(), "bias": head.bias.float()})
            weight, bias = head.weight.float(), head.bias.float()
            given |= {"w": weight, "b": bias, "head": linear.requires_grad_(False)}
        takes = inspect.signature(self.kind).parameters
        arguments = {name: value for name, value in given.items() if name in takes}
        return self.kind(**arguments, **self.get_params()).to("cpu")

    def score(self, x: Input) -> Tensor:
        values, fitted = self._values(x), self.fitted_
        with torch.no_grad():
            predict: Any = getattr(
                fitted, "predict_logits" if isinstance(fitted, LogitsDetector) else "predict_features"
            )
            return torch.as_tensor(predict(values)).double().reshape(len(values))

    def state(self) -> dict[str, Tensor]:
        """Raises ValueError: the library's detectors keep what they learn in forms of their own."""
        raise ValueError(f"{self.name}: a detector of pytorch-ood cannot be saved in a monitor")


def method(kind: type) -> type:
    """The method around a detector class of the library; its arguments are the library's but for what follows from the
    network. Other classes as they are.

    Raises:
        ValueError: a detector of feature maps, several layers or images.
    """
    if not issubclass(kind, LibraryDetector):
        return kind
    if not issubclass(kind, LogitsDetector | FeaturesDetector):
        raise ValueError(
            f"{kind.__name__} of pytorch-ood takes more than logits or pooled features, which is all that is measured "
            "for it"
        )
    info: Any = kind.info  # type: ignore[attr-defined]
    paper = "" if info.paper is None else f"{info.paper.title}, {info.paper.venue} {info.paper.year}"
    found = type(
        kind.__name__,
        (LibraryMethod,),
        {"kind": kind, "name": f"pytorch-ood {kind.__name__}", "paper": paper, "__doc__": kind.__doc__},
    )
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    taken = inspect.signature(kind).parameters.values()
    own = [p.replace(kind=p.KEYWORD_ONLY) for p in taken if p.name not in GIVEN and p.kind in plain]
    found.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return found
