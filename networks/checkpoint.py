"""Weights on disk: safetensors, or torch files read with ``weights_only=True``; never an arbitrary pickle."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lsood.io import write_atomic, write_checked

PREFIXES = ("network.", "model.", "module.")
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")


def _read(path: Path) -> Any:
    if path.is_dir():
        raise ValueError(f"checkpoint {path} is a folder; name a file in it ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"checkpoint {path} must end in one of {', '.join(SUFFIXES)}")
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
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"checkpoint {path} cannot be read ({reason})") from error


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


def _without_prefix(state: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state under the names of the network, where a wrapper put a prefix before them."""
    for prefix in PREFIXES:
        stripped = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if len(stripped.keys() & expected.keys()) > len(state.keys() & expected.keys()):
            return stripped
    return state


def _difference(state: dict[str, Tensor], expected: dict[str, Tensor]) -> str | None:
    if missing := [name for name in expected if name not in state]:
        return f"it has no {missing[0]!r} ({len(missing)} missing)"
    if extra := [name for name in state if name not in expected]:
        return f"unknown {extra[0]!r} ({len(extra)} too many)"
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            return f"{name!r} has shape {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
    return None


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load weights into a network.

    Accepts .safetensors, or a torch file (.pt, .pth, .ckpt) of a state dict, {"state_dict": ...} or a
    Lightning checkpoint (a common prefix of the names, such as ``network.``, is dropped; entries beside the
    network, such as metrics, are left out). When an error is raised the network is as before.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, holding code, or of another architecture; one line that says where.
    """
    path = Path(path).expanduser()
    expected = network.state_dict()
    state = _without_prefix(_state(_read(path), path), expected)
    if difference := _difference(state, expected):
        raise ValueError(f"checkpoint {path} is not of this {type(network).__name__}: {difference}")
    network.load_state_dict(state)


def save_weights(network: nn.Module, path: str | Path, checksum: bool = False) -> None:
    """Write the state dict as safetensors, whole or not at all; folders are made.

    Args:
        checksum: also write the file's sha256 beside it, see `lsood.io.write_checked`.

    Raises:
        ValueError: the name does not end in .safetensors.
    """
    path = Path(path).expanduser()
    if path.suffix != ".safetensors":
        raise ValueError(f"weights are saved as .safetensors, got {path}")
    state = {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
    (write_checked if checksum else write_atomic)(path, lambda part: save_file(state, part))


def weights_hash(network: nn.Module) -> str:
    """sha256, in hex, over the network's class and names, types, shapes and bytes of its state dict."""
    content = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in sorted(network.state_dict().items()):
        content.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()
