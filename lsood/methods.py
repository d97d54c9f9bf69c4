"""Finding detectors: the entry-point group ``lsood.detectors``, or ``package.module:Class`` typed by the
user.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from lsood.detector import Detector

GROUP = "lsood.detectors"
GROUPS = ("post-hoc", "all")


def registered() -> dict[str, type[Detector]]:
    """{name: class} of every installed detector, in alphabetical order."""
    found = {point.name: point.load() for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Methods as typed, each once. "post-hoc" stands for every installed one that needs no OoD image and no network
    but the one under test, "all" for these and those that bring further networks along.

    Raises:
        ValueError: as :func:`create`.
    """
    found: dict[str, None] = {}
    for name in names:
        if name in GROUPS:
            found |= dict.fromkeys(
                n
                for n, kind in registered().items()
                if kind.protocols[0] == "no-ood" and (name == "all" or kind.auxiliary_networks is None)
            )
        else:
            create(name)
            found[name] = None
    return tuple(found)


def create(spec: str) -> Detector:
    """A detector from ``name``, ``package.module:Class``, or either followed by ``@`` and arguments of its
    constructor, joined by commas: ``lared@pca=58``, ``knn@k=10,layer=layer3``; a bare word is the layer,
    ``mahalanobis@layer4``, or, of a score of logits, which boxes of an object detector, ``msp@proposals``. Values are
    Python literals, ``none``, or words.

    Raises:
        ValueError: unknown name or argument (the right ones are listed), a value out of range, or an object that is
            no detector.
    """
    name, _, arguments = spec.partition("@")
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            kind = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"method {spec!r}: {error}") from error
        if not (isinstance(kind, type) and issubclass(kind, Detector)):
            raise ValueError(f"method {spec!r} is not a subclass of lsood.Detector")
    else:
        known = registered()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(f"unknown method {name!r}; {hint}methods: {', '.join(known)}")
        kind = known[name]
    given = dict(_argument(word, kind.argument) for word in arguments.split(",")) if arguments else {}
    takes = [n for n in inspect.signature(kind).parameters if not n.startswith(("networks", "members"))]
    if unknown := [argument for argument in given if argument not in takes]:
        raise ValueError(f"method {spec!r} has no {unknown[0]!r}; it takes: {', '.join(takes) or 'nothing'}")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"method {spec!r}: {error}") from error


def _argument(word: str, bare: str) -> tuple[str, Any]:
    """ "k=10" to ("k", 10), "layer4" to (``bare``, "layer4")."""
    name, equals, text = word.rpartition("=")
    if not equals:
        return bare, word
    try:
        return name, ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return name, None if text.lower() == "none" else text
