"""Probes: what is measured while a batch passes through the network, a few numbers per image each.

A probe names the layers it listens to and turns what passed through them (`Taps`) into a tensor with one row
per image. Its ``name`` holds every parameter that changes its values, so equal probes are one probe and a
cache can tell them apart.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lsood.entropy import entropy
from lsood.head import Head
from lsood.reductions import fullmean
from lsood.sampling import sample_latents, sample_latents_by_passes


@dataclass(frozen=True)
class Subject:
    """The network under test, as far as detectors need to know it.

    Attributes:
        task: "classification" or "segmentation".
        num_classes: K.
        layers: names of the layers whose pooled outputs are features, shallow to deep.
        latent_layer: name of the dropout layer that is sampled.
        std: per-channel standard deviation of the input normalisation, so that a step of epsilon is one of
            epsilon in [0, 1] pixels.
        mc_samples, reduction, seed: of the Monte-Carlo latent samples.
        mean: per-channel mean of the input normalisation, for probes that look at the image itself; empty:
            unknown.
        head: the last linear layer, whose input is the pooled output of the last of ``layers``; None: there is
            none.
        head_layer: its name.
    """

    task: str
    num_classes: int
    layers: tuple[str, ...]
    latent_layer: str
    std: tuple[float, ...]
    mc_samples: int = 16
    reduction: str = "fullmean"
    seed: int = 0
    mean: tuple[float, ...] = ()
    head: Head | None = field(default=None, repr=False, compare=False)
    head_layer: str = ""

    @property
    def penultimate(self) -> str:
        """The deepest feature layer."""
        return self.layers[-1]


@dataclass
class Taps:
    """What one forward pass of a batch left behind: the images, the logits, every hooked layer's input and
    output. Where no probe needs the network it was not run, and logits, inputs and outputs are empty.
    """

    network: nn.Module
    images: Tensor
    logits: Tensor
    keys: Sequence[str]
    targets: Tensor | None
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    upstream_random: bool = False


class Probe(ABC):
    """One quantity per image. Subclasses are frozen dataclasses of their parameters.

    Attributes:
        layers: names of the layers it listens to.
        needs_network: False for a probe of the images alone; a pass with no other probes forwards nothing.
    """

    layers: tuple[str, ...] = ()
    needs_network: ClassVar[bool] = True

    @property
    @abstractmethod
    def name(self) -> str:
        """Unique for the probe and its parameters."""

    def prepare(self, run: Callable[[Tensor], Taps], image_shape: torch.Size) -> Any:
        """Anything the probe must know of the network beforehand; ``run`` forwards images and returns their
        taps.
        """
        return None

    @abstractmethod
    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        """(B, ...) for the batch in ``taps``."""


@dataclass(frozen=True)
class Logits(Probe):
    """(B, K) float32 logits of a classification network."""

    @property
    def name(self) -> str:
        return "logits"

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        return taps.logits.float()


PIXEL_SCORES = ("msp", "max_logit", "energy", "entropy")


def other_probability(logits: Tensor, dim: int = 1) -> Tensor:
    """1 - max softmax as the sum of the other classes' probabilities: no float32 saturation at 1, so no
    ties.
    """
    z = logits.double()
    rest = z.scatter(dim, z.argmax(dim, keepdim=True), -torch.inf)
    return (rest.logsumexp(dim) - z.logsumexp(dim)).exp()


def pixel_scores(logits: Tensor) -> tuple[Tensor, ...]:
    """MSP, MaxLogit, energy and entropy of every pixel, higher = more anomalous: (B, K, H, W) logits to four
    (B, H, W) float32.
    """
    z = logits.float()
    log_total = z.logsumexp(1)
    log_p = z - log_total[:, None]
    return -torch.expm1(log_p.amax(1)), -z.amax(1), -log_total, -(log_p.exp() * log_p).sum(1)


@dataclass(frozen=True)
class PixelScores(Probe):
    """(B, 4): pixel-wise MSP, MaxLogit, energy and entropy of a segmentation network, each averaged over all
    pixels.

    The mean over pixels is this project's rule for an image-level score from pixel scores: it uses no
    threshold, does not depend on the image size and is what an image-level anomaly (fog, rain) moves; small
    objects move it little.
    """

    @property
    def name(self) -> str:
        return "pixel_scores"

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        scores = pixel_scores(taps.logits)
        return torch.stack([score.double().mean(dim=(1, 2)) for score in scores], dim=1)


@dataclass(frozen=True)
class PixelMaps(Probe):
    """(B, 4, H, W) float16: the pixel scores themselves, in the order of PIXEL_SCORES, for pixel-level metrics.

    They are ranked, so MSP is given as the log odds of "another class": 1 - p underflows where networks are
    sure, and float16 would tie those pixels.
    """

    @property
    def name(self) -> str:
        return "pixel_maps"

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        z = taps.logits.float()
        best, which = z.max(1, keepdim=True)
        odds = z.scatter(1, which, -torch.inf).logsumexp(1) - best[:, 0]
        scores = torch.stack([odds, *pixel_scores(z)[1:]], dim=1)
        limit = torch.finfo(torch.float16).max
        return scores.clamp(-limit, limit).half()


@dataclass(frozen=True)
class Confusion(Probe):
    """(B, K, K) int32: pixels of target class i predicted as class j; ignored pixels (target >= K) left
    out.
    """

    num_classes: int

    @property
    def name(self) -> str:
        return "confusion"

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        k, batch = self.num_classes, len(taps.logits)
        if taps.targets is None or taps.targets.ndim != 3:
            return taps.logits.new_zeros((batch, k, k), dtype=torch.int32)
        image = torch.arange(batch, device=taps.logits.device)[:, None, None]
        index = image * k * k + taps.targets * k + taps.logits.argmax(1)
        counts = torch.bincount(index[(taps.targets >= 0) & (taps.targets < k)], minlength=batch * k * k)
        return counts.reshape(batch, k, k).int()


@dataclass(frozen=True)
class Pooled(Probe):
    """(B, C) float32: a layer's output averaged over space (as it is, where it has none)."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.layer,)

    @property
    def name(self) -> str:
        return f"pooled.{self.layer}"

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        maps = taps.outputs[self.layer].float()
        return fullmean(maps) if maps.ndim == 4 else maps


