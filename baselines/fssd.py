"""Feature Space Singularity Distance (Huang et al., SafeAI@AAAI 2021): ||F_l(x) - F*_l||, F* the mean feature
of uniform noise.

The paper's hypothesis: the farther from the singularity, the more in-distribution. So the anomaly value of a
layer is minus the distance. The authors weight layers by a logistic regression fitted on the OoD set under
test, which mends the sign where the hypothesis fails (it does on shallow layers of LeNet); the OoD-free sum
does not, and says so by its AUROC.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from baselines.layered import LayeredDetector
from lsood import Activations
from lsood.detector import Input, rows
from lsood.probes import Probe, SingularityDistances, Taps, singularity_distance


class FSSD(LayeredDetector):
    """See the module. With input noise, images move towards the singularity by the gradient standardised per
    image (the authors standardise over the batch, so that their score depends on batch mates).
    """

    name: ClassVar[str] = "fssd"
    paper: ClassVar[str] = "Huang et al., SafeAI 2021"
    towards_anomaly: ClassVar[bool] = True
    step: ClassVar[str] = "standardised"

    def _probe(self) -> SingularityDistances:
        return SingularityDistances(self._subject().layers)

    def probes(self) -> list[Probe]:
        return [self._probe()]

    def fit(self, train: Input) -> Self:
        """The fit set only scales the layers; the singularity comes from noise. A tensor (N, L) holds
        distances.
        """
        self._fit_scale(self.clean(train))
        return self

    def clean(self, x: Input) -> Tensor:
        if not isinstance(x, Activations):
            return -rows(x, "fssd: the distances")
        columns = [self._subject().layers.index(layer) for layer in self.layers]
        return -rows(x[self._probe().name], "fssd: the distances")[:, columns]

    def live(self, taps: Taps, prepared: Any) -> Tensor:
        return torch.stack([-singularity_distance(taps, layer, prepared) for layer in self.layers], dim=1)


class FSSDNoise(FSSD):
    """FSSD with input noise, eps = 0.01 fixed (the paper chooses it on images of the OoD set under test)."""

    name: ClassVar[str] = "fssd-noise"

    def __init__(self, layer: str | None = None, epsilon: float = 0.01) -> None:
        super().__init__(layer, epsilon)
