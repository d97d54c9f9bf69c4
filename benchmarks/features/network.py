"""What stands where the network would, and measures rows of features and logits instead of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from benchmarks.pipeline.extraction import Extraction, Missing
from lsood.extraction.measurement import Measurement
from lsood.extraction.one_pass import OnePass
from lsood.probes.base import Probe
from lsood.probes.channels import ChannelStatistics
from lsood.probes.image import LatentEntropy, Pooled, SingularityDistances
from lsood.probes.logits import Logits
from lsood.probes.perturbation import Perturbation

PENULTIMATE, HEAD = "penultimate", "head"
NO_NETWORK = "and beside feature files there is no network"


class ClosedNetwork(nn.Module):
    """A classifier of which features and logits are known: its input is both of them, (B, D + K).

    Args:
        features: D.
        head: weight (K, D) and bias (K,) of the last linear layer; None: not known.
    """

    feature_layers = (PENULTIMATE,)
    latent_layer = ""

    def __init__(self, features: int, head: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.features, self.penultimate = features, nn.Identity()
        self.head_layer = None if head is None else HEAD
        if head is not None:
            weight, bias = head
            self.head = nn.Linear(weight.shape[1], weight.shape[0])
            self.head.load_state_dict({"weight": weight, "bias": bias})
            self.head.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D + K) -> logits (B, K)."""
        self.penultimate(x[:, : self.features])
        return x[:, self.features :]


class FeatureExtraction(Extraction):
    """Measures sets of such rows; nothing is forwarded or cached. What the files do not hold fails with the reason."""

    def measure(
        self,
        title: str,
        loader: Iterable[Any],
        fingerprint: str,
        probes: Sequence[Probe],
        perturbations: Sequence[Perturbation] = (),
    ) -> Measurement:
        measured = self._pass(title, loader, Missing.all_of(probes, perturbations), self.store)
        self.forwarded.clear()
        return measured

    def _runner(
        self, probes: Sequence[Probe], steps: Sequence[Perturbation], failed: dict[str, str]
    ) -> OnePass:
        asked: list[Probe | Perturbation] = [*probes, *steps]
        lacking = {one.name: reason for one in asked if (reason := _lacking(one)) is not None}
        failed |= lacking
        held = [probe for probe in probes if probe.name not in lacking]
        return OnePass(self.network, held, (), self.device, self.prepared, failed=failed)


def _lacking(quantity: Probe | Perturbation) -> str | None:
    """Why a quantity is not known; None: it is."""
    if isinstance(quantity, Logits) or quantity == Pooled(PENULTIMATE):
        return None
    if isinstance(quantity, Perturbation):
        what = "a gradient of the image"
    elif not quantity.needs_network:
        what = "the image"
    elif isinstance(quantity, LatentEntropy):
        what = "the latent samples"
    elif isinstance(quantity, SingularityDistances):
        what = "the output for images of noise"
    elif isinstance(quantity, ChannelStatistics):
        what = "the maps before pooling"
    elif isinstance(quantity, Pooled):
        what = f"layer {quantity.layer}" if quantity.layer else "the latent layer"
    else:
        what = f"the network (for {quantity.name})"
    return f"needs {what}, which feature files do not hold"
