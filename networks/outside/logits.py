"""Which of the tensors that a network returns are its logits."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from networks.outside.head import producer
from networks.outside.trace import Trace, candidates_of, traced


@torch.no_grad()
def traced_logits(
    network: nn.Module,
    images: Tensor,
    task: str,
    num_outputs: int | None,
    least: int = 0,
    head: str | None = None,
) -> Trace:
    """A traced pass with its logits chosen among what the network returned.

    Of several tensors of the right shape these decide, in this order: what the layer ``head`` gives; at least ``least``
    classes; ``num_outputs`` classes; the name "logits"; that a linear layer or 1x1 convolution gives it, checked by
    value; the name "out"; the most operations between images and tensor (of features and logits the logits, of main and
    auxiliary head the main one); the first.

    Args:
        num_outputs: how many classes are expected; None: not known. least: how many there must be.
        head: a layer that the user names.

    Raises:
        ValueError: the network fails, returns no logits, or values that are not finite; one line.
    """
    found = traced(network, images, task)
    ops = _operations(network, found.images, task) if len(found.candidates) > 1 else {}

    def is_given(place: str, logits: Tensor, by: str | None) -> bool:
        layer = producer(network, replace(found, logits=logits, place=place), task, by)
        return layer is not None and layer.linear

    def rank(candidate: tuple[str, Tensor]) -> tuple[int, ...]:
        place, logits = candidate
        return (
            head is not None and is_given(place, logits, head),
            logits.shape[1] >= least,
            logits.shape[1] == num_outputs,
            place.endswith(("['logits']", ".logits")),
            is_given(place, logits, None),
            place.endswith(("['out']", ".out")),
            ops.get(place, 0),
        )

    several = len(found.candidates) > 1
    found.place, found.logits = max(found.candidates, key=rank) if several else found.candidates[0]
    if not bool(found.logits.isfinite().all()):
        raise ValueError(
            f"network {type(network).__name__} returns NaN or infinity for the first images, shape "
            f"{tuple(found.logits.shape)}: check its weights and --mean, --std, --input-range"
        )
    return found


def _operations(network: nn.Module, images: Tensor, task: str) -> dict[str, int]:
    """{place: operations in the graph behind a candidate}; {} where the network has no gradients."""
    try:
        with torch.enable_grad():
            output = network(images.clone().requires_grad_() * 1)
        candidates = candidates_of(output, task, len(images), "")
    except Exception:
        return {}
    found = {}
    for place, tensor in candidates:
        seen, left = set(), [tensor.grad_fn]
        while left:
            node = left.pop()
            if node is not None and node not in seen:
                seen.add(node)
                left += [following for following, _ in node.next_functions]
        found[place] = len(seen)
    return found
