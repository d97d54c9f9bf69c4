"""Every network by name. Names, tasks and descriptions are known without importing torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lsood.registry import Registry
from networks.spec import NetworkSpec

if TYPE_CHECKING:
    from torch import nn

NETWORKS = Registry(
    "network",
    ("networks.models",),
    group="lsood.networks",
    maker="NetworkSpec",
    fields=("name", "task", "description", "build"),
)


def build(name: str, num_classes: int, channels: int = 3, **options: Any) -> nn.Module:
    """A network with random weights.

    Every network has ``feature_layers`` (names of layers whose outputs are features, shallow to deep, without
    the logits) and ``latent_layer`` (name of the dropout layer that is sampled); each of these layers is
    called once in a forward pass, a detector's ``latent_layer`` once per level of its pyramid. Classifiers and
    detectors have ``head_layer`` too (name of the last linear layer; its input is the pooled output of a classifier's
    last feature layer, or a region's features).

    Args:
        name: one of ``NETWORKS``, or ``package.module:Object`` or ``file.py:Object`` of a `NetworkSpec`.
        num_classes: K.
        channels: of the images.
        options: of the network, e.g. ``image_size=(32, 32)`` of lenet; see ``NETWORKS[name].options``.

    Raises:
        ValueError: unknown name or option (the right ones are listed), an object that is no `NetworkSpec`, or an
            option out of range.
    """
    spec = NETWORKS.find(name)
    if not isinstance(spec, NetworkSpec):
        raise ValueError(f"network {name!r} is no networks.NetworkSpec but {type(spec).__name__}")
    if unknown := [option for option in options if option not in spec.options]:
        raise ValueError(
            f"network {name!r} has no option {unknown[0]!r}; its options: {', '.join(spec.options)}"
        )
    if num_classes < 1 or channels < 1:
        raise ValueError(f"num_classes and channels must be at least 1, got {num_classes} and {channels}")
    return spec.build(num_classes, channels, **options)
