"""A user's network, measured without a trace: evaluation mode for a while, and what its weights are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lsood.extraction.hook import version


@contextmanager
def undisturbed(networks: Iterable[nn.Module], device: torch.device | str) -> Iterator[None]:
    """Inside the block networks are in evaluation mode, their parameters take no gradient, and neither autocast nor
    `torch.inference_mode` of the surrounding program is on. Afterwards every module's mode and every parameter's
    ``requires_grad`` are what they were.
    """
    networks = list(networks)
    modes = [(module, module.training) for network in networks for module in network.modules()]
    with torch.inference_mode(False), torch.autocast(torch.device(device).type, enabled=False):
        parameters = [p for network in networks for p in network.parameters()]
        gradients = [p for p in parameters if p.requires_grad and not p.is_inference()]
        try:
            for network in networks:
                network.eval()
            for parameter in gradients:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in gradients:
                parameter.requires_grad_(True)
            for module, mode in modes:
                module.training = mode


def tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, those that are not saved included."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def state_of(network: nn.Module) -> list[tuple[int, int, int | None]]:
    """Changes whenever a parameter or buffer is changed in place or replaced; costs no look at the values."""
    return [(id(tensor), tensor.data_ptr(), version(tensor)) for tensor in tensors(network).values()]


def weights_sha256(network: nn.Module) -> str:
    """sha256, in hex, over names, types, shapes and bytes of the state dict."""
    content = hashlib.sha256()
    saved = {name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)}
    for name, tensor in sorted(saved.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()


def outputs(network: nn.Module) -> int | None:
    """Outputs of the last linear or convolutional layer, in the order of declaration; None: there is none."""
    widths = [getattr(m, "out_features", getattr(m, "out_channels", None)) for m in network.modules()]
    return next((width for width in reversed(widths) if isinstance(width, int)), None)


def identity(network: nn.Module) -> dict[str, str | int | None]:
    """What a network is known by: "class", "outputs", "weights" (:func:`weights_sha256`)."""
    return {"class": type(network).__name__, "outputs": outputs(network), "weights": weights_sha256(network)}


def check_identity(found: dict[str, str | int | None], known: dict[str, str | int | None], what: str) -> None:
    """Raise ValueError, for ``what`` (a file, "the monitor"), where two networks' :func:`identity` differ."""
    if found["class"] != known["class"]:
        difference = f"a {found['class']} instead of a {known['class']}"
    elif found["outputs"] != known["outputs"]:
        difference = f"{found['outputs']} instead of {known['outputs']} outputs"
    elif found["weights"] != known["weights"]:
        difference = "other weights"
    else:
        return
    raise ValueError(
        f"{what} was calibrated for another network ({difference}); its threshold means nothing here: calibrate anew"
    )
