"""What detectors of the user share: their layers, the dropout that is placed in them, the classes of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lsood.extraction.masks import RANDOM_LAYERS
from networks.models.detection.proposals import SafeDropBlock
from networks.outside.description import Description, Row
from networks.outside.detection.layers import first_tensor, named
from networks.outside.wrapper import OWN

PROBABILITY, BLOCK = 0.5, 4
"""Of the DropBlock that is placed in a detector, as in LaREx."""


class Tap(nn.Module):
    """Shows what a layer returns as maps: tokens (B, N, D), also the first of a tuple, as (B, D, N, 1)."""

    def forward(self, output: Any) -> Tensor:
        """What a layer returned -> (B, C, h, w) or (B, D)."""
        found = first_tensor(output)
        assert found is not None
        return found.transpose(1, 2)[..., None] if found.ndim == 3 else found


class OutsideDetector(nn.Module):
    """A detector of the user with the contract of `networks.models.detection.detector.Detector`.

    Its parameters keep their names, below ``network.``. Layers whose outputs are no maps are shown by ``taps``;
    dropout that is placed in it (``drop_block``) acts through hooks and is the identity in evaluation mode.

    Attributes:
        network: the user's. feature_layers, latent_layer, region_layer, region_dropout, head_layer: names of layers of
            this module; head_layer None: no linear layer makes the logits.
        head_rows: rows of the head layer that are the K classes of the data set, in its order, where they were matched.
        background: row of the head layer for no object; None: there is none.
        num_outputs: classes of the network. description: what was found and how.
    """

    feature_layers: tuple[str, ...]
    latent_layer: str
    region_layer: str
    region_dropout: str
    head_layer: str | None
    head_rows: tuple[int, ...] | None
    background: int | None
    columns: tuple[int, ...]
    num_outputs: int

    def __init__(self, network: nn.Module, channel_order: str | None, num_classes: int) -> None:
        super().__init__()
        self.network, self.channel_order, self.num_classes = network, channel_order, num_classes
        self.description = Description()
        self.taps = nn.ModuleDict()
        self.drop_block = SafeDropBlock(PROBABILITY, BLOCK)
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def notes(self) -> list[str]:
        """What every page of results has to say of the network."""
        return self.description.notes

    @property
    def layers(self) -> dict[str, Any]:
        """What tells one way to read this network from another."""
        names = ("feature_layers", "latent_layer", "region_layer", "head_layer", "columns", "channel_order")
        return {name: getattr(self, name) for name in names} | {"drop": repr(self.drop_block)}

    def _input(self, images: Tensor) -> Tensor:
        """RGB images in the channel order of the network."""
        return images.flip(1) if self.channel_order == "bgr" else images

    def _features_of(self, layers: Sequence[str], calls: dict[str, Any]) -> tuple[str, ...]:
        """Names, in this module, of layers that show what the layers of the network return."""
        return tuple(self._shown(layer, calls) for layer in layers)

    def _shown(self, layer: str, calls: dict[str, Any]) -> str:
        module, output = named(self.network, layer), calls.get(layer)
        if output is None or first_tensor(output) is None:
            raise ValueError(f"layer {layer!r} was not reached by the forward pass, or returns no tensor")
        if isinstance(output, Tensor) and output.ndim in (2, 4):
            return f"{OWN}{layer}"
        name = layer.replace(".", "_")
        if name not in self.taps:
            self.taps[name] = Tap()
            module.register_forward_hook(self._tapped(name))
        return f"taps.{name}"

    def _tapped(self, name: str) -> Any:
        return _Hooked(self.taps[name])

    def _latent(self, layer: str | None, default: str, calls: dict[str, Any]) -> tuple[str, Row]:
        """Name of the latent layer and what is told of it: a dropout layer that was named, or a DropBlock behind a
        layer that was named or behind the default.
        """
        how = "no dropout layer of feature maps" if layer is None else "--latent-layer"
        if layer is not None and isinstance(found := named(self.network, layer), RANDOM_LAYERS):
            return f"{OWN}{layer}", Row("latent", f"{layer} ({found})", how)
        place = layer or default
        module, output = named(self.network, place), calls.get(place)
        if isinstance(output, Tensor) and output.ndim == 4:
            module.register_forward_hook(_Hooked(self.drop_block, replaces=True))
        else:  # the samples are taken beside the pass
            self.get_submodule(self._shown(place, calls)).register_forward_hook(_Hooked(self.drop_block))
        kind = f"DropBlock2D (p {PROBABILITY:g}, block {BLOCK})"
        self.description.notes.append(
            f"the network was not trained with the {kind} that is placed behind its layer {place}, nor with the "
            "dropout of regions: LaRED, LaREM and MC dropout sample layers that its weights do not expect."
        )
        return "drop_block", Row("latent", f"{kind} behind {place}", how)

    def _choose_classes(self, outputs: Sequence[int] | None, classes: range) -> None:
        """Set which columns of the logits are the K classes; see :func:`chosen_columns`."""
        self.num_outputs = len(classes)
        self.columns = chosen_columns(outputs, self.num_classes, classes)
        self.head_rows = None if outputs is None else self.columns

    def _watch_head(self, layer: str | None) -> None:
        """Keep what goes into the class layer and what comes out of it, call after call."""
        if layer is None:
            return
        module = named(self.network, layer)
        if not isinstance(module, nn.Linear):
            raise ValueError(f"--head-layer {layer}: it is no linear layer but {type(module).__name__}")
        module.register_forward_hook(_Kept(self._seen))


@dataclass(eq=False)
class _Hooked:
    """A forward hook that gives what a layer returns to another module, and returns the result where it replaces."""

    module: nn.Module
    replaces: bool = False

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        result = self.module(output)
        return result if self.replaces else None


@dataclass(eq=False)
class _Kept:
    """A forward hook that keeps the input and the output of every call of a linear layer."""

    seen: list[tuple[Tensor, Tensor]]

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> None:
        self.seen.append((args[0], output))


def chosen_columns(outputs: Sequence[int] | None, num_classes: int, classes: range) -> tuple[int, ...]:
    """Columns of the logits that are the classes of the data set, in its order.

    Args:
        outputs: which of the network's classes they are, from 0; None: all. classes: the columns of the network's
            classes, without the background's.

    Raises:
        ValueError: the network has another number of classes, or no class of a number.
    """
    if outputs is None and len(classes) != num_classes:
        raise ValueError(
            f"the network detects {len(classes)} classes, the data set has {num_classes}: --classes FILE names the "
            "classes of the network"
        )
    chosen = range(num_classes) if outputs is None else outputs
    if len(chosen) != num_classes or not all(0 <= one < len(classes) for one in chosen):
        raise ValueError(
            f"the network detects {len(classes)} classes; {list(chosen)} cannot be the {num_classes} of the data set"
        )
    return tuple(classes[one] for one in chosen)
