"""The network under test where it is the user's, or its layers are named: opened, adapted, and what its input is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import networks
from benchmarks.pipeline.config import Settings
from benchmarks.under_test.weights import load_weights, outputs_of
from datamodules import BenchmarkDataModule
from datamodules.loading.preprocess import of_channels
from lsood.io import log
from networks.outside.classes import match_outputs, read_names
from networks.outside.configuration import InputConfig, channels_of
from networks.outside.opening import Opened
from networks.outside.spec import arguments_of, is_outside, short_name, told

READ = ("feature_layers", "latent_layer", "region_layer", "head_layer", "head_rows", "channel_order")
AS_BUILT = "as built"
"""In place of a checkpoint's name: weights that the network came with, or random ones."""


def of_user(settings: Settings) -> bool:
    """Whether the network under test is one of the user."""
    return settings.module is not None or (settings.network is not None and is_outside(settings.network))


def name_of(settings: Settings) -> str:
    """Short name of a network of the user."""
    if settings.module is not None:
        return type(networks.unwrapped(settings.module)).__name__
    assert settings.network is not None
    return short_name(settings.network)


def opened(settings: Settings, about: Any, num_outputs: int = 0) -> Opened:
    """A new network of the user for a data set (or the class of its data module), not adapted.

    Args:
        num_outputs: how many it is asked for; 0: `outputs_of`.
    """
    source = settings.network if settings.module is None else settings.module
    assert source is not None
    return networks.open_network(
        source,
        num_outputs or outputs_of(settings, about),
        about.channels,
        arguments_of(settings.network_args),
        about.task,
        tuple(settings.image_size or about.image_size),
    )


def data_input(settings: Settings, about: Any) -> dict[str, Any]:
    """Arguments "mean", "std", "image_size" of the data module: what the user says, else what the network states; mean
    and std of RGB images in [0, 1]. Nothing is there that neither names: the data set's own is taken. "channels" where
    the network takes another number than the images have; the data set's own mean and std are turned to these.

    Raises:
        ValueError: another number of values than channels; see :func:`opened`.
    """
    stated, channels, top = InputConfig(), about.channels, settings.input_range or 1
    if of_user(settings):
        network = opened(settings, about)
        stated = network.input
        if about.task != "detection" and not about.fixed_channels:
            size = settings.image_size or stated.image_size or about.image_size
            channels = channels_of(network.module, channels, size)
    mean, std = stated.mean, stated.std
    if settings.mean is not None and settings.std is not None:
        mean, std = (tuple(value / top for value in numbers) for numbers in (settings.mean, settings.std))
        if len(mean) != channels:
            raise ValueError(
                f"--mean and --std have {len(mean)} numbers, the images of {about.name} have {channels} channels"
                + (" for this network" if channels != about.channels else "")
            )
    elif settings.input_range is not None:
        mean, std = (0.0,) * channels, (1.0 / top,) * channels
    elif mean is not None and std is not None:
        mean, std = (numbers * channels if len(numbers) == 1 else numbers for numbers in (mean, std))
        if {len(mean), len(std)} != {channels}:
            log.warning(
                "the network states a mean of %d channels, the images have %d: not used", len(mean), channels
            )
            mean = std = None
    found: dict[str, Any] = {"image_size": settings.image_size or stated.image_size}
    if channels != about.channels:
        log.info(
            "the network takes %s images: those of %s are turned to it",
            "grey" if channels == 1 else "RGB",
            about.name,
        )
        found["channels"] = channels
        if mean is None or std is None:
            found |= {what: of_channels(getattr(about, what), channels) for what in ("mean", "std")}
    if mean is not None and std is not None:
        step = -1 if order_of(settings, stated) == "bgr" else 1
        found |= {"mean": mean[::step], "std": std[::step]}
    return found


def order_of(settings: Settings, stated: InputConfig) -> str:
    """ "rgb" or "bgr", of the network's input."""
    return settings.channel_order or stated.channel_order or "rgb"


