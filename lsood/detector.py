"""The detector contract: fit on in-distribution activations, score anything; higher = more anomalous."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from lsood.deprecated import accept_old_names, alias, old_methods
from lsood.extraction.activations import Activations
from lsood.method_info import MethodInfo
from lsood.probes.base import ModelInfo, Probe
from lsood.probes.perturbation import Perturbation
from lsood.probes.pixels import PIXEL_SCORES, PixelMaps, PixelProbe

Input = Activations | Tensor


class NotFittedError(ValueError, AttributeError):
    """A method that needs :meth:`Detector.fit`, or :meth:`Detector.attach`, was called before it."""


@old_methods
class Detector(MethodInfo, ABC):
    """Base of every method.

    The life of a detector: ``attach(model_info)`` tells it the network, ``probes()`` what it needs of the pass
    over a set, ``fit(train)`` learns from the fit set, ``perturbations()`` (after the fit) which input steps it
    needs on validation and test images, ``calibrate(validation)`` sets what must not come from the fit set
    (in-distribution only), ``score(x)`` returns (N,) float64, higher = more anomalous. Learnt attributes end in
    an underscore and are what :meth:`state` saves.

    Under the protocols "fgsm-val" and "oracle-val" there are validation images on both sides, the outer ones
    adversarial or of the OoD set under test: for every choice in ``param_grid()`` a copy ``with_params(...)`` is fitted
    by ``fit_with_outliers(ind, ood)``, and the one with the best TNR at 95 % TPR on further such images is kept.

    What the runner needs to know of a method is in `lsood.method_info.MethodInfo`.
    """

    model_info: ModelInfo | None = None
    subject = alias("subject", "model_info")

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        accept_old_names(cls)

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({params})"

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_") and not name.endswith("__"):
            raise NotFittedError(
                f"{type(self).__name__} is not fitted: call fit(train) before using {name!r}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

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
        """Constructor arguments by name, JSON-serialisable; networks are left out, their hash is not."""
        names = list(inspect.signature(type(self)).parameters)
        return {name: vars(self)[name] for name in names if name in vars(self)}

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
        """Adjust to held-out in-distribution activations. Their scores are too low for a threshold afterwards: take
        other images, or `lsood.out_of_fold_scores`.
        """
        return self

    def pixel_fit_probes(self) -> list[Probe]:
        """What must be measured on the fit set where pixels are scored; by default the same."""
        return self.fit_probes()

    def fit_pixels(self, train: Input) -> Self:
        """Learn from in-distribution activations what :meth:`pixel_probe` needs; by default :meth:`fit`."""
        return self.fit(train)

    def pixel_probe(self) -> PixelProbe | None:
        """The probe of the method's score maps of a segmentation network, after :meth:`fit_pixels`; None: it has
        none.
        """
        return PixelMaps((self.logit_score,)) if self.logit_score in PIXEL_SCORES else None

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
        """The detector whose :meth:`state` this is; ``params`` go to the constructor.

        Raises:
            ValueError: a name that :meth:`state` does not give.
        """
        detector = cls(**params)
        for name, value in state.items():
            attribute, _, position = name.partition(".")
            if not (attribute.endswith("_") and attribute.isidentifier() and attribute[0] != "_"):
                raise ValueError(f"{cls.name}: {name!r} is no fitted attribute; those end in an underscore")
            if position:
                if not (position.isascii() and position.isdigit() and int(position) < len(state)):
                    raise ValueError(f"{cls.name}: {name!r} is no member of a fitted list")
                members = vars(detector).setdefault(attribute, [])
                members.extend([value] * (int(position) + 1 - len(members)))
                members[int(position)] = value
            else:
                setattr(detector, name, value.item() if value.ndim == 0 else value)
        return detector

    def _model_info(self) -> ModelInfo:
        if self.model_info is None:
            raise NotFittedError(f"{self.name}: call attach(model_info) first, or pass tensors")
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


def scores_of(detector: Detector, x: Input, count: int) -> Tensor:
    """(N,) scores of N = ``count`` rows.

    Raises:
        ValueError: the detector returns anything else.
    """
    scores: Any = detector.score(x)
    if not isinstance(scores, Tensor) or scores.shape != (count,):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"score must return (N,) scores as a tensor, N is {count} here; got {got}")
    return scores
