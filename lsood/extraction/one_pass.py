"""One forward pass, every quantity: hooks, probes and input gradients share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lsood.choices import PRECISIONS
from lsood.extraction.hook import Hook
from lsood.extraction.precision import ReducedPrecision, single
from lsood.extraction.sampling import execution_order
from lsood.probes.base import Targets
from lsood.probes.image import ForwardOutputs, LatentEntropy, Perturbation, Probe
from lsood.probes.objects import ObjectProbe, object_keys


class ForwardCounter:
    """Counts the images that reach the network's first layer, by phase.

    Attributes:
        counts: {phase: images}; the current phase is set with :meth:`phase`.
    """

    def __init__(self, network: nn.Module, phase: str = "shared_pass") -> None:
        first = next(
            (m for m in network.modules() if next(m.parameters(recurse=False), None) is not None), network
        )
        self.counts: dict[str, int] = {}
        self._phase = phase
        self._handle = first.register_forward_pre_hook(self._count)

    def _count(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if "forward" in vars(module):  # its output is replayed, see lsood.extraction.trunk
            return
        self.counts[self._phase] = self.counts.get(self._phase, 0) + len(args[0])

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Images forwarded inside the block count under ``name``."""
        before, self._phase = self._phase, name
        try:
            yield
        finally:
            self._phase = before

    def close(self) -> None:
        """Stop counting."""
        self._handle.remove()


class OnePass:
    """Runs a network once per batch and hands what passed through it to probes and perturbations.

    Args:
        network: in evaluation mode afterwards; its parameters require no gradient.
        probes: measured on every batch; further networks of theirs go into evaluation mode too.
        perturbations: each costs one more pass of the perturbed images.
        device: where the network and the batches go.
        prepared: what probes prepared for this network before, by name; filled in here, so that a second set
            needs no preparation.
        precision: of the networks' forward and backward passes, "float32" or "bfloat16" (autocast); probes and
            perturbations get float32 in both, see `lsood.extraction.precision`.

    Calling it with a batch of images (B, C, H, W), keys and (optional) targets returns {name: (B, ...) tensor
    on the CPU}; what probes of objects measured is then in ``objects``.

    Attributes:
        objects: {name: (n, ...)} of the last batch's n detections on the CPU; empty without such probes.

    Raises:
        ValueError: unknown layer or precision, or values that are not finite (naming the image and the quantity).
    """

    def __init__(
        self,
        network: nn.Module,
        probes: Iterable[Probe],
        perturbations: Iterable[Perturbation] = (),
        device: torch.device | str = "cpu",
        prepared: dict[str, Any] | None = None,
        precision: str = "float32",
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.device = torch.device(device)
        self._layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        self.network = self._placed(network).requires_grad_(False)
        probes = list(probes)
        self.probes = _distinct(p for p in probes if not isinstance(p, ObjectProbe))
        self.object_probes = _distinct(p for p in probes if isinstance(p, ObjectProbe))
        self.objects: dict[str, Tensor] = {}
        self.perturbations = list(perturbations)
        self.counter = ForwardCounter(self.network)
        members = [self._placed(member) for probe in self.probes for member in getattr(probe, "members", ())]
        self._member_counters = [ForwardCounter(member, "members") for member in members]
        wanted = {layer for probe in self.probes for layer in probe.layers}
        wanted |= {layer for perturbation in self.perturbations for layer in perturbation.layers}
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

    def _upstream(self, order: list[str]) -> bool:
        """Whether a random layer was reached before one whose latent samples are drawn."""
        sampled = [probe.layer for probe in self.probes if isinstance(probe, LatentEntropy)]
        return any(order[: order.index(layer)] for layer in sampled if layer in order)

    def __call__(
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
                self.upstream_random = forward.upstream_random = self._upstream(order)
            else:
                forward = self.forward(images, keys, targets)
        return self._results(forward, keys)

    def _results(self, forward: ForwardOutputs, keys: Sequence[str]) -> dict[str, Tensor]:
        with torch.no_grad(), self.counter.phase("sampling"):
            results = {probe.name: probe(forward, self.prepared[probe.name]) for probe in self.probes}
            self.objects = self._of_objects(forward)
        results |= self._perturbed(forward, keys)
        for name, value in results.items():
            check_finite(name, value, keys)
        return {name: value.detach().cpu() for name, value in results.items()}

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
