"""Weights on disk: safetensors, or torch files read with ``weights_only=True``; never an arbitrary pickle."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lsood.io import write_atomic, write_checked

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".th", ".tar", ".bin")
NESTED = ("state_dict", "model_state_dict", "model", "network", "net")
"""Names under which training scripts store the state dict."""
_PREFIX = re.compile(r"(?:(?:module|model|_orig_mod|network|net)\.)+")
RENAMINGS: tuple[tuple[tuple[str, str], ...], ...] = (
    ((r"^segmentation_head\.", "head."),),  # segmentation_models_pytorch into ours
    ((r"^head\.", "segmentation_head."),),
    (
        (r"^conv1\.", "stem.0."),
        (r"^bn1\.", "stem.1."),
        (r"^linear\.", "fc."),
        (r"\.downsample\.", ".shortcut."),
    ),
    (  # the authors' DABNet
        (r"^init_conv\.", "stem."),
        (r"^downsample_(\d)\.conv3x3\.", r"down\1."),
        (r"^downsample_(\d)\.", r"down\1."),
        (r"^DAB_Block_(\d)\.DAB_Module_\d_", r"block\1."),
        (r"^bn_prelu_([12])\.", r"join\1."),
        (r"^bn_prelu_3\.", "fused."),
        (r"^classifier\.0\.conv\.", "classifier."),
        (r"\.bn_relu_1\.", ".before."),
        (r"\.bn_relu_2\.", ".middle."),
        (r"\.conv3x3\.", ".reduce."),
        (r"\.conv1x1\.conv\.", ".expand."),
        (r"\.dconv3x1\.", ".local.0."),
        (r"\.dconv1x3\.", ".local.1."),
        (r"\.ddconv3x1\.", ".context.0."),
        (r"\.ddconv1x3\.", ".context.1."),
        (r"\.bn_prelu\.", ".after."),
        (r"\.bn\.", ".norm."),
        (r"\.acti\.", ".act."),
    ),
)
"""Names of other implementations of an architecture as patterns, each with what takes its place; a set of them is
tried where plain names do not fit, and taken where all names and shapes do then."""
LISTED = 10


def _read(path: Path) -> Any:
    if path.is_dir():
        raise ValueError(f"checkpoint {path} is a folder; name a file in it ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"checkpoint {path} must end in one of {', '.join(SUFFIXES)}")
    if suffix == ".safetensors":
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
    while isinstance(content, dict):
        if content and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
            return content
        content = next((content[name] for name in NESTED if isinstance(content.get(name), dict)), None)
    raise ValueError(f"checkpoint {path} holds no state dict, nor one under {', '.join(NESTED)}")


def _without_prefix(state: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state under the names of the network, where wrappers put prefixes before them."""
    best = state
    for prefix in sorted({p for name in state for p in _prefixes(name)}, key=len):
        stripped = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if len(stripped.keys() & expected.keys()) > len(best.keys() & expected.keys()):
            best = stripped
    return best


def _prefixes(name: str) -> list[str]:
    """What wrappers may have put before a name: "module._orig_mod.x" to "module." and "module._orig_mod."."""
    found = _PREFIX.match(name)
    parts = found[0].split(".")[:-1] if found else []
    return [".".join(parts[: i + 1]) + "." for i in range(len(parts))]


