"""Monte-Carlo latent samples: N masks applied to one pass's features, instead of N passes.

The hooked DropBlock layer is the only random thing upstream of the latent sample, so the trunk runs once and
the N masks act on the layer's *input*. With one spatial mask for all channels the N channel means are one
matrix product, masks (N, HW) x features (HW, C). Same distribution as N full passes with batch size one
(LaREx, UAI 2024, its "fast" path).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from lsood.extraction.hook import Hook
from lsood.extraction.masks import (
    RANDOM_LAYERS,
    UnsampledDropout,
    drop,
    drop_probability,
    image_generator,
    keep_masks,
)
from lsood.extraction.reductions import reduce
from lsood.extraction.unlisted import FunctionalDropout, unsampled


def sample_latents(
    features: Tensor | Sequence[Tensor],
    layer: nn.Module,
    n_samples: int,
    keys: Sequence[str],
    seed: int = 0,
    reduction: str = "fullmean",
) -> Tensor:
    """Draw Monte-Carlo latent samples from the *input* of a dropout layer.

    Args:
        features: (B, C, H, W) or (B, D) floating point: what goes into ``layer``, from one deterministic
            pass. A list of them where one pass calls the layer several times (levels of a feature pyramid).
        layer: the random layer (see :func:`lsood.extraction.masks.keep_masks`).
        n_samples: T, masks per image.
        keys: B stable image ids; with ``seed`` they determine every mask.
        reduction: ``fullmean``, ``mean``, ``avgpool`` or ``raw``.

    Returns:
        (B, T, D) float32 on the features' device; of levels, each reduced on its own, D_1 + D_2 + ... Their masks
        are drawn one level after the other from the image's one generator.

    Raises:
        ValueError: wrong number of keys, fewer than one sample, unsupported layer or reduction.
    """
    levels = [features] if isinstance(features, Tensor) else list(features)
    for level in levels:
        if len(keys) != len(level):
            raise ValueError(f"{len(level)} images but {len(keys)} keys")
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}")
    generators = [image_generator(key, seed, levels[0].device) for key in keys]
    drawn = [
        _sample_level(level.detach().float(), layer, n_samples, generators, reduction) for level in levels
    ]
    return drawn[0] if len(drawn) == 1 else torch.cat(drawn, dim=2)


def _sample_level(
    features: Tensor, layer: nn.Module, n_samples: int, generators: list[torch.Generator], reduction: str
) -> Tensor:
    """(B, T, D) of one call of the layer; the images' generators go on from where they are."""
    shape = features.shape[1:]
    if len(shape) not in (1, 3):
        raise UnsampledDropout(
            f"latent samples need vectors (D,) or maps (C, H, W), {type(layer).__name__} is given {tuple(shape)}"
        )
    draws = (keep_masks(layer, shape, n_samples, generator) for generator in generators)
    if isinstance(layer, DropBlock2D) and reduction == "fullmean":
        masks = torch.stack([mask.flatten(1) for mask in draws]).to(features.device)  # (B, T, HW)
        return torch.bmm(masks, features.flatten(2).transpose(1, 2)) / shape[-2:].numel()
    pairs = zip(features, draws, strict=True)
    return torch.stack([reduce(drop(layer, image, mask), reduction) for image, mask in pairs])


