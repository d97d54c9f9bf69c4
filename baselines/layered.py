"""One number per layer, combined without any OoD image: each is standardised by held-out in-distribution
images, then summed.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input
from lsood.probes import Perturbation, Subject, Taps, digest


class LayeredDetector(Detector):
    """A detector that reads one anomaly value per layer, from the clean pass or from a perturbed one.

    score = sum over layers of (v_l - mean_l) / std_l, mean and std over in-distribution validation images.
    The papers weight layers by a logistic regression fitted on images of the OoD set under test, which also
    mends a wrong sign; this sum is the OoD-free form.

    Args:
        layer: name of the only layer to use; None: all of the network's feature layers.
        epsilon: step of the input noise in [0, 1] pixel units; 0: none, the values come from the shared pass.
            With a step, ONE perturbed pass follows the gradient of the sum over layers (the papers take one
            pass per layer).
    """

    towards_anomaly: ClassVar[bool] = False
    step: ClassVar[str] = "sign"

    def __init__(self, layer: str | None = None, epsilon: float = 0.0) -> None:
        if epsilon < 0:
            raise ValueError(f"epsilon must not be negative, got {epsilon}")
        self.layer, self.epsilon = layer, epsilon

    def attach(self, subject: Subject) -> Self:
        if self.layer is not None and self.layer not in subject.layers:
            raise ValueError(
                f"{self.name}: no feature layer {self.layer!r}; there are: {', '.join(subject.layers)}"
            )
        return super().attach(subject)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers used."""
        return (self.layer,) if self.layer else self._subject().layers

    @abstractmethod
    def clean(self, x: Input) -> Tensor:
        """(N, L) float64 anomaly value per layer, higher = more anomalous, without input noise."""

    @abstractmethod
    def live(self, taps: Taps, prepared: Any) -> Tensor:
        """(B, L) the same values from a pass, differentiable."""

    def _fit_scale(self, values: Tensor) -> None:
        """Scale layers by the fit set; :meth:`calibrate` replaces it for scoring, the input step keeps it."""
        self.layer_mean_, self.layer_std_ = moments(values)
        self.step_std_ = self.layer_std_

    def _values(self, x: Input) -> Tensor:
        step = self.perturbation()
        return self.clean(x) if step is None or not isinstance(x, Activations) else x[step.name].double()

    def calibrate(self, validation: Input) -> Self:
        """Mean and standard deviation of every layer's value from held-out in-distribution images."""
        self.layer_mean_, self.layer_std_ = moments(self._values(validation))
        return self

    def score(self, x: Input) -> Tensor:
        return ((self._values(x) - self.layer_mean_) / self.layer_std_).sum(1)

    def perturbation(self) -> Perturbation | None:
        if self.epsilon == 0:
            return None
        fitted = digest(
            *(tensor for name, tensor in sorted(self.state().items()) if not name.startswith("layer_"))
        )
        return Perturbation(
            name=f"{self.name}.{'+'.join(self.layers)}.e{self.epsilon:g}.{fitted}",
            layers=self.layers,
            confidence=self._confidence,
            read=self.live,
            epsilon=self.epsilon,
            std=self._subject().std,
            step=self.step,
            probe=next((probe.name for probe in self.probes() if probe.name.startswith("fss")), None),
        )

    def _confidence(self, taps: Taps, prepared: Any) -> Tensor:
        total = (self.live(taps, prepared) / self.step_std_.to(taps.images.device)).sum(1)
        return total if self.towards_anomaly else -total


def moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Column means and population standard deviations, the latter at least 1e-12."""
    return values.double().mean(0), values.double().std(0, correction=0).clamp_min(1e-12)
