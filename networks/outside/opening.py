"""From a SPEC, or a module, to a network of the user: built or taken as it is, in float32 on the CPU."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lsood.io import log, sha256
from lsood.registry import load
from lsood.text import reason
from networks.outside import libraries
from networks.outside.configuration import InputConfig, of_module
from networks.outside.spec import check_spec, code_of, library_of, short_name
from networks.spec import NetworkSpec


@dataclass
class Opened:
    """A network of the user, not yet adapted.

    Attributes:
        module: in float32, on the CPU, in evaluation mode.
        name: short, without a path.
        input: what the network states of its input and outputs.
        source_hash: sha256 of the file of its code, or name and version of its library; "" where there is none.
    """

    module: nn.Module
    name: str
    input: InputConfig = field(default_factory=InputConfig)
    source_hash: str = ""


def open_network(
    source: str | nn.Module,
    num_classes: int,
    channels: int = 3,
    arguments: Mapping[str, Any] | None = None,
    task: str = "classification",
    image_size: tuple[int, int] | None = None,
) -> Opened:
    """A network of the user.

    Args:
        source: ``file.py:build`` or ``package.module:build`` of a callable, an `nn.Module` class or instance, or a
            `NetworkSpec`; ``timm:NAME``, ``torchvision:NAME``, ``smp:ARCH/ENCODER``, ``transformers:DIR`` (a folder or
            a name of the hub); or a module, which is copied, so that the caller's stays as it is.
        num_classes: K; 0: the network has its own. A callable is given it, ``channels`` (of the images) and
            ``image_size`` (H, W) where its signature names them.
        arguments: further ones of the constructor.
        task: "classification", "segmentation" or "detection".

    Raises:
        ValueError: nothing of this name, an argument that is not taken (those that are, are listed), a library that is
            not installed, or code of the user that raises; one line. FileNotFoundError: no such file.
    """
    arguments = dict(arguments or {})
    if isinstance(source, nn.Module):
        if arguments:
            raise ValueError("arguments of a constructor need a network that is named, not a module")
        module = _ready(_copied(unwrapped(source)))
        return Opened(module, type(module).__name__, of_module(module), _file_of(type(module)))
    check_spec(source)
    if (library := library_of(source)) is not None:
        made = libraries.build(*library, num_classes, channels, arguments, task)
        return Opened(_ready(made.module), short_name(source), made.input, made.version)
    path, attribute = code_of(source)
    try:
        code = load(path)
        thing = getattr(code, attribute)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise ValueError(f"--network {source}: {error}") from error
    except Exception as error:
        raise ValueError(f"--network {source}: {path} raises {reason(error)}") from error
    given = {"num_classes": num_classes or None, "channels": channels, "image_size": image_size}
    network = _made(source, thing, given, arguments)
    return Opened(_ready(network), short_name(source), of_module(network, arguments), _hash_of(code))


def _made(source: str, thing: Any, given: Mapping[str, Any], arguments: Mapping[str, Any]) -> nn.Module:
    if isinstance(thing, nn.Module):
        if arguments:
            raise ValueError(f"--network {source} is a module already; it takes no --network-arg")
        return _copied(unwrapped(thing))
    build = thing.build if isinstance(thing, NetworkSpec) else thing
    if not callable(build):
        raise ValueError(
            f"--network {source} is a {type(thing).__name__}; a function that returns a network, a subclass of "
            "torch.nn.Module, one of its objects or a networks.NetworkSpec is needed"
        )
    network = call(f"--network {source}", build, given, arguments)
    if not isinstance(network, nn.Module):
        raise ValueError(f"--network {source} returns {type(network).__name__}, no torch.nn.Module")
    return unwrapped(network)


def call(what: str, build: Callable[..., Any], given: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """A callable called with ``arguments`` and with what is ``given`` as far as its signature names it.

    Raises:
        ValueError: an argument that it does not take, or needs and is not given; or whatever it raises, in one line.
    """
    try:
        parameters = dict(inspect.signature(build).parameters)
    except (ValueError, TypeError):
        parameters = {}
    kinds = {parameter.kind for parameter in parameters.values()}
    own = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if inspect.Parameter.VAR_KEYWORD not in kinds and (foreign := [n for n in arguments if n not in own]):
        raise ValueError(f"{what} takes no argument {foreign[0]!r}; it takes: {', '.join(own) or 'none'}")
    taken = {n: value for n, value in given.items() if n in own and value is not None} | dict(arguments)
    needed = [n for n in own if parameters[n].default is inspect.Parameter.empty and n not in taken]
    if needed[:1] == ["num_classes"] and "num_classes" in given:
        raise ValueError(
            f"{what} needs num_classes and the data have no classes: --network-arg num_classes=K, or data with class "
            "folders or labels, which give K"
        )
    if needed:
        raise ValueError(f"{what} needs an argument: --network-arg {needed[0]}=...")
    try:
        return build(**taken)
    except Exception as error:
        raise ValueError(f"{what} cannot be built: {reason(error)}") from error


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside of `nn.DataParallel`, distributed training and `torch.compile`."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(getattr(module, "_orig_mod", None), nn.Module):
            module = module._orig_mod  # type: ignore[assignment]
        else:
            return module


def _copied(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception as error:
        log.warning("%s cannot be copied and is used itself (%s)", type(module).__name__, reason(error))
        return module


def _ready(module: nn.Module) -> nn.Module:
    """On the CPU, in float32, in evaluation mode."""
    if isinstance(module, torch.jit.ScriptModule):
        raise ValueError(
            f"{type(module).__name__} is TorchScript, on whose layers no hooks can be put: give the Python module that "
            "it was made from"
        )
    tensors = [*module.parameters(), *module.buffers()]
    if any(t.is_meta for t in tensors):
        raise ValueError(
            f"{type(module).__name__} has no weights (tensors on the meta device); load them first"
        )
    other = {t.dtype for t in tensors if t.is_floating_point() and t.dtype != torch.float32}
    if other:
        kinds = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in other))
        log.info("%s has weights in %s: converted to float32", type(module).__name__, kinds)
    return module.to("cpu", torch.float32).eval()


def _file_of(kind: type) -> str:
    """sha256 of the file that defines a class; "" for PyTorch's own, and where there is none."""
    module = sys.modules.get(kind.__module__)
    return "" if module is None or kind.__module__.partition(".")[0] == "torch" else _hash_of(module)


def _hash_of(module: Any) -> str:
    path = Path(getattr(module, "__file__", None) or "")
    return sha256(path) if path.is_file() else ""
