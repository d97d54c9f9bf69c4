"""Probes: what is measured while a batch passes through the network, a few numbers per image each.

A probe names the layers it listens to and turns what passed through them (`ForwardOutputs`) into a tensor with one row
per image. Its ``name`` holds every parameter that changes its values, so equal probes are one probe and a
cache can tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lsood.extraction.devices import double
from lsood.extraction.entropy import entropy
from lsood.extraction.reductions import fullmean
from lsood.extraction.sampling import sample_latents, sample_latents_by_passes
from lsood.probes.base import ForwardOutputs, ModelInfo, Probe
from lsood.probes.detection_logits import DetectionScores, ensemble_doubt
from lsood.probes.logit_scores import other_probability
from lsood.probes.logits import Logits
from lsood.probes.perturbation import Perturbation, digest
from lsood.probes.pixels import PIXEL_SCORES, Confusion, PixelMaps, PixelScores, pixel_scores
from lsood.tasks import TASKS
from lsood.text import shape_text

__all__ = [
    "PIXEL_SCORES",
    "Confusion",
    "DetectionScores",
    "EnsembleProbability",
    "ForwardOutputs",
    "LatentEntropy",
    "Logits",
    "ModelInfo",
    "Perturbation",
    "PixelMaps",
    "PixelScores",
    "Pooled",
    "Probe",
    "SingularityDistances",
    "digest",
    "other_probability",
    "pixel_scores",
    "singularity_distance",
    "standard_probes",
]


@dataclass(frozen=True)
class Pooled(Probe):
    """(B, C) float32: a layer's output averaged over space (as it is, where it has none); of a layer called several
    times, one after the other.
    """

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def name(self) -> str:
        return f"pooled.{self.layer}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        found = forward.outputs[self.layer]
        levels = [maps.float() for maps in (found if isinstance(found, list) else [found])]
        return torch.cat([fullmean(maps) if maps.ndim == 4 else maps for maps in levels], dim=1)


@dataclass(frozen=True)
class LatentEntropy(Probe):
    """(B, D) float32: entropy, in nats, of every dimension of the Monte-Carlo latent samples (LaREx, UAI
    2024).
    """

    layer: str
    samples: int = 16
    reduction: str = "fullmean"
    seed: int = 0
    uses_masks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise ValueError(
                f"the entropy of latent samples needs at least 2 Monte-Carlo samples, got {self.samples}"
            )

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def name(self) -> str:
        return f"entropy.{self.layer}.{self.reduction}.t{self.samples}.s{self.seed}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        layer, args = (
            forward.network.get_submodule(self.layer),
            (self.samples, forward.keys, self.seed, self.reduction),
        )
        if forward.upstream_random:
            samples = sample_latents_by_passes(forward.network, forward.images.detach(), self.layer, *args)
        else:
            samples = sample_latents(forward.inputs[self.layer], layer, *args)
        return entropy(samples).float()


@dataclass(frozen=True)
class SingularityDistances(Probe):
    """(B, L) float32: distance of every layer's output to the feature-space singularity (Huang et al., SafeAI
    2021).

    The singularity F* is the mean output of ``noise`` images of uniform noise, pixels i.i.d. on {0, ...,
    254}, fed as (v - 127.5) / 255 as the authors' code does; the distance is Euclidean over the flattened
    output.
    """

    one_size: ClassVar[bool] = True

    of: tuple[str, ...]
    noise: int = 100
    seed: int = 0
    chunk: int = 20

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.of

    @property
    def name(self) -> str:
        return f"fss.{'+'.join(self.of)}.n{self.noise}.s{self.seed}"

    def prepare(self, run: Callable[[Tensor], ForwardOutputs], image_shape: torch.Size) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(self.seed)
        pixels = torch.randint(0, 255, (self.noise, *image_shape), generator=random)
        total: dict[str, Tensor] = {}
        for part in ((pixels - 127.5) / 255).split(self.chunk):
            outputs = run(part).outputs
            for layer in self.of:
                total[layer] = total.get(layer, torch.tensor(0.0)) + double(outputs[layer].detach()).sum(0)
        return {layer: (value / self.noise).float() for layer, value in total.items()}

    def __call__(self, forward: ForwardOutputs, prepared: dict[str, Tensor]) -> Tensor:
        return torch.stack([singularity_distance(forward, layer, prepared) for layer in self.of], dim=1)


def singularity_distance(forward: ForwardOutputs, layer: str, singularity: dict[str, Tensor]) -> Tensor:
    """(B,): Euclidean distance of a layer's output to F*; differentiable.

    Raises:
        ValueError: the output has another shape than for the noise images.
    """
    features, mean = forward.outputs[layer].float(), singularity[layer].to(forward.images.device)
    if features.shape[1:] != mean.shape:
        raise ValueError(
            f"FSSD compares whole feature maps with those of noise images: {layer} gives "
            f"{shape_text(features.shape[1:])} for an image and {shape_text(mean.shape)} for the noise; give all sets "
            "one size (no --keep-ratio)"
        )
    return (features - mean).flatten(1).norm(dim=1)


@dataclass(frozen=True, eq=False)
class EnsembleProbability(Probe):
    """Mean softmax of the network and further members (Lakshminarayanan et al., NeurIPS 2017), on the same
    batch.

    Classification: (B, K) float64 mean probabilities. Segmentation: (B, 1), mean over pixels of 1 - max of
    the mean probability. Detection: (B, 1), see `lsood.probes.detection_logits.ensemble_doubt`.
    """

    members: tuple[nn.Module, ...] = field(repr=False)
    members_hash: str

    @property
    def name(self) -> str:
        return f"ensemble.m{len(self.members) + 1}.{self.members_hash[:16]}"

    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        if forward.detections:
            return ensemble_doubt(forward, self.members)
        total = forward.logits.detach().float().softmax(1)
        images = forward.images.detach()
        for member in self.members:
            total = total + member(images).float().softmax(1)
        mean = total / (len(self.members) + 1)
        return double(mean) if mean.ndim == 2 else double(1 - mean.amax(1)).mean(dim=(1, 2))[:, None]


def standard_probes(model_info: ModelInfo, seeds: Sequence[int] = ()) -> list[Probe]:
    """Everything the clean pass can give every detector, so that a further method forwards no image.

    ``seeds`` are further Monte-Carlo seeds beside the model information's own.
    """
    task = TASKS[model_info.task]
    entropies = [
        LatentEntropy(model_info.latent_layer, model_info.mc_samples, model_info.reduction, seed)
        for seed in dict.fromkeys((model_info.seed, *seeds))
        if model_info.latent_layer
    ]
    pooled = map(Pooled, filter(None, dict.fromkeys((*model_info.layers, model_info.latent_layer))))
    singularity = [SingularityDistances(model_info.layers)] if task.equal_shapes and model_info.layers else []
    return [*task.probes(model_info), *pooled, *singularity, *entropies]
