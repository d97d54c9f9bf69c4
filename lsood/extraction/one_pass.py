"""One forward pass, every quantity: hooks, probes and input gradients share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lsood.choices import PRECISIONS
from lsood.extraction.counter import ForwardCounter
from lsood.extraction.hook import Hook
from lsood.extraction.masks import UnsampledDropout
from lsood.extraction.precision import ReducedPrecision, single
from lsood.extraction.sampling import execution_order, input_is_random
from lsood.probes.base import Targets
from lsood.probes.image import ForwardOutputs, LatentEntropy, Perturbation, Probe
from lsood.probes.objects import ObjectProbe, object_keys


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
        failed: takes {name: reason} of probes whose dropout cannot be sampled, which are left out; None: they raise.
        place: False: the network is taken as it is, on the device and in evaluation mode already.

    Calling it with a batch of images (B, C, H, W), keys and (optional) targets returns {name: (B, ...) tensor
    on the CPU}; what probes of objects measured is then in ``objects``. It works inside `torch.inference_mode` too.

    Attributes:
        objects: {name: (n, ...)} of the last batch's n detections on the CPU; empty without such probes.

    Raises:
        ValueError: unknown layer or precision, or values that are not finite (naming the image and the quantity), or
            input steps through weights made inside `torch.inference_mode`.
        UnsampledDropout: see ``failed``.
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
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.device = torch.device(device)
        self._layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        self.network = self._placed(network).requires_grad_(False) if place else network
        self.failed = failed
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
        modules = dict(self.network.named_modules())
        if unknown := sorted(wanted - set(modules)):
            known = ", ".join(name for name in modules if name)
            raise ValueError(f"the network has no layer {unknown[0]!r}; it has: {known}")
        self.hooks = {layer: Hook(modules[layer], self.network) for layer in sorted(wanted)}
        self.prepared: dict[str, Any] = {} if prepared is None else prepared
        self.upstream_random: bool | None = None
        self._precision = precision
        reduced = [self.network, *members] if precision == "bfloat16" else []
        self._reduced = ReducedPrecision(reduced, self.device)

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
        if missing := [layer for layer in self.hooks if layer not in outputs]:
            raise ValueError(f"layer {missing[0]!r} was not reached by the forward pass")
        random = bool(self.upstream_random)
        return ForwardOutputs(
            self.network, images, logits, keys, targets, inputs, outputs, random, detections
        )

    @torch.no_grad()
    def _prepare(self, image_shape: torch.Size) -> None:
        with self.counter.phase("preparation"):
            for probe in self.probes:
                if probe.name not in self.prepared:
                    self.prepared[probe.name] = probe.prepare(self.forward, image_shape)

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
        if any(probe.name not in self.prepared for probe in self.probes):
            self._prepare(images.shape[1:])
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

    def _results(self, forward: ForwardOutputs, keys: Sequence[str]) -> dict[str, Tensor]:
        with torch.no_grad(), self.counter.phase("sampling"):
            results = self._probed(forward)
            self.objects = self._of_objects(forward)
        results |= self._perturbed(forward, keys)
        for name, value in results.items():
            check_finite(name, value, keys)
        return {name: value.detach().cpu() for name, value in results.items()}

    def _probed(self, forward: ForwardOutputs) -> dict[str, Tensor]:
        results: dict[str, Tensor] = {}
        for probe in self.probes:
            try:
                if probe.name not in (self.failed or {}):
                    results[probe.name] = probe(forward, self.prepared[probe.name])
            except UnsampledDropout as error:
                if self.failed is None:
                    raise
                self.failed[probe.name] = str(error)
        return results

    def _of_objects(self, forward: ForwardOutputs) -> dict[str, Tensor]:
        found = {probe.name: probe(forward, None).detach().cpu() for probe in self.object_probes}
        if found:
            keys = [
                f
                for key, d in zip(forward.keys, forward.detections, strict=True)
                for f in object_keys(key, len(d))
            ]
            for name, value in found.items():
                check_finite(name, value, keys)
        return found

    def _perturbed(self, forward: ForwardOutputs, keys: Sequence[str]) -> dict[str, Tensor]:
        images, results = forward.images, {}
        first = {step.direction: step for step in reversed(self.perturbations)}
        gradients: dict[str, Tensor] = {}
        for direction, step in first.items():
            with torch.enable_grad():
                confidence = step.confidence(forward, self.prepared.get(step.probe or "")).sum()
                last = len(gradients) == len(first) - 1
                (gradients[direction],) = torch.autograd.grad(confidence, images, retain_graph=not last)
        for step in self.perturbations:
            moved = step.move(images.detach(), gradients[step.direction])
            with torch.no_grad(), self.counter.phase("perturbed"):
                results[step.name] = step.read(self.forward(moved, keys), self.prepared.get(step.probe or ""))
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
