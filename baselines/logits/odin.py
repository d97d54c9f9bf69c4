"""ODIN (Liang, Li & Srikant, ICLR 2018): temperature scaling, and an input step that raises the confidence.

    x' = x - eps sign(dCE(f(x)/T, y^)/dx) / std,    score = 1 - max_k softmax_k(f(x')/T)

f(x): the logits; y^: the predicted class. sign(0) = 0, as in PyTorch (the authors' code counts it as +1). Protocol
"no-ood": T = 1000 and eps = 0.0014 are fixed; the paper chooses eps on images of the OoD set under test
("oracle-val").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from lsood import Activations, Detector
from lsood.detector import Input
from lsood.probes.image import ForwardOutputs, Perturbation
from lsood.probes.logit_scores import other_probability

STEPS = (
    0.2, 0.18, 0.16, 0.14, 0.12, 0.1, 0.08, 0.06, 0.04, 0.02, 0.01, 0.008, 0.006, 0.004, 0.002, 0.001,
    0.0008, 0.0006, 0.0004, 0.0002, 0.0001, 0.0,
)  # fmt: skip


class ODIN(Detector):
    """One backward pass on top of the shared clean pass, one forward pass of the perturbed images.

    Segmentation: the step follows the summed confidence of all pixels, the score is the mean pixel score.

    Args:
        temperature: T > 0.
        epsilon: step in [0, 1] pixel units, >= 0.
    """

    name: ClassVar[str] = "odin"
    paper: ClassVar[str] = "Liang et al., ICLR 2018"
    group: ClassVar[str] = "layers"
    formula: ClassVar[str] = (
        "1 - max softmax(z / T) of the image moved by eps = .0014 towards confidence, T = 1000"
    )
    cost: ClassVar[str] = "1 step"
    checked: ClassVar[str] = "pytorch-ood, at three pairs of T and eps"
    protocols: ClassVar[tuple[str, ...]] = ("no-ood", "fgsm-val", "oracle-val")
    unsupported_tasks: ClassVar[Mapping[str, str]] = {
        "detection": "its step follows one confidence, and the boxes that have confidences change with the step"
    }

    def __init__(self, temperature: float = 1000.0, epsilon: float = 0.0014) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        if epsilon < 0:
            raise ValueError(f"epsilon must not be negative, got {epsilon}")
        self.temperature, self.epsilon = temperature, epsilon

    def param_grid(self) -> list[dict[str, Any]]:
        """The grid of Huang et al. (SafeAI 2021): every step of `STEPS` with T = 1, 10, 100, 1000."""
        return [{"temperature": t, "epsilon": e} for e in STEPS for t in (1.0, 10.0, 100.0, 1000.0)]

    def _step(self) -> Perturbation:
        return Perturbation(
            name=f"odin.t{self.temperature:g}.e{self.epsilon:g}",
            direction=f"odin.t{self.temperature:g}",
            layers=(),
            confidence=self._confidence,
            read=self._read,
            epsilon=self.epsilon,
            std=self._model_info().std,
        )

    def perturbations(self) -> list[Perturbation]:
        return [self._step()]

    def _confidence(self, forward: ForwardOutputs, state: Any) -> Tensor:
        """log max softmax at temperature T: minus the cross-entropy against the predicted class."""
        z = forward.logits / self.temperature
        return (z.amax(1) - z.logsumexp(1)).flatten(1).sum(1) if z.ndim == 4 else z.amax(1) - z.logsumexp(1)

    def _read(self, forward: ForwardOutputs, state: Any) -> Tensor:
        score = other_probability(forward.logits.float() / self.temperature)
        return score if score.ndim == 1 else score.mean(dim=(1, 2))

    def score(self, x: Input) -> Tensor:
        """(N,): from Activations, or from the logits (N, K) of images perturbed already."""
        if isinstance(x, Activations):
            return x[self._step().name].double()
        return other_probability(x.double() / self.temperature)
