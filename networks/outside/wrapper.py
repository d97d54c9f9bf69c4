"""A network of the user with one output of logits and named layers that give features as maps."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn

from lsood.extraction.masks import RANDOM_LAYERS
from networks.models.padding import pad_to
from networks.outside.description import Description
from networks.outside.head import POOLS
from networks.outside.maps import Layout, tensors_in
from networks.outside.trace import STRIDE, enlarged, logits_at

OWN = "network."
"""Before the names of the user's layers in an `OutsideNetwork`."""


class OutsideNetwork(nn.Module):
    """A network of the user with what `networks.build` promises of its own ones.

    ``forward`` takes images (B, C, H, W) in RGB order and returns logits (B, K) or (B, K, H, W).

    Attributes:
        network: the user's module; its parameters keep their names in it.
        feature_layers, latent_layer, head_layer: names of submodules of this object; (), "", None: there is none.
        outputs: indices of the network's outputs that are the K classes, in their order; None: all.
        description: what was found, and how.
    """

    def __init__(self, network: nn.Module, task: str, outputs: Sequence[int] | None, bgr: bool) -> None:
        super().__init__()
        self.network = network
        self.taps = nn.ModuleDict()
        self.task, self.bgr, self.padded = task, bgr, False
        self.outputs = None if outputs is None else list(outputs)
        self.num_outputs: int | None = None
        self.place = ""
        self.feature_layers: tuple[str, ...] = ()
        self.latent_layer = ""
        self.head_layer: str | None = None
        self.description = Description()

    @property
    def adapted(self) -> nn.Module:
        """The user's module, by whose weights this network is known."""
        return self.network

    @property
    def layers(self) -> dict[str, Any]:
        """What tells one way to read this network from another."""
        return {
            "features": list(self.feature_layers),
            "latent": self.latent_layer,
            "head": self.head_layer,
            "outputs": self.outputs,
            "bgr": self.bgr,
            "padded": self.padded,
            "drops": [repr(layer) for layer in self.children() if isinstance(layer, RANDOM_LAYERS)],
        }

    @property
    def head_rows(self) -> list[int] | None:
        """Rows of the head's weights that are the K classes, in their order; None: all."""
        return self.outputs

    def train(self, mode: bool = True) -> Self:
        """Layers that were placed in the network stay idle in training mode too: it is trained as it was made."""
        super().train(mode)
        for layer in self.children():
            if isinstance(layer, RANDOM_LAYERS):
                layer.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K), or (B, K, H, W)."""
        size = x.shape[-2:]
        x = x.flip(1) if self.bgr else x
        x = pad_to(x, STRIDE) if self.padded else x
        what = type(self.network).__name__
        logits = logits_at(self.place, self.network(x), self.task, len(x), self.num_outputs, what)
        if self.task == "segmentation":
            logits = enlarged(logits, x.shape[-2:])[..., : size[0], : size[1]]
        return logits if self.outputs is None else logits[:, self.outputs]

    def tap(self, name: str, layer: nn.Module, reading: Reading) -> str:
        """Let an identity layer get what another layer gives or is given; its name."""
        while name in self.taps:
            name += "_"
        self.taps[name] = nn.Identity()
        behind = Behind(self.taps[name], reading)
        if reading.given:
            layer.register_forward_pre_hook(behind.before, with_kwargs=True)
        else:
            layer.register_forward_hook(behind)
        return f"taps.{name}"


@dataclass(frozen=True)
class Reading:
    """What a tap reads of a layer: its output or what it is ``given``, as a map, or pooled by one of `POOLS`."""

    layout: Layout | None
    given: bool = False
    pool: str = ""

    def __call__(self, tensor: Tensor) -> Tensor:
        if self.pool:
            return POOLS[self.pool](tensor)
        return tensor if self.layout is None else self.layout.to_map(tensor)


@dataclass
class Behind:
    """A hook on a layer of the user that hands its features to a layer of the wrapper, whose result takes their place
    where it is another tensor (dropout; a method that replaces features). It is no closure, so that a copied network
    has hooks of its own.
    """

    layer: nn.Module
    reading: Reading

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Read the first argument, which comes by position or by name."""
        name = None if args else next(iter(kwargs))
        given = args[0] if name is None else kwargs[name]
        changed = self._changed(given)
        if changed is None:
            return None
        return ((changed, *args[1:]), kwargs) if name is None else (args, {**kwargs, name: changed})

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """Read the output."""
        return self._changed(output)

    def _changed(self, value: Any) -> Any:
        """A tensor, or a tuple, list or mapping that holds it first, with what the layer made of it; None: the same."""
        tensor = tensors_in(value)[0]
        features = self.reading(tensor)
        made = self.layer(features)
        if made is features:
            return None
        if self.reading.pool:
            raise ValueError("the pooled input of the head cannot be replaced")
        whole = made if self.reading.layout is None else self.reading.layout.from_map(made, tensor)
        if isinstance(value, Tensor):
            return whole
        if isinstance(value, Mapping):
            changed = copy.copy(value)
            changed[next(name for name, one in value.items() if one is tensor)] = whole  # type: ignore[index]
            return changed
        place = next(i for i, one in enumerate(value) if one is tensor)
        parts = (*value[:place], whole, *value[place + 1 :])
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
