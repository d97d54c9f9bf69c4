"""Weights on disk: safetensors, or torch files read with ``weights_only=True``; never an arbitrary pickle."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

PREFIXES = ("network.", "model.", "module.", "deeplab_v3plus_model.")


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist or is no file")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(f"checkpoint {path} is no whole safetensors file: {error}") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"checkpoint {path} holds more than tensors and was not loaded (a pickle can run code); "
            "save the state dict alone, best as safetensors"
        ) from error
    except Exception as error:  # whatever a parser of damaged bytes may raise
        raise ValueError(f"checkpoint {path} cannot be read: {str(error).splitlines()[0]}") from error


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(v, Tensor) for v in content.values())
    ):
        raise ValueError(f"checkpoint {path} holds no state dict")
    return content


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load weights into a network.

    Accepts .safetensors, or a torch file of a state dict, {"state_dict": ...} or a Lightning checkpoint (a
    common prefix of the names, such as ``network.``, is dropped; entries beside the network, such as metrics,
    are left out).

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, holding code, or of another architecture; one line that says where.
    """
    path = Path(path)
    state = _state(_read(path), path)
    expected = network.state_dict()
    for prefix in PREFIXES:
        stripped = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if stripped and len(set(stripped) & set(expected)) > len(set(state) & set(expected)):
            state = stripped
    kind = type(network).__name__
    if missing := [name for name in expected if name not in state]:
        raise ValueError(
            f"checkpoint {path} is not of this {kind}: it has no {missing[0]!r} ({len(missing)} missing)"
        )
    if extra := [name for name in state if name not in expected]:
        raise ValueError(
            f"checkpoint {path} is not of this {kind}: unknown {extra[0]!r} ({len(extra)} too many)"
        )
    for name, value in state.items():
        if value.shape != expected[name].shape:
            shapes = f"{tuple(value.shape)} instead of {tuple(expected[name].shape)}"
            raise ValueError(f"checkpoint {path} is not of this {kind}: {name!r} has shape {shapes}")
    network.load_state_dict(state)


def save_weights(network: nn.Module, path: str | Path) -> None:
    """Write the state dict as safetensors, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    save_file({name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}, part)
    part.replace(path)


def weights_hash(network: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of the state dict, in hex."""
    content = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in sorted(network.state_dict().items()):
        content.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()
