"""Feature Space Singularity Distance (Huang et al., SafeAI@AAAI 2021): distance to the mean feature of uniform noise.

    score = sum_l (v_l - mean_l) / std_l,   v_l = -||F_l(x) - F*_l||

F_l: the output of feature layer l; F*_l: its mean over images of uniform noise; mean_l, std_l: of v_l over
in-distribution validation images. The paper's hypothesis: in-distribution images are farther from the singularity.
So the anomaly value of a layer is minus the distance. The authors weight layers by a logistic regression fitted on
the OoD set under test, which corrects the sign where the hypothesis fails (as on shallow layers of LeNet); the sum
without OoD images does not, and its AUROC is then below .5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from baselines.layers.base import LayeredDetector
from baselines.logits.odin import STEPS
from lsood import Activations
from lsood.detector import Input, rows
from lsood.probes.image import ForwardOutputs, Probe, SingularityDistances, singularity_distance


class FSSD(LayeredDetector):
    """See the module. With input noise, images move towards the singularity by the gradient standardised per
    image (the authors standardise over the batch, so that their score depends on batch mates).
    """

    name: ClassVar[str] = "fssd"
    paper: ClassVar[str] = "Huang et al., SafeAI 2021"
    formula: ClassVar[str] = (
        "minus the distance to the mean feature of 100 noise images, per layer, standardised and summed"
    )
    fitted_on: ClassVar[str] = "scales on validation"
    checked: ClassVar[str] = "float64 sums; the mean feature of the authors' noise"
    unsupported_tasks: ClassVar[Mapping[str, str]] = {
        "detection": "images differ in size, and feature maps are compared with those of noise images of one size"
    }
    towards_anomaly: ClassVar[bool] = True
    step: ClassVar[str] = "standardised"

    def _probe(self) -> SingularityDistances:
        standard = self._model_info().layers
        return SingularityDistances(standard if set(self.layers) <= set(standard) else self.layers)

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
        probe = self._probe()
        columns = [probe.of.index(layer) for layer in self.layers]
        return -rows(x[probe.name], "fssd: the distances")[:, columns]

    def live(self, forward: ForwardOutputs, prepared: Any, layers: Sequence[str]) -> Tensor:
        return torch.stack([-singularity_distance(forward, layer, prepared) for layer in layers], dim=1)


class FSSDNoise(FSSD):
    """FSSD with input noise, eps = 0.01 fixed under "no-ood"; under the other protocols chosen from the paper's
    grid, with a step per layer.
    """

    name: ClassVar[str] = "fssd-noise"
    formula: ClassVar[str] = "`fssd` after an input step of .01 towards the mean feature"
    cost: ClassVar[str] = "1 step"
    checked: ClassVar[str] = "`fssd` where the step is 0; a step lowers the distance"

    def __init__(self, layer: str | None = None, epsilon: float = 0.01, per_layer: bool = False) -> None:
        super().__init__(layer, epsilon, per_layer)

    def param_grid(self) -> list[dict[str, Any]]:
        return [{"epsilon": epsilon, "per_layer": True} for epsilon in STEPS]
