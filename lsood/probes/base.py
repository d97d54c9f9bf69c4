"""What a probe is, what it is told of the network, and what it finds after a pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lsood.probes.detections import Detections
from lsood.probes.head import Head

Targets = Tensor | Sequence[Mapping[str, Tensor]]
"""Of a batch: class indices, maps of them, or {"boxes", "labels"} of every image."""


@dataclass(frozen=True)
class ModelInfo:
    """The network under test, as far as detectors need to know it.

    Attributes:
        task: "classification", "segmentation" or "detection".
        num_classes: K.
        layers: names of the layers whose pooled outputs are features, shallow to deep; (): there are none.
        latent_layer: name of the dropout layer that is sampled; "": there is none.
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
        """The deepest feature layer.

        Raises:
            ValueError: there is none.
        """
        if not self.layers:
            raise ValueError(
                "it needs feature layers, and this network has none; --feature-layers names them"
            )
        return self.layers[-1]


@dataclass
class ForwardOutputs:
    """What one forward pass of a batch left behind: the images, the logits (of an object detector: detections
    instead), every hooked layer's input and output: a tensor, or a list where the layer is called several times in a
    pass. Where no probe needs the network it was not run, and all of these are empty.
    """

    network: nn.Module
    images: Tensor
    logits: Tensor
    keys: Sequence[str]
    targets: Targets | None
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    upstream_random: bool = False
    detections: Sequence[Detections] = ()

    @property
    def label_maps(self) -> Tensor | None:
        """(B, H, W) training ids; None where targets are something else, or there are none."""
        return self.targets if isinstance(self.targets, Tensor) and self.targets.ndim == 3 else None


class Probe(ABC):
    """One quantity per image. Subclasses are frozen dataclasses of their parameters.

    Attributes:
        layers: names of the layers it listens to.
        needs_network: False for a probe of the images alone; a pass with no other probes forwards nothing.
        uses_masks: True for a probe of Monte-Carlo samples, whose values depend on the images' keys.
        one_size: True for a probe that compares with images of one size, so that others have no value.
    """

    layers: tuple[str, ...] = ()
    needs_network: ClassVar[bool] = True
    uses_masks: ClassVar[bool] = False
    one_size: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """Unique for the probe and its parameters."""

    def prepare(self, run: Callable[[Tensor], ForwardOutputs], image_shape: torch.Size) -> Any:
        """Anything the probe must know of the network beforehand; ``run`` forwards images and returns their
        forward.
        """
        return None

    @abstractmethod
    def __call__(self, forward: ForwardOutputs, prepared: Any) -> Tensor:
        """(B, ...) for the batch in ``forward``."""