def _difference(state: dict[str, Tensor], expected: dict[str, Tensor]) -> str:
    """What of a state does not fit the network; "": nothing."""
    missing = [name for name in expected if name not in state]
    left_over = [name for name in state if name not in expected]
    shapes = [
        f"{name} is {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
        for name, tensor in state.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    found = {"missing": missing, "left over": left_over, "other shapes": shapes}
    return "; ".join(f"{len(names)} {what}: {_listed(names)}" for what, names in found.items() if names)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Load weights into a network.

    Accepts .safetensors, or a torch file (one of `SUFFIXES`, in any letter case) of a state dict, alone or under one of
    the names `NESTED`, such as a Lightning checkpoint. What wrappers put before all names (``module.``, ``model.``,
    ``_orig_mod.``, ``network.``, ``net.``, and several of them) is dropped; entries beside the network, such as
    metrics, are left out; batches counted by normalisation layers, which old files lack, are taken from the network.
    Names of other implementations of the architecture (`RENAMINGS`) are mapped. The weights of an adapted network of
    the user are those of the user's module. When an error is raised the network is as before.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not readable, holding code, NaN or infinity, or of another architecture; one line that says where,
            with the first names that are missing, left over or of another shape.
    """
    path, network = Path(path).expanduser(), _inner(network)
    expected = network.state_dict()
    state = _without_prefix(_state(_read(path), path), expected)
    counts = {name: tensor for name, tensor in expected.items() if name.endswith("num_batches_tracked")}
    if state.keys() & expected.keys():
        state = counts | state
    if difference := _difference(state, expected):
        renamed = (counts | _renamed(state, names) for names in RENAMINGS)
        fitting = next((one for one in renamed if not _difference(one, expected)), None)
        if fitting is None:
            raise ValueError(f"checkpoint {path} is not of this {type(network).__name__}: {difference}")
        state = fitting
    if broken := next(
        (n for n, t in state.items() if t.is_floating_point() and not t.isfinite().all()), None
    ):
        raise ValueError(f"checkpoint {path} holds NaN or infinity, first in {broken}: its training failed")
    network.load_state_dict(state)


def _renamed(state: dict[str, Tensor], names: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """The state with the names of another implementation."""

    def other(name: str) -> str:
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        return name

    return {other(name): tensor for name, tensor in state.items()}


def classes_in(path: str | Path, network: nn.Module) -> int:
    """K of the classifier whose weights a file holds.

    Args:
        network: of the same architecture, with another K.

    Raises:
        FileNotFoundError, ValueError: as :func:`load_weights`.
    """
    path = Path(path).expanduser()
    expected = network.state_dict()
    head = _named(path, expected).get(f"{getattr(network, 'head_layer', '')}.weight")
    if head is None:
        raise ValueError(
            f"checkpoint {path} is not of this {type(network).__name__}: it has no last layer of that name"
        )
    return len(head)


def other_outputs(path: str | Path, network: nn.Module, num_outputs: int) -> list[int]:
    """How many outputs the network of a file may have: the first dimensions of its tensors where those of a network
    with ``num_outputs`` have that; [] where their names differ.

    Raises:
        FileNotFoundError, ValueError: as :func:`load_weights`.
    """
    expected = _inner(network).state_dict()
    state = _named(Path(path).expanduser(), expected)
    if state.keys() != expected.keys():
        return []
    sizes = {len(state[name]) for name, t in expected.items() if t.ndim and len(t) == num_outputs}
    return sorted(sizes - {num_outputs})


def _named(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of a file under the names of a network, whatever its shapes; where none fit, under its own."""
    state = _without_prefix(_state(_read(path), path), expected)
    counts = {name: tensor for name, tensor in expected.items() if name.endswith("num_batches_tracked")}
    every = (counts | one for one in (state, *(_renamed(state, names) for names in RENAMINGS)))
    return next((one for one in every if one.keys() == expected.keys()), state)


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
    state = {name: tensor.contiguous().clone() for name, tensor in _inner(network).state_dict().items()}
    (write_checked if checksum else write_atomic)(path, lambda part: save_file(state, part))


def _inner(network: nn.Module) -> nn.Module:
    """The user's module in an adapted network (``adapted``); any other network itself."""
    inner: nn.Module = getattr(network, "adapted", network)
    return inner


def weights_hash(network: nn.Module) -> str:
    """sha256, in hex, over the network's class and names, types, shapes and bytes of its state dict; of an adapted
    network of the user those of the user's module.
    """
    network = _inner(network)
    content = hashlib.sha256(type(network).__name__.encode())
    for name, tensor in sorted(network.state_dict().items()):
        content.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()
