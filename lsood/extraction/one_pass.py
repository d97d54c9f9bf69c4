"""One forward pass, every quantity: hooks, probes and input gradients share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lsood.choices import PRECISIONS
from lsood.extraction.counter import ForwardCounter
from lsood.extraction.devices import out_of_memory
from lsood.extraction.hook import Hook
from lsood.extraction.precision import ReducedPrecision, single
from lsood.extraction.sampling import execution_order, input_is_random
from lsood.probes.base import Targets
from lsood.probes.image import ForwardOutputs, LatentEntropy, Perturbation, Probe
from lsood.probes.objects import ROW_NAMES, ObjectProbe, object_keys
from lsood.text import reason

T = TypeVar("T")


class OnePass:
    """Runs a network once per batch and hands what passed through it to probes and perturbations.

    Args:
        network: in evaluation mode afterwards; its parameters require no gradient (but see ``place``).
        probes: measured on every batch; further networks of theirs go into evaluation mode too.
        perturbations: each costs one more pass of the perturbed images.
        device: where the network and the batches go.
        prepared: what probes prepared for this network before, by name; filled in here, so that a second set
            needs no preparation.
        precision: of the networks' forward and backward passes, "float32" or "bfloat16" (autocast); probes and
            perturbations get float32 in both, see `lsood.extraction.precision`.
        failed: takes {name: reason} of probes and perturbations that raise, whatever it is, or give values that are not
            finite; they are left out. None: they raise, as memory that is not enough always does.
        place: False: the network is taken as it is, on the device and in evaluation mode already.
        image_shape: gives (C, H, W) of the images that probes prepare with; None: that of the first batch.

    Calling it with a batch of images (B, C, H, W), keys and (optional) targets returns {name: (B, ...) tensor
    on the CPU}; what probes of objects measured is then in ``objects``. It works inside `torch.inference_mode` too.

    Attributes:
        objects: {name: (n, ...)} of the last batch's n detections on the CPU; empty without such probes.
        failed_objects: as ``failed``, of probes of objects.

    Raises:
        ValueError: unknown precision, or input steps through weights made inside `torch.inference_mode`; see ``failed``
            for unknown layers and for values that are not finite (naming the image and the quantity).
        UnsampledDropout: a probe whose dropout cannot be sampled; see ``failed``.
    """

    def __init__(
        self,
        network: nn.Module,
        probes: Iterable[Probe],
        perturbations: Iterable[Perturbation] = (),
        device: torch.device | str = "cpu",
        prepared: dict[str, Any] | None = None,
        precision: str = "float32",
        failed: dict[str, str] | None = None,
        place: bool = True,
        image_shape: Callable[[], Sequence[int]] | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.device = torch.device(device)
        self._layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        self.network = self._placed(network).requires_grad_(False) if place else network
        self.failed = failed
        self.failed_objects: dict[str, str] | None = None if failed is None else {}
        probes = list(probes)
        self.probes = _distinct(p for p in probes if not isinstance(p, ObjectProbe))
        self.object_probes = _distinct(p for p in probes if isinstance(p, ObjectProbe))
        self.objects: dict[str, Tensor] = {}
        self.perturbations = list(perturbations)
        if self.perturbations and any(p.is_inference() for p in self.network.parameters()):
            raise ValueError(
                "input steps need gradients, and the network's weights were made inside torch.inference_mode(): "
                "build or load the network outside of it"
            )
        self.counter = ForwardCounter(self.network)
        members = [self._placed(member) for probe in self.probes for member in getattr(probe, "members", ())]
        self._member_counters = [ForwardCounter(member, "members") for member in members]
        wanted = {layer for asking in (*self.probes, *self.perturbations) for layer in asking.layers}
        modules = {name: module for name, module in self.network.named_modules() if name}
        if (unknown := sorted(wanted - set(modules))) and failed is None:
            raise ValueError(self._unknown(unknown[0]))
        self.hooks = {layer: Hook(modules[layer], self.network) for layer in sorted(wanted & set(modules))}
        self.prepared: dict[str, Any] = {} if prepared is None else prepared
        self.upstream_random: bool | None = None
        self._image_shape = image_shape
        self._precision = precision
        reduced = [self.network, *members] if precision == "bfloat16" else []
        self._reduced = ReducedPrecision(reduced, self.device)

    def _unknown(self, layer: str) -> str:
        if not layer:
            return "it needs a latent layer, and this network has none; --latent-layer names one"
        known = ", ".join(name for name, _ in self.network.named_modules() if name)
        return f"the network has no layer {layer!r}; it has: {known}"

    def _placed(self, network: nn.Module) -> nn.Module:
        """On the device, in evaluation mode, its kernels in the layout that is fast there."""
        return network.to(self.device, memory_format=self._layout).eval()  # type: ignore[call-overload]

    @property
    def forwarded(self) -> dict[str, int]:
        """Images forwarded by phase: shared_pass, perturbed, preparation, sampling (full passes), members (of
        an ensemble).
        """
        counts = dict(self.counter.counts)
        if self._member_counters:
            counts["members"] = sum(sum(counter.counts.values()) for counter in self._member_counters)
        return counts

    def close(self) -> None:
        """Remove every hook from the networks."""
        self._reduced.close()
        for counter in (self.counter, *self._member_counters):
            counter.close()
        for hook in self.hooks.values():
            hook.close()

    def __enter__(self) -> OnePass:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def forward(
        self, images: Tensor, keys: Sequence[str] = (), targets: Targets | None = None
    ) -> ForwardOutputs:
        """One pass of the network; what passed through the hooked layers."""
        images = images.to(self.device)
        output = self.network(images.contiguous(memory_format=self._layout) if images.ndim == 4 else images)
        detects = isinstance(output, list)
        logits, detections = (images.new_empty(0), output) if detects else (output, ())
        if detects and self._precision != "float32":
            raise ValueError(f"an object detector is measured in float32, not in {self._precision}")
        inputs = {layer: _calls(hook.inputs) for layer, hook in self.hooks.items() if hook.inputs}
        outputs = {layer: _calls(hook.outputs) for layer, hook in self.hooks.items() if hook.outputs}
        if self.failed is None:
            self._check_reached(self.hooks, outputs)
        random = bool(self.upstream_random)
        return ForwardOutputs(
            self.network, images, logits, keys, targets, inputs, outputs, random, detections
        )

    def _check_reached(self, layers: Iterable[str], outputs: Mapping[str, Any]) -> None:
        for layer in layers:
            if layer not in self.hooks:
                raise ValueError(self._unknown(layer))
            if layer not in outputs:
                raise ValueError(f"layer {layer!r} was not reached by the forward pass")

    @torch.no_grad()
    def _prepare(self, image_shape: torch.Size) -> None:
        with self.counter.phase("preparation"):
            for probe in self._alive(self.probes):
                if probe.name not in self.prepared:
                    with self._costing(probe.name, self.failed):
                        self.prepared[probe.name] = probe.prepare(self.forward, image_shape)

    @contextmanager
    def _costing(self, name: str, failed: dict[str, str] | None) -> Iterator[None]:
        """What is raised in the block costs the named quantity alone, where failures are taken."""
        try:
            yield
        except Exception as error:
            if failed is None or out_of_memory(error):
                raise
            failed[name] = reason(error)

    def _upstream(self, images: Tensor, order: list[str]) -> bool:
        """Whether something random acts on the input of a layer whose latent samples are drawn."""
        layers = {probe.layer for probe in self.probes if isinstance(probe, LatentEntropy)}
        known = self.prepared.setdefault("input_is_random", {})
        for layer in layers - set(known):
            with self.counter.phase("preparation"):
                known[layer] = input_is_random(self.network, images.detach(), layer, order)
        return any(known[layer] for layer in layers)

    def __call__(
        self, images: Tensor, keys: Sequence[str], targets: Targets | None = None
    ) -> dict[str, Tensor]:
        with torch.inference_mode(False):
            return self._measured(images.clone() if images.is_inference() else images, keys, targets)

    def _measured(
        self, images: Tensor, keys: Sequence[str], targets: Targets | None = None
    ) -> dict[str, Tensor]:
        if any(probe.name not in self.prepared for probe in self._alive(self.probes)):
            self._prepare(torch.Size(self._image_shape()) if self._image_shape else images.shape[1:])
        images = images.detach().to(self.device)
        targets = targets.to(self.device) if isinstance(targets, Tensor) else targets
        if not self.perturbations and not any(p.needs_network for p in (*self.probes, *self.object_probes)):
            return self._results(
                ForwardOutputs(self.network, images, images.new_empty(0), keys, targets, {}, {}), keys
            )
        need_gradient = bool(self.perturbations)
        with torch.set_grad_enabled(need_gradient):
            images.requires_grad_(need_gradient)
            if self.upstream_random is None:
                with execution_order(self.network) as order:
                    forward = self.forward(images, keys, targets)
                self.upstream_random = forward.upstream_random = self._upstream(images, order)
            else:
                forward = self.forward(images, keys, targets)
        return self._results(forward, keys)

    def _alive(self, quantities: Iterable[T]) -> list[T]:
        """The probes or perturbations that have not failed."""
        return [one for one in quantities if one.name not in (self.failed or {})]  # type: ignore[attr-defined]

    def _results(self, forward: ForwardOutputs, keys: Sequence[str]) -> dict[str, Tensor]:
        results: dict[str, Tensor] = {}
        with torch.no_grad(), self.counter.phase("sampling"):
            for probe in self._alive(self.probes):
                with self._costing(probe.name, self.failed):
                    if self.failed is not None:
                        self._check_reached(probe.layers, forward.outputs)
                    results[probe.name] = probe(forward, self.prepared[probe.name])
            self.objects = self._of_objects(forward)
        results |= self._perturbed(forward, keys)
        return self._checked(results, keys, self.failed)

    def _checked(
        self, results: Mapping[str, Tensor], keys: Sequence[str], failed: dict[str, str] | None
    ) -> dict[str, Tensor]:
        """Those with a finite row for every key, on the CPU."""
        found = {}
        for name, value in results.items():
            with self._costing(name, failed):
                if len(value) != len(keys):
                    raise ValueError(f"{name} has {len(value)} rows for {len(keys)} rows of the batch")
                check_finite(name, value, keys)
                found[name] = value.detach().cpu()
        return found

    def _of_objects(self, forward: ForwardOutputs) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for probe in self.object_probes:
            # Without these there are no rows.
            failed = None if probe.name in ROW_NAMES else self.failed_objects
            if probe.name not in (failed or {}):
                with self._costing(probe.name, failed):
                    found[probe.name] = probe(forward, None)
        if not found:
            return {}
        pairs = zip(forward.keys, forward.detections, strict=True)
        keys = [name for key, d in pairs for name in object_keys(key, len(d))]
        rows = {name: value for name, value in found.items() if name in ROW_NAMES}
        rest = {name: value for name, value in found.items() if name not in ROW_NAMES}
        return self._checked(rows, keys, None) | self._checked(rest, keys, self.failed_objects)

    def _perturbed(self, forward: ForwardOutputs, keys: Sequence[str]) -> dict[str, Tensor]:
        images = forward.images
        steps = self._alive(self.perturbations)
        first = {step.direction: step for step in reversed(steps)}
        gradients: dict[str, Tensor] = {}
        results: dict[str, Tensor] = {}
        for number, (direction, leader) in enumerate(first.items(), 1):
            with self._costing(leader.name, self.failed), torch.enable_grad():
                if self.failed is not None:
                    self._check_reached(leader.layers, forward.outputs)
                confidence = leader.confidence(forward, self.prepared.get(leader.probe or "")).sum()
                retained = number < len(first)
                (gradients[direction],) = torch.autograd.grad(confidence, images, retain_graph=retained)
        for step in steps:
            if step.direction not in gradients:
                assert self.failed is not None
                self.failed[step.name] = self.failed[first[step.direction].name]
                continue
            with (
                self._costing(step.name, self.failed),
                torch.no_grad(),
                self.counter.phase("perturbed"),
            ):
                moved = self.forward(step.move(images.detach(), gradients[step.direction]), keys)
                results[step.name] = step.read(moved, self.prepared.get(step.probe or ""))
        return results


def _calls(found: list[Any]) -> Any:
    """What a layer saw in its only call of a pass, or a list of what it saw in every call."""
    return single(found[0]) if len(found) == 1 else [single(one) for one in found]


def _distinct(probes: Iterable[Probe]) -> list[Any]:
    return list({probe.name: probe for probe in probes}.values())


def check_finite(name: str, value: Tensor, keys: Sequence[str]) -> None:
    """Raise ValueError naming the first image whose row of ``value`` holds NaN or infinity."""
    if value.is_floating_point() and not bool(value.isfinite().all()):
        row = (
            int((~value.isfinite()).flatten(1).any(1).nonzero()[0])
            if value.ndim > 1
            else int((~value.isfinite()).nonzero()[0])
        )
        raise ValueError(
            f"{name} is not finite (NaN or infinity) for image {keys[row]!r}: check the weights and the image"
        )