def adapted(
    settings: Settings, data: BenchmarkDataModule, network: nn.Module, stated: InputConfig | None = None
) -> nn.Module:
    """A network with its layers found, and its outputs in the order of the data's classes.

    Args:
        network: of the user, or one of ours. stated: what it states of its input and outputs.

    Raises:
        ValueError: see `networks.adapt` and `networks.outside.classes.match_outputs`.
    """
    stated = stated or InputConfig()
    names, where = stated.class_names, "the network's configuration"
    if settings.classes is not None:
        names, where = tuple(read_names(settings.classes)), f"--classes {settings.classes.name}"
    outputs = None if names is None or not data.class_names else match_outputs(names, data.class_names, where)
    found = networks.adapt(
        network,
        data.task,
        first_images(data),
        data.num_classes,
        outputs=outputs,
        channel_order=order_of(settings, stated),
        latent_layer=settings.latent_layer,
        feature_layers=settings.feature_layers,
        head_layer=settings.head_layer,
    )
    count = getattr(found, "num_outputs", None)
    if names is not None and count is not None and len(names) != count:
        raise ValueError(
            f"{where} names {len(names)} classes, network {type(network).__name__} has {count} outputs"
        )
    return found


def is_adapted(settings: Settings) -> bool:
    """Whether the user names layers, classes or channel order, which one of our networks has to be adapted for."""
    named = settings.latent_layer or settings.feature_layers or settings.head_layer or settings.classes
    return bool(named) or settings.channel_order == "bgr"


def network_of_user(
    settings: Settings, data: BenchmarkDataModule, checkpoint: Path | None = None
) -> nn.Module:
    """A new network of the user, with the weights of a file or as it is built, adapted."""
    made = opened(settings, data)
    if checkpoint is not None:
        load_weights(settings, data, made.module, checkpoint, lambda k: opened(settings, data, k).module)
    network = adapted(settings, data, made.module, made.input)
    network.source_hash = made.source_hash  # type: ignore[assignment]
    return network


def input_options(settings: Settings, data: BenchmarkDataModule) -> dict[str, Any]:
    """What results tell of a network of the user, its input, and of what the user says of one of ours."""
    found: dict[str, Any] = {}
    if settings.network_args:
        found["arguments"] = told(arguments_of(settings.network_args))
    if of_user(settings) or settings.mean is not None or settings.input_range is not None:
        found |= {"mean": list(data.mean), "std": list(data.std)}
    if settings.channel_order is not None:
        found["channel_order"] = settings.channel_order
    if settings.classes is not None:
        found["classes"] = read_names(settings.classes)
    return found


@torch.no_grad()
def activations_hash(network: nn.Module, weights: str, data: BenchmarkDataModule) -> str:
    """What activations of a network are known by in the cache: its weights; of an adapted one also its code, how it is
    read, and what it makes of a fixed image.
    """
    if not hasattr(network, "description"):
        return weights
    layers = getattr(network, "layers", None) or {name: getattr(network, name, None) for name in READ}
    source = getattr(network, "source_hash", None)
    random = torch.Generator().manual_seed(0)
    image = torch.randn((1, *data.input_shape), generator=random)
    content = hashlib.sha256(json.dumps([weights, source, layers], sort_keys=True, default=str).encode())
    for tensor in _tensors(network.to("cpu").eval()(image)):
        content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if dataclasses.is_dataclass(value):
        value = list(vars(value).values())
    if isinstance(value, Mapping):
        value = list(value.values())
    return [tensor for one in value for tensor in _tensors(one)] if isinstance(value, list | tuple) else []


def first_images(data: BenchmarkDataModule) -> Tensor:
    """(B, C, H, W): some validation images, or fit images where none validates, as the network gets them."""
    images: Tensor = next(iter(data.loader(data.sets[data.tried_on])))["image"]
    return images
