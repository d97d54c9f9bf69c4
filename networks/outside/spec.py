"""How a network of the user is named, and its arguments. Imports no torch."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lsood.text import short_names

LIBRARIES = {
    "timm": "timm:NAME",
    "torchvision": "torchvision:NAME",
    "smp": "smp:ARCH/ENCODER",
    "transformers": "transformers:DIR",
}
"""{prefix: what follows it}."""
PREDICTIONS = "predictions:"
"""Prefix of files of results that stand for a network."""
FORMS = f"file.py:build, package.module:build, {', '.join(LIBRARIES.values())}, {PREDICTIONS}FILE"
WORDS = {"true": True, "false": False, "none": None}


def is_outside(name: str) -> bool:
    """Whether a name is a SPEC of a network of the user, not one of ``networks.NETWORKS``."""
    return (":" in name or name.endswith(".py")) and not is_predictions(name)


def is_predictions(name: str | None) -> bool:
    """Whether a name is ``predictions:FILE``: results in place of a network."""
    return name is not None and name.startswith(PREDICTIONS)


def library_of(spec: str) -> tuple[str, str] | None:
    """The library of a SPEC and the name in it; None: it names code of the user."""
    library, _, name = spec.partition(":")
    return (library, name) if library in LIBRARIES else None


def code_of(spec: str) -> tuple[str, str]:
    """Module or file of a SPEC, and the attribute in it: ("mine.py", "build")."""
    module, _, attribute = spec.rpartition(":")
    return module, attribute


def short_name(spec: str) -> str:
    """The SPEC without folders of this machine, as results name it: "mine.py:build", "transformers:my-model"."""
    library = library_of(spec)
    if library is None:
        return short_names([spec])[spec]
    if library[0] == "transformers" and (folder := Path(library[1]).expanduser()).is_dir():
        return f"transformers:{folder.resolve().name}"
    return spec


def check_spec(spec: str) -> None:
    """Raise ValueError or FileNotFoundError for a SPEC that cannot name anything, without loading what it names."""
    if (library := library_of(spec)) is not None:
        if not library[1]:
            raise ValueError(f"--network {spec}: the name is missing ({LIBRARIES[library[0]]})")
        return
    if (file := spec.rstrip(":")).endswith(".py"):
        raise ValueError(
            f"--network {spec}: :NAME of a function or class in it is missing, such as {file}:build"
        )
    module, attribute = code_of(spec)
    if not (module and attribute.isidentifier()):
        raise ValueError(f"--network {spec}: no network can be named so; the forms: {FORMS}")
    if module.endswith(".py"):
        if not Path(module).expanduser().is_file():
            raise FileNotFoundError(f"--network {spec}: there is no file {module}")
        return
    try:
        there = importlib.util.find_spec(module.partition(".")[0]) is not None
    except ValueError:
        there = False
    if not there:
        raise ValueError(f"--network {spec}: there is no module {module!r}; the forms: {FORMS}")


def arguments_of(given: Sequence[str]) -> dict[str, Any]:
    """``name=value`` of ``--network-arg``: Python literals, true, false and none in any letter case, else words.

    >>> arguments_of(["depth=20", "stages=(1, 2)", "norm=batch", "pretrained=true"])
    {'depth': 20, 'stages': (1, 2), 'norm': 'batch', 'pretrained': True}

    Raises:
        ValueError: no name, or one twice.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (equals and name.strip().isidentifier()):
            raise ValueError(f"--network-arg {text}: write name=value")
        if name.strip() in found:
            raise ValueError(f"--network-arg {name.strip()} is given twice")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def told(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as they stand in results: what JSON cannot hold as text."""
    plain = (str, int, float, bool, type(None))
    return {name: value if isinstance(value, plain) else repr(value) for name, value in arguments.items()}