@dataclass(frozen=True)
class LatentEntropy(Probe):
    """(B, D) float32: entropy, in nats, of every dimension of the Monte-Carlo latent samples (LaREx, UAI
    2024).
    """

    layer: str
    samples: int = 16
    reduction: str = "fullmean"
    seed: int = 0

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

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        layer, args = (
            taps.network.get_submodule(self.layer),
            (self.samples, taps.keys, self.seed, self.reduction),
        )
        if taps.upstream_random:
            samples = sample_latents_by_passes(taps.network, taps.images.detach(), self.layer, *args)
        else:
            samples = sample_latents(taps.inputs[self.layer], layer, *args)
        return entropy(samples).float()


@dataclass(frozen=True)
class SingularityDistances(Probe):
    """(B, L) float32: distance of every layer's output to the feature-space singularity (Huang et al., SafeAI
    2021).

    The singularity F* is the mean output of ``noise`` images of uniform noise, pixels i.i.d. on {0, ...,
    254}, fed as (v - 127.5) / 255 as the authors' code does; the distance is Euclidean over the flattened
    output.
    """

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

    def prepare(self, run: Callable[[Tensor], Taps], image_shape: torch.Size) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(self.seed)
        pixels = torch.randint(0, 255, (self.noise, *image_shape), generator=random)
        total: dict[str, Tensor] = {}
        for part in ((pixels - 127.5) / 255).split(self.chunk):
            outputs = run(part).outputs
            for layer in self.of:
                total[layer] = total.get(layer, torch.tensor(0.0)) + outputs[layer].detach().double().sum(0)
        return {layer: (value / self.noise).float() for layer, value in total.items()}

    def __call__(self, taps: Taps, prepared: dict[str, Tensor]) -> Tensor:
        return torch.stack([singularity_distance(taps, layer, prepared) for layer in self.of], dim=1)


