"""One traced pass: what every layer was given and gave, in order, and the logits among what the network returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsood.text import reason
from networks.models.padding import pad_to
from networks.outside.maps import Layout, layout_of, tensors_in

STRIDE = 32
"""Sides of images are padded to multiples of it where a segmentation network rejects their size."""
FIRST = ("logits", "out")
"""Names of logits in mappings and objects that networks return."""


@dataclass
class Call:
    """One call of a layer in the traced pass.

    Attributes:
        name: of the layer. begun, ended: its place in the order of the calls that begin, and that end.
        given, output: layouts of its first argument and of its output; None: other things than features, or features
            in several resolutions.
        bare: whether its output is a tensor, not one in a tuple or mapping.
    """

    name: str
    module: nn.Module
    begun: int
    ended: int
    given: Layout | None
    output: Layout | None
    bare: bool


@dataclass
class Trace:
    """What a pass of B images told.

    Attributes:
        images: (B, C, H, W), as the network was given them. padded: whether they had to be padded.
        calls: in the order in which they ended.
        candidates: (place in the output, tensor) of all that have the shape of logits; those named in `FIRST` first.
        logits: (B, K), or (B, K, h, w) as the network returned them, see `networks.outside.logits`. place: of them.
    """

    images: Tensor
    padded: bool
    calls: list[Call] = field(default_factory=list)
    candidates: list[tuple[str, Tensor]] = field(default_factory=list)
    logits: Tensor = field(default_factory=lambda: torch.empty(0))
    place: str = ""

    @property
    def once(self) -> list[Call]:
        """Calls of layers that are called once."""
        times = Counter(call.name for call in self.calls)
        return [call for call in self.calls if times[call.name] == 1]


def is_leaf(module: nn.Module) -> bool:
    """Whether a layer has no layers inside but those that compute its weights."""
    return all(name == "parametrizations" for name, _ in module.named_children())


@torch.no_grad()
def traced(network: nn.Module, images: Tensor, task: str) -> Trace:
    """Run the network on images (B, C, H, W) and record the calls of its layers, and which tensors may be logits.

    Raises:
        ValueError: the network fails, or returns no logits; one line with its class and the shapes.
    """
    what = type(network).__name__
    padded = task == "segmentation" and _rejects(network, images)
    given = pad_to(images, STRIDE) if padded else images
    found = Trace(given, padded)
    with recording(network, given, found.calls):
        try:
            output = network(given)
        except Exception as error:
            shape = "x".join(map(str, given.shape))
            raise ValueError(f"network {what} fails on images {shape}: {reason(error)}") from error
    found.candidates = candidates_of(output, task, len(given), what)
    return found


def _rejects(network: nn.Module, images: Tensor) -> bool:
    """Whether a network fails on the images and not on padded ones."""
    if all(side % STRIDE == 0 for side in images.shape[-2:]):
        return False
    try:
        network(images)
    except Exception:
        try:
            network(pad_to(images, STRIDE))
        except Exception:
            return False
        return True
    return False


@contextmanager
def recording(network: nn.Module, images: Tensor, calls: list[Call]) -> Iterator[None]:
    """Inside the block calls of the network's layers are appended to ``calls`` when they end."""
    batch, size = len(images), (int(images.shape[-2]), int(images.shape[-1]))
    open_calls: list[tuple[int, Layout | None]] = []
    begun = 0

    def layout(value: Any) -> Layout | None:
        found = [layout_of(tuple(tensor.shape), batch, size) for tensor in tensors_in(value)]
        cells = {one.cells for one in found if one is not None and one.kind != "vector"}
        return found[0] if found and len(cells) < 2 else None

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        nonlocal begun
        open_calls.append((begun, layout(next(iter((*args, *kwargs.values())), None))))
        begun += 1

    def leave(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            start, given = open_calls.pop()
            calls.append(
                Call(name, module, start, len(calls), given, layout(output), isinstance(output, Tensor))
            )

        return hook

    handles = []
    for name, module in network.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            handles.append(module.register_forward_hook(leave(name)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def candidates_of(output: Any, task: str, batch: int, what: str) -> list[tuple[str, Tensor]]:
    """Where in what a network returned there are tensors of the shape of logits, and these; those named in `FIRST`
    first.

    Raises:
        ValueError: none has the right shape.
    """
    found = [(place, tensor) for place, tensor in _tensors(output) if _right(tensor, task, batch)]
    if not found:
        wanted = "(B, K)" if task == "classification" else "(B, K, h, w)"
        raise ValueError(
            f"network {what} returns no logits: {_shapes(output)}; {task} needs {wanted} with B = {batch} here"
        )
    return [(place, tensor.flatten(1) if task == "classification" else tensor) for place, tensor in found]


def logits_at(place: str, output: Any, task: str, batch: int, num_outputs: int | None, what: str) -> Tensor:
    """The logits among what a network returned: those at a place; where it returns something else (in training), the
    first tensor with ``num_outputs`` classes, else the first.
    """
    found = candidates_of(output, task, batch, what)
    expected = [one for one in found if one[1].shape[1] == num_outputs]
    return dict(found).get(place, (expected or found)[0][1])


def _right(tensor: Tensor, task: str, batch: int) -> bool:
    shape = tensor.shape
    if not tensor.is_floating_point() or len(shape) < 2 or shape[0] != batch:
        return False
    if task == "classification":
        return shape[1:].numel() == shape[1] and shape[1] > 0
    return len(shape) == 4


def _tensors(value: Any, place: str = "output") -> Iterator[tuple[str, Tensor]]:
    """Tensors in an output with their places; those named in `FIRST` first."""
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, Mapping):
        names = sorted(value, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
        for name in names:
            yield from _tensors(value[name], f"{place}[{name!r}]")
    elif isinstance(value, tuple | list):
        for i, one in enumerate(value):
            yield from _tensors(one, f"{place}[{i}]")
    else:
        for name in FIRST:
            if isinstance(one := getattr(value, name, None), Tensor):
                yield f"{place}.{name}", one


def _shapes(output: Any) -> str:
    shapes = [f"{place} {tuple(tensor.shape)}" for place, tensor in _tensors(output)]
    return ", ".join(shapes[:5]) or f"a {type(output).__name__}"


def enlarged(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Logits (B, K, h, w) in a size (H, W), bilinear."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)
