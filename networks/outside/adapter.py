"""A network of the user as the pipeline needs it: one output of logits, named layers, features as maps."""

from __future__ import annotations

import copy
import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from lsood.extraction.masks import RANDOM_LAYERS, drop_probability
from networks.models.padding import pad_to
from networks.outside.description import Description, Row, shape_text
from networks.outside.head import POOLS, Producer, close, producer, values_of
from networks.outside.maps import Layout, tensors_in
from networks.outside.stages import MOST, stages
from networks.outside.trace import STRIDE, Call, Trace, enlarged, logits_of, traced

DROP_PROBABILITY, BLOCK_SIZE = 0.4, 5
"""Of a DropBlock that is placed behind a layer, as in `networks.ResNet`; its block is at most half as wide as the map."""
LEAST_SIDE = 3
"""Cells of a map that a DropBlock is placed behind: of smaller ones nothing, or all, would be dropped."""
OWN = "network."
"""Before the names of the user's layers in an `OutsideNetwork`."""
TRACED = 2
"""Images of the traced pass."""


class OutsideNetwork(nn.Module):
    """A network of the user with what `networks.build` promises of its own ones.

    ``forward`` takes images (B, C, H, W) in RGB order and returns logits (B, K) or (B, K, H, W).

    Attributes:
        network: the user's module; its parameters keep their names in it.
        feature_layers, latent_layer, head_layer: names of submodules of this object; head_layer None: there is none.
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
        logits, _ = logits_of(self.network(x), self.task, len(x), self.num_outputs, what)
        if self.task == "segmentation":
            logits = enlarged(logits, x.shape[-2:])[..., : size[0], : size[1]]
        return logits if self.outputs is None else logits[:, self.outputs]

    def tap(self, name: str, layer: nn.Module, reading: Reading) -> str:
        """Let an identity layer get what another layer gives or is given; its name."""
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


def adapt(
    module: nn.Module,
    task: str,
    images: Tensor,
    num_classes: int,
    *,
    outputs: Sequence[int] | None = None,
    channel_order: str | None = None,
    latent_layer: str | None = None,
    feature_layers: Sequence[str] = (),
    head_layer: str | None = None,
) -> nn.Module:
    """Find the layers of a network and wrap it, see `OutsideNetwork`.

    What the user names comes first, then what the network names itself (attributes ``feature_layers``,
    ``latent_layer``, ``head_layer``), then what is found: see `stages.stages` for features, `head.producer` for the head, and for the
    latent layer the last dropout or DropBlock with p above 0 that gets vectors or maps; where there is none, a
    DropBlock2D is placed behind the deepest feature map.

    Args:
        module: of the user, in evaluation mode; hooks are put on its layers.
        task: "classification", "segmentation" or "detection".
        images: (B, C, H, W) float32, RGB, as the pipeline pre-processes them; the first `TRACED` are used.
        num_classes: K of the data.
        outputs: which of the network's outputs these are, in their order; None: all of them, in the data's order.
        channel_order: "bgr": the network's input is flipped.
        latent_layer, feature_layers, head_layer: names of the module's layers; None, (): found.

    Raises:
        ValueError: an unknown layer (the nearest names are told), one that is not called once or has no features; a
            network that fails, returns no logits, or another number of them than K; one line.
    """
    if task == "detection":
        return _detector(
            module,
            images,
            num_classes,
            outputs=outputs,
            channel_order=channel_order,
            latent_layer=latent_layer,
            feature_layers=feature_layers,
            head_layer=head_layer,
        )
    module.eval()
    images = images[:TRACED].float().cpu()
    found = OutsideNetwork(module, task, outputs, channel_order == "bgr")
    trace = traced(module, images.flip(1) if found.bgr else images, task, None if outputs else num_classes)
    found.padded, found.num_outputs = trace.padded, trace.logits.shape[1]
    if outputs is None and found.num_outputs != num_classes:
        raise ValueError(
            f"network {type(module).__name__} has {found.num_outputs} outputs, the data set has {num_classes} classes: "
            "--classes FILE names the classes of the outputs"
        )
    with torch.no_grad():
        _Finder(found, trace, latent_layer, feature_layers, head_layer).find()
    return found


def _detector(module: nn.Module, images: Tensor, num_classes: int, **options: Any) -> nn.Module:
    try:
        detection = importlib.import_module("networks.outside.detection.adapt")
    except ImportError as error:
        raise ValueError("object detectors of the user cannot be measured by this version") from error
    adapted: nn.Module = detection.adapt_detector(module, images, num_classes, **options)
    return adapted


class _Finder:
    """Finds the layers of one network and names them in its wrapper."""

    def __init__(
        self,
        wrapper: OutsideNetwork,
        trace: Trace,
        latent: str | None,
        features: Sequence[str],
        head: str | None,
    ) -> None:
        self.wrapper, self.trace, self.network = wrapper, trace, wrapper.network
        self.rows, self.notes = wrapper.description.rows, wrapper.description.notes
        self.latent, self.latent_how = _named(latent, self.network, "latent_layer", "--latent-layer")
        self.head, self.head_how = _named(head, self.network, "head_layer", "--head-layer")
        own: Any = getattr(self.network, "feature_layers", None)
        own = own if isinstance(own, tuple | list) and all(isinstance(one, str) for one in own) else ()
        self.features = tuple(one.removeprefix(OWN) for one in features or own)
        self.features_how = "--feature-layers" if features else "named by the network"
        self.once = {call.name: call for call in trace.once}
        for name, option in [
            (self.latent, "--latent-layer"),
            (self.head, "--head-layer"),
            *((one, "--feature-layers") for one in self.features),
        ]:
            if name is not None:
                self._check(name, option)

    def _check(self, name: str, option: str) -> None:
        names = [one for one, _ in self.network.named_modules() if one]
        what = type(self.network).__name__
        if name not in names:
            near = ", ".join(difflib.get_close_matches(name, names, n=3, cutoff=0.3)) or ", ".join(names[:10])
            raise ValueError(f"{option}: {what} has no layer {name!r}; near: {near}")
        if name not in self.once:
            times = sum(call.name == name for call in self.trace.calls)
            raise ValueError(
                f"{option}: {name!r} of {what} is called {times} times in a pass; once is needed"
            )

    def find(self) -> None:
        """Fill in the wrapper."""
        task = self.wrapper.task
        found = producer(self.network, self.trace, task, self.head)
        if self.head is not None and (found is None or not found.linear):
            raise ValueError(
                f"{self.head_how}: {self.head!r} of {type(self.network).__name__} is no linear layer or 1x1 "
                "convolution whose output gives the logits"
            )
        chosen = [self.once[name] for name in self.features] or stages(
            self.trace.once, None if found is None else found.call
        )
        deepest = next((call for call in reversed(chosen) if _wide(call.output)), None)
        names = [self._feature(call) for call in chosen]
        names = self._penultimate(names, chosen, found)
        if not names:
            raise ValueError(
                f"no feature layers were found in {type(self.network).__name__}: name them, --feature-layers"
            )
        self.wrapper.feature_layers = tuple(names)
        self._find_latent(deepest, chosen, found)
        self._tell_output(found)

    def _feature(self, call: Call) -> str:
        if call.output is None:
            raise ValueError(
                f"--feature-layers: {call.name!r} of {type(self.network).__name__} gives no features (B, C, h, w), "
                "(B, h, w, C), (B, N, C) or (B, D)"
            )
        how = self.features_how if self.features else "output of a stage"
        if call.output.kind in ("channels-last", "tokens"):
            how += f", {call.output.kind}"
        self.rows.append(Row("feature", call.name, how, shape_text(call.output.shape)))
        if call.bare and call.output.kind in ("map", "vector"):
            return f"{OWN}{call.name}"
        return self.wrapper.tap(call.name.replace(".", "_"), call.module, Reading(call.output))

    def _penultimate(self, names: list[str], chosen: Sequence[Call], found: Producer | None) -> list[str]:
        """The features with the head's input as the last ones, where they are not."""
        if found is None:
            return names
        segments = self.wrapper.task == "segmentation"
        last = chosen[-1] if chosen else None
        same = last is not None and self._is_given(last, found)
        if not same and not self.features:
            reading = self._reading(found)
            if reading is not None:
                names.append(self.wrapper.tap("head_input", found.call.module, reading))
                shape = (
                    found.call.given.shape if segments and found.call.given else tuple(found.pooled.shape[1:])
                )  # type: ignore[union-attr]
                self.rows.append(
                    Row("feature", f"input of {found.call.name}", "input of the head", shape_text(shape))
                )
                names, same = names[-MOST:], True
                del self.rows[: len(self.rows) - len(names)]
        if found.linear and same and not segments:
            self.wrapper.head_layer = f"{OWN}{found.call.name}"
        return names

    def _is_given(self, last: Call, found: Producer) -> bool:
        """Whether the pooled output of a feature layer is what the head is given."""
        wanted = values_of(self.network, self.trace.images, [last.name, found.call.name])
        if last.name not in wanted or last.output is None:
            return False
        maps = last.output.to_map(wanted[last.name][1])
        given = wanted[found.call.name][0]
        if found.pooled is not None:
            return close(maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps, found.pooled)
        return maps.shape == given.shape and close(maps, given)

    def _reading(self, found: Producer) -> Reading | None:
        if found.pooled is not None and any(True for _ in found.call.module.parameters(recurse=False)):
            pooled = "" if found.pool in ("vector", "map") else found.pool
            return Reading(None, True, pooled)
        given = found.call.given
        if self.wrapper.task == "segmentation" and given is not None and given.kind == "map":
            return Reading(given, True)
        return None

    def _find_latent(self, deepest: Call | None, chosen: Sequence[Call], found: Producer | None) -> None:
        end = len(self.trace.calls) if found is None else found.call.ended
        drops = [
            call
            for call in self.trace.once
            if isinstance(call.module, RANDOM_LAYERS)
            and drop_probability(call.module) > 0
            and call.ended < end
            and _sampled(call)
        ]
        if self.latent is not None:
            call = self.once[self.latent]
            if call in drops:
                self._latent(call, self.latent_how)
                return
            self._place(call, self.latent_how)
        elif drops:
            self._latent(drops[-1], "last dropout layer of the pass")
        else:
            self._place(deepest or chosen[-1] if chosen else found.call, "no dropout layer found")  # type: ignore[union-attr]

    def _latent(self, call: Call, how: str) -> None:
        assert call.given is not None
        self.wrapper.latent_layer = f"{OWN}{call.name}"
        self.rows.append(Row("latent", f"{call.name} ({call.module})", how, shape_text(call.given.shape)))

    def _place(self, call: Call, how: str) -> None:
        """Put a DropBlock, or of vectors a dropout, behind a layer."""
        layout = call.output
        if layout is None:
            raise ValueError(
                f"--latent-layer: {call.name!r} of {type(self.network).__name__} gives no features that a DropBlock "
                "could be placed behind"
            )
        layer: nn.Module
        if _wide(layout):
            block = max(1, min(BLOCK_SIZE, min(layout.cells) // 2))
            layer, name, what = DropBlock2D(DROP_PROBABILITY, block), "drop_block", f"block {block}"
            kind = f"DropBlock2D (p {DROP_PROBABILITY:g}, {what})"
        else:
            layer, name = nn.Dropout(DROP_PROBABILITY), "dropout"
            kind = f"Dropout (p {DROP_PROBABILITY:g})"
        self.wrapper.add_module(name, layer.eval())
        call.module.register_forward_hook(Behind(layer, Reading(layout)))
        self.wrapper.latent_layer = name
        self.rows.append(Row("latent", f"{kind} behind {call.name}", how, shape_text(layout.shape)))
        self.notes.append(
            f"the network was not trained with the {kind} that is placed behind its layer {call.name}: LaRED, LaREM "
            "and MC dropout sample a layer that its weights do not expect."
        )

    def _tell_output(self, found: Producer | None) -> None:
        network, trace = self.wrapper, self.trace
        shape = shape_text(tuple(trace.logits.shape[1:]))
        how = f"{trace.place}; equal to the output of {found.call.name}" if found else trace.place
        if found is None or not found.linear:
            why = "no layer gives the logits"
            if found is not None:
                why = f"{found.call.name} gives the logits and is no linear layer or 1x1 convolution"
            self.rows.append(Row("head", "none", f"{why}; methods that need its weights do not run"))
        else:
            how_head = self.head_how if self.head else "its output gives the logits"
            if network.head_layer is None and network.task == "classification":
                how_head += (
                    "; its input is not the last feature layer: methods that need its weights do not run"
                )
            self.rows.append(
                Row("head", found.call.name, how_head, shape_text(_weight_shape(found.call.module)))
            )
        if network.padded:
            how += f"; images are padded to multiples of {STRIDE}, logits cropped"
        elif network.task == "segmentation" and trace.logits.shape[-2:] != trace.images.shape[-2:]:
            how += "; enlarged to the size of the images"
        self.rows.append(Row("logits", "", how, shape))
        total = trace.logits.sum(1)
        if bool((trace.logits >= 0).all()) and close(total, torch.ones_like(total)):
            self.notes.append(
                "the network returns probabilities, not logits: scores such as energy and max-logit mean nothing."
            )


def _named(name: str | None, network: nn.Module, attribute: str, option: str) -> tuple[str | None, str]:
    """A layer that the user names, else the network; and who did."""
    if name is not None:
        return name.removeprefix(OWN), option
    own = getattr(network, attribute, None)
    return (own, "named by the network") if isinstance(own, str) and own else (None, "")


def _wide(layout: Layout | None) -> bool:
    return layout is not None and layout.kind != "vector" and min(layout.cells) >= LEAST_SIDE


def _sampled(call: Call) -> bool:
    """Whether Monte-Carlo samples of a dropout layer can be drawn from what it is given."""
    if call.given is None:
        return False
    maps = call.given.kind == "map" and "att" not in call.name.lower()
    return maps or (call.given.kind == "vector" and not hasattr(call.module, "block_size"))


def _weight_shape(module: nn.Module) -> tuple[int, ...]:
    return tuple(module.weight.flatten(1).shape)  # type: ignore[operator, union-attr]
