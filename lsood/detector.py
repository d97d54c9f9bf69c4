"""The detector contract: fit on in-distribution activations, score anything; higher = more anomalous."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from lsood.extraction.activations import Activations
from lsood.probes.image import ModelInfo, Perturbation, Probe

Input = Activations | Tensor


class Detector(ABC):
    """Base of every method.

    The life of a detector: ``attach(subject)`` tells it the network, ``probes()`` what it needs of the pass
    over a set, ``fit(train)`` learns from the fit set, ``perturbations()`` (after the fit) which input steps it
    needs on validation and test images, ``calibrate(validation)`` sets what must not come from the fit set
    (in-distribution only), ``score(x)`` gives (N,) float64, higher = more anomalous. Learnt attributes end in
    an underscore and are what :meth:`state` saves.

    Under the protocols "fgsm-val" and "oracle-val" there are validation images on both sides, the outer ones
    adversarial or of the OoD set under test: of every choice in ``param_grid()`` a ``variant`` is made that is taught by
    ``fit_with_outliers(ind, ood)``, and the one with the best TNR at 95 % TPR on further such images is kept.

    Attributes:
        name: unique, as typed after ``--methods``.
        paper: authors, venue, year.
        protocols: those it has a form for, of "no-ood", "fgsm-val" and "oracle-val"; the first is its own.
        decision: the score above which the method itself says OoD; None: the threshold comes from validation
            scores.
        unsuited: {task: why the method does not apply to networks of that task}.
        argument: the constructor argument that follows an "@" in a typed name.
        companions: which further networks it needs ("ensemble", "outlier-exposure", "mc-dropout", "vmdls"), trained
            by the runner and given to the constructor as (networks, hash of their weights); None: none.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]] = ("no-ood",)
    fixed_threshold: ClassVar[float | None] = None
    unsupported_tasks: ClassVar[Mapping[str, str]] = {}
    argument: ClassVar[str] = "layer"
    auxiliary_networks: ClassVar[str | None] = None
    model_info: ModelInfo | None = None

    def attach(self, model_info: ModelInfo) -> Self:
        """Tell the detector which network it will see.

        Raises:
            ValueError: the method does not apply to this network.
        """
        if reason := self.unsupported_tasks.get(model_info.task):
            raise ValueError(f"{self.name} does not apply to {model_info.task}: {reason}")
        self.model_info = model_info
        return self

    def get_params(self) -> dict[str, Any]:
        """Constructor arguments, JSON-serialisable."""
        return {
            k: v
            for k, v in vars(self).items()
            if not k.endswith("_") and not k.startswith("_") and k != "subject"
        }

    def probes(self) -> list[Probe]:
        """What must be measured on every set that is scored."""
        return []

    def fit_probes(self) -> list[Probe]:
        """What must be measured on the fit set; by default the same."""
        return self.probes()

    def fit(self, train: Input) -> Self:
        """Learn from in-distribution activations."""
        return self

    def perturbations(self) -> list[Perturbation]:
        """The input steps this method needs on validation and test images; known after :meth:`fit`."""
        return []

    def param_grid(self) -> list[dict[str, Any]]:
        """Constructor arguments to choose among where there are validation images on both sides; of equals the
        first is taken.
        """
        return [{}]

    def with_params(self, **arguments: Any) -> Self:
        """This detector, as far as it is fitted, with other constructor arguments."""
        other = copy.copy(self)
        vars(other).update(arguments)
        return other

    def fit_with_outliers(self, ind: Input, ood: Input) -> Self:
        """Learn from labelled validation images of both sides; by default nothing."""
        return self

    def calibrate(self, validation: Input) -> Self:
        """Adjust to held-out in-distribution activations."""
        return self

    @abstractmethod
    def score(self, x: Input) -> Tensor:
        """(N,) float64 anomaly scores, higher = more anomalous."""

    def state(self) -> dict[str, Tensor]:
        """What was learnt, as tensors; list members get a numbered name."""
        learnt: dict[str, Tensor] = {}
        for name, value in vars(self).items():
            if name.endswith("_"):
                if isinstance(value, list):
                    learnt |= {f"{name}.{i}": tensor for i, tensor in enumerate(value)}
                else:
                    exact = torch.float64 if isinstance(value, float) else None
                    learnt[name] = torch.as_tensor(value, dtype=exact)
        return learnt

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], **params: Any) -> Self:
        """The detector whose :meth:`state` this is; ``params`` go to the constructor."""
        detector = cls(**params)
        for name, value in state.items():
            attribute, _, position = name.partition(".")
            if position:
                members = vars(detector).setdefault(attribute, [])
                members.extend([value] * (int(position) + 1 - len(members)))
                members[int(position)] = value
            else:
                setattr(detector, name, value.item() if value.ndim == 0 else value)
        return detector

    def _model_info(self) -> ModelInfo:
        if self.model_info is None:
            raise ValueError(f"{self.name}: attach(subject) first, or pass tensors")
        return self.model_info


def rows(x: Tensor, what: str, dimension: int | None = None) -> Tensor:
    """x (N, D) as float64, checked.

    Raises:
        ValueError: not a matrix, no rows, another width than ``dimension``, or values that are not finite.
    """
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"{what} must be a non-empty matrix (N, D), got {tuple(x.shape)}")
    if dimension is not None and x.shape[1] != dimension:
        raise ValueError(f"{what} has {x.shape[1]} columns, the fit set had {dimension}")
    if not bool(x.isfinite().all()):
        raise ValueError(f"{what} holds NaN or infinity in row {int((~x.isfinite()).any(1).nonzero()[0])}")
    return x.double()
