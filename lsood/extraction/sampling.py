"""Monte-Carlo latent samples: N masks applied to one pass's features, instead of N passes.

The hooked DropBlock layer is the only random thing upstream of the latent sample, so the trunk runs once and
the N masks act on the layer's *input*. With one spatial mask for all channels the N channel means are one
matrix product, masks (N, HW) x features (HW, C). Same distribution as N full passes with batch size one
(LaREx, UAI 2024, its "fast" path).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from dropblock import DropBlock2D
from torch import Tensor, nn

from lsood.extraction.hook import Hook
from lsood.extraction.masks import RANDOM_LAYERS, drop_probability, image_generator, keep_masks
from lsood.extraction.reductions import reduce


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
    draws = (keep_masks(layer, shape, n_samples, generator) for generator in generators)
    if isinstance(layer, DropBlock2D) and reduction == "fullmean":
        masks = torch.stack([mask.flatten(1) for mask in draws])  # (B, T, HW)
        return torch.bmm(masks, features.flatten(2).transpose(1, 2)) / shape[-2:].numel()
    return torch.stack([reduce(image * mask, reduction) for image, mask in zip(features, draws, strict=True)])


def random_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Name and module of every dropout layer of the network with a probability above 0."""
    return {
        n: m for n, m in network.named_modules() if isinstance(m, RANDOM_LAYERS) and drop_probability(m) > 0
    }


@contextmanager
def execution_order(network: nn.Module) -> Iterator[list[str]]:
    """Record the names of the random layers in the order in which a forward pass reaches them."""
    order: list[str] = []
    layers = random_layers(network)
    handles = [m.register_forward_hook(lambda *_, name=n: order.append(name)) for n, m in layers.items()]
    try:
        yield order
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def dropping(
    network: nn.Module, keys: Sequence[str], seed: int, device: torch.device | str
) -> Iterator[None]:
    """Inside the block every dropout layer of the network drops: new masks for each image in each forward pass
    of the B images that ``keys`` name, from generators seeded by (key, seed).

    The network stays in evaluation mode; masks act through hooks, per image, so that batch mates do not matter. A
    layer whose rows are regions of the images says in its attribute ``rows_per_image`` (B integers) how many each
    image has, one image after the other; each row gets a mask of its own.
    """
    generators = [image_generator(key, seed, device) for key in keys]

    def drop(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        rows = getattr(module, "rows_per_image", None) or [1] * len(generators)
        shape = args[0].shape[1:]
        masks = [
            keep_masks(module, shape, n, generator)
            for n, generator in zip(rows, generators, strict=True)
            if n
        ]
        return args[0] * torch.cat(masks) if masks else args[0]

    handles = [module.register_forward_hook(drop) for module in random_layers(network).values()]
    try:
        yield
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