def random_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Name and module of every dropout layer of the network with a probability above 0."""
    return {
        n: m for n, m in network.named_modules() if isinstance(m, RANDOM_LAYERS) and drop_probability(m) > 0
    }


FUNCTION = "a dropout function"


@contextmanager
def execution_order(network: nn.Module) -> Iterator[list[str]]:
    """Record in which order a forward pass reaches what is random in training mode: the names of the random layers, of
    modules that cannot be sampled (`lsood.extraction.unlisted`), and :data:`FUNCTION` for calls of dropout functions.
    """
    order: list[str] = []
    layers = random_layers(network)
    others = {name: network.get_submodule(name) for name in unsampled(network)}
    functions = FunctionalDropout(lambda layer, features: order.append(FUNCTION))
    handles = _around(layers.values(), functions)
    handles += [m.register_forward_hook(lambda *_, name=n: order.append(name)) for n, m in layers.items()]
    handles += [m.register_forward_pre_hook(lambda *_, name=n: order.append(name)) for n, m in others.items()]
    try:
        with functions:
            yield order
    finally:
        for handle in handles:
            handle.remove()


def _around(layers: Any, functions: FunctionalDropout) -> list[Any]:
    """Hooks by which dropout functions inside of dropout layers are left alone."""

    def step(by: int) -> None:
        functions.inside += by

    entering = [m.register_forward_pre_hook(lambda *_: step(1)) for m in layers]
    return entering + [m.register_forward_hook(lambda *_: step(-1), always_call=True) for m in layers]


@torch.no_grad()
def input_is_random(network: nn.Module, images: Tensor, layer_name: str, order: Sequence[str]) -> bool:
    """Whether something random acts on what a dropout layer is given: another one upstream, or an earlier call of its
    own. A layer that is called several times is tested in two passes of the first image, the second with other values
    behind every call: levels of a feature pyramid keep their inputs, calls in a row do not.

    Args:
        order: what :func:`execution_order` recorded.
    """
    if layer_name not in order:
        return False
    if order.index(layer_name) > 0:
        return True
    if order.count(layer_name) < 2:
        return False
    layer, found = network.get_submodule(layer_name), []
    noise = torch.Generator().manual_seed(0)

    def change(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return output * (0.5 + torch.rand(output.shape, generator=noise)).to(output)

    with Hook(layer, network) as hook:
        network(images[:1])
        found.append(hook.inputs)
        handle = layer.register_forward_hook(change)
        try:
            network(images[:1])
        finally:
            handle.remove()
        found.append(hook.inputs)
    clean, changed = found
    same = len(clean) == len(changed) and all(map(torch.equal, clean, changed))
    return not same


@dataclass
class Drawn:
    """What :func:`dropping` did so far: ``calls`` of dropout layers and functions that dropped."""

    calls: int = 0


@contextmanager
def dropping(
    network: nn.Module, keys: Sequence[str], seed: int, device: torch.device | str
) -> Iterator[Drawn]:
    """Inside the block every dropout layer of the network drops, and so do calls of PyTorch's dropout functions: new
    masks for each image in each forward pass of the B images that ``keys`` name, from generators seeded by (key, seed).

    The network stays in evaluation mode; masks act through hooks, per image, so that batch mates do not matter. A
    layer whose rows are regions of the images says in its attribute ``rows_per_image`` (B integers) how many each
    image has, one image after the other; each row gets a mask of its own. Stochastic depth is no dropout and stays off.

    Raises:
        UnsampledDropout: the network drops in another way, or a dropout layer gets another number of rows.
    """
    if others := unsampled(network):
        name, what = next(iter(others.items()))
        raise UnsampledDropout(
            f"cannot sample the dropout of {name or 'the network'!r}: {what}; use nn.Dropout or another supported layer"
        )
    generators = [image_generator(key, seed, device) for key in keys]
    layers = random_layers(network)
    drawn = Drawn()

    def dropped(layer: nn.Module, features: Tensor, where: str) -> Tensor:
        rows = getattr(layer, "rows_per_image", None) or [1] * len(generators)
        if len(features) != sum(rows):
            raise UnsampledDropout(
                f"cannot sample the dropout of {where}: it gets {len(features)} rows for {len(generators)} images"
            )
        drawn.calls += 1
        shape = features.shape[1:]
        masks = [
            keep_masks(layer, shape, n, generator) for n, generator in zip(rows, generators, strict=True) if n
        ]
        return drop(layer, features, torch.cat(masks)) if masks else features

    def of_layer(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        features = args[0] if args else output
        result = dropped(module, features, type(module).__name__)
        return features.copy_(result) if getattr(module, "inplace", False) else result

    def copy_images(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0].clone(), *args[1:]) if args and isinstance(args[0], Tensor) else args

    functions = FunctionalDropout(lambda layer, features: dropped(layer, features, FUNCTION))
    handles = _around(layers.values(), functions)
    handles += [module.register_forward_hook(of_layer) for module in layers.values()]
    handles.append(network.register_forward_pre_hook(copy_images))  # layers and functions may work in place
    try:
        with functions:
            yield drawn
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def sample_latents_by_passes(
    network: nn.Module,
    images: Tensor,
    layer_name: str,
    n_samples: int,
    keys: Sequence[str],
    seed: int = 0,
    reduction: str = "fullmean",
) -> Tensor:
    """The long way: N full passes with every dropout layer random (:func:`dropping`), for networks with a random
    layer upstream of the hooked one.

    Args and returns as :func:`sample_latents`, but (B, C, H, W) ``images`` go in.
    """
    samples, layer = [], network.get_submodule(layer_name)
    with dropping(network, keys, seed, images.device), Hook(layer, network) as hook:
        for _ in range(n_samples):
            network(images)
            samples.append(torch.cat([reduce(level.float(), reduction) for level in hook.outputs], dim=1))
    return torch.stack(samples, dim=1)