def singularity_distance(taps: Taps, layer: str, singularity: dict[str, Tensor]) -> Tensor:
    """(B,): Euclidean distance of a layer's output to F*; differentiable."""
    return (taps.outputs[layer].float() - singularity[layer].to(taps.images.device)).flatten(1).norm(dim=1)


@dataclass(frozen=True, eq=False)
class EnsembleProbability(Probe):
    """Mean softmax of the network and further members (Lakshminarayanan et al., NeurIPS 2017), on the same
    batch.

    Classification: (B, K) float64 mean probabilities. Segmentation: (B, 1), mean over pixels of 1 - max of
    the mean probability.
    """

    members: tuple[nn.Module, ...] = field(repr=False)
    members_hash: str

    @property
    def name(self) -> str:
        return f"ensemble.m{len(self.members) + 1}.{self.members_hash[:16]}"

    def __call__(self, taps: Taps, prepared: Any) -> Tensor:
        total = taps.logits.detach().float().softmax(1)
        images = taps.images.detach()
        for member in self.members:
            total = total + member(images).float().softmax(1)
        mean = total / (len(self.members) + 1)
        return mean.double() if mean.ndim == 2 else (1 - mean.amax(1)).double().mean(dim=(1, 2))[:, None]


@dataclass(frozen=True)
class Perturbation:
    """An input step along a confidence's gradient, and what is read off the perturbed pass.

    x' = x + epsilon * step(d confidence / dx) / std. The gradient comes from the shared clean pass; the
    perturbed images cost one more.

    Attributes:
        name: unique for method, parameters and fitted state.
        direction: names the gradient, which does not depend on epsilon: steps of equal direction share one
            backward pass.
        layers: names of the layers that ``confidence`` and ``read`` look at.
        confidence: taps -> (B,), differentiable.
        read: taps of the perturbed images -> (B, ...).
        epsilon: step size in [0, 1] pixel units.
        std: per-channel input standard deviation.
        step: "sign", or "standardised" (per image zero mean, unit standard deviation).
        probe: name of a probe whose prepared state ``confidence`` and ``read`` get as second argument.
    """

    name: str
    direction: str
    layers: tuple[str, ...]
    confidence: Callable[[Taps, Any], Tensor]
    read: Callable[[Taps, Any], Tensor]
    epsilon: float
    std: tuple[float, ...]
    step: str = "sign"
    probe: str | None = None

    def move(self, images: Tensor, gradient: Tensor) -> Tensor:
        """The perturbed images (B, C, H, W)."""
        if self.step == "sign":
            direction = gradient.sign()
        else:
            dims = tuple(range(1, gradient.ndim))
            spread = gradient.std(dim=dims, keepdim=True).clamp_min(torch.finfo(gradient.dtype).tiny)
            direction = (gradient - gradient.mean(dim=dims, keepdim=True)) / spread
        std = torch.tensor(self.std, dtype=images.dtype, device=images.device)[:, None, None]
        return images + self.epsilon * direction / std


def digest(*tensors: Tensor) -> str:
    """16 hex digits over tensors' bytes: names a fitted state."""
    content = hashlib.blake2b(digest_size=8)
    for tensor in tensors:
        content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()


def standard_probes(subject: Subject, seeds: Sequence[int] = ()) -> list[Probe]:
    """Everything the clean pass can give every detector, so that a further method forwards no image.

    ``seeds`` are further Monte-Carlo seeds beside the subject's own.
    """
    heads: list[Probe] = [Logits()]
    if subject.task == "segmentation":
        heads = [PixelScores(), Confusion(subject.num_classes)]
    entropies = [
        LatentEntropy(subject.latent_layer, subject.mc_samples, subject.reduction, seed)
        for seed in dict.fromkeys((subject.seed, *seeds))
    ]
    pooled = map(Pooled, dict.fromkeys((*subject.layers, subject.latent_layer)))
    return [*heads, *pooled, SingularityDistances(subject.layers), *entropies]
