"""Finds head, feature layers and latent layer of a network of the user, and names them in its wrapper."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import torch
from dropblock import DropBlock2D
from torch import nn

from lsood.extraction.masks import RANDOM_LAYERS, drop_probability
from lsood.text import shape_text
from networks.outside.description import Row
from networks.outside.head import Producer, close, producer, values_of
from networks.outside.maps import Layout
from networks.outside.stages import MOST, stages
from networks.outside.trace import STRIDE, Call, Trace
from networks.outside.wrapper import OWN, Behind, OutsideNetwork, Reading

DROP_PROBABILITY, BLOCK_SIZE = 0.4, 5
"""Of a DropBlock that is placed behind a layer, as in `networks.ResNet`; its block is at most half a map wide."""
NAMED = "named by the network"
LEAST_SIDE = 3
"""Cells of a map that a DropBlock is placed behind: of smaller ones nothing, or all, would be dropped."""


class Finder:
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
        self.once = {call.name: call for call in trace.once}
        self.latent, self.latent_how = self._named(latent, "latent_layer", "--latent-layer")
        self.head, self.head_how = self._named(head, "head_layer", "--head-layer")
        own: Any = getattr(self.network, "feature_layers", None)
        own = own if isinstance(own, tuple | list) and all(one in self.once for one in own) else ()
        self.features = tuple(one.removeprefix(OWN) for one in features or own)
        self.features_how = "--feature-layers" if features else NAMED
        for name, option in [
            (self.latent, "--latent-layer"),
            (self.head, "--head-layer"),
            *((one, "--feature-layers") for one in self.features),
        ]:
            if name is not None:
                self._check(name, option)

    def _named(self, name: str | None, attribute: str, option: str) -> tuple[str | None, str]:
        """A layer that the user names, else the network; and who did."""
        if name is not None:
            return name.removeprefix(OWN), option
        own = getattr(self.network, attribute, None)
        return (own, NAMED) if isinstance(own, str) and own in self.once else (None, "")

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
        if self.head_how == NAMED and (found is None or not found.linear):
            self.head, found = None, producer(self.network, self.trace, task)
        if self.head is not None and (found is None or not found.linear):
            raise ValueError(
                f"{self.head_how}: {self.head!r} of {type(self.network).__name__} is no linear layer or 1x1 "
                "convolution whose output gives the logits"
            )
        chosen = [self.once[name] for name in self.features] or stages(
            self.trace.once, None if found is None else found.call
        )
        given = found is not None and bool(chosen) and self._is_given(chosen[-1], found)
        reading = self._reading(found) if found is not None and not given and not self.features else None
        if reading is not None:
            chosen = chosen[1 - MOST :]
        names = [self._feature(call) for call in chosen]
        if found is not None and reading is not None:
            names.append(self._head_input(found, reading))
        if found is not None and found.linear and (given or reading is not None) and task == "classification":
            self.wrapper.head_layer = f"{OWN}{found.call.name}"
        if not names:
            self.rows.append(
                Row(
                    "feature",
                    "none",
                    "none found; methods that need features do not run; --feature-layers names some",
                )
            )
        self.wrapper.feature_layers = tuple(names)
        self._find_latent(chosen, found)
        self._tell_output(found)

    def _feature(self, call: Call) -> str:
        if call.output is None:
            raise ValueError(
                f"--feature-layers: {call.name!r} of {type(self.network).__name__} gives no features (B, C, h, w), "
                "(B, h, w, C), (B, N, C) or (B, D)"
            )
        how = self.features_how if self.features else "output of a stage or block"
        if call.output.kind in ("channels-last", "tokens"):
            how += f", {call.output.kind}"
        self.rows.append(Row("feature", call.name, how, shape_text(call.output.shape)))
        if call.bare and call.output.kind in ("map", "vector"):
            return f"{OWN}{call.name}"
        return self.wrapper.tap(f"of_{call.name.replace('.', '_')}", call.module, Reading(call.output))

    def _head_input(self, found: Producer, reading: Reading) -> str:
        """A last feature layer that shows what the head is given."""
        given = found.call.given
        shape = tuple(found.pooled.shape[1:]) if found.pooled is not None else given.shape if given else ()
        self.rows.append(
            Row("feature", f"input of {found.call.name}", "input of the head", shape_text(shape))
        )
        return self.wrapper.tap("head_input", found.call.module, reading)

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
        if found.pooled is not None and next(found.call.module.parameters(), None) is not None:
            pooled = "" if found.pool in ("vector", "map") else found.pool
            return Reading(None, True, pooled)
        given = found.call.given
        if self.wrapper.task == "segmentation" and given is not None and given.kind == "map":
            return Reading(given, True)
        return None

    def _find_latent(self, chosen: Sequence[Call], found: Producer | None) -> None:
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
            deepest = next((call for call in reversed(chosen) if _wide(call.output)), None)
            place = deepest or (chosen[-1] if chosen else None)
            if place is not None:
                self._place(place, "no dropout layer found")
                return
            why = "no layer that a dropout layer could be placed behind was found"
            self.rows.append(
                Row("latent", "none", f"{why}; methods that sample it do not run; --latent-layer names one")
            )

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
