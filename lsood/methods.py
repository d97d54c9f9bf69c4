"""Detectors by what users type after ``--methods``: a registered name, ``package.module:Class`` or ``file.py:Class``,
with constructor arguments behind an "@".
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from lsood.registry import Registry

if TYPE_CHECKING:
    from lsood.detector import Detector

METHODS = Registry("method", ("lsood.method_info", "lsood.detector", "lsood.latent"), group="lsood.detectors")
ADAPTERS = Registry("library", group="lsood.detector_adapters")
"""By the top-level package of a library: functions that make a subclass of `lsood.Detector` of one of its classes."""
GROUPS = ("post-hoc", "all")


def check(spec: str) -> None:
    """Raise ValueError for an unknown registered name, without importing the method."""
    if spec not in GROUPS:
        METHODS.check(spec.partition("@")[0])


def chosen(names: Iterable[str], levels: Collection[str] = ("image",)) -> tuple[str, ...]:
    """Methods as typed, each once. "post-hoc" stands for every registered one that needs no OoD image and no network
    but the one under test, "all" for these and those that need auxiliary networks; of these groups the methods that
    score rows of one of ``levels``.

    Raises:
        ValueError: as :func:`create`.
    """
    found: dict[str, None] = {}
    for name in names:
        if name in GROUPS:
            found |= dict.fromkeys(
                n
                for n in METHODS
                if METHODS.about(n, "protocols")[0] == "no-ood"
                and (name == "all" or METHODS.about(n, "auxiliary_networks") is None)
                and set(METHODS.about(n, "levels")) & set(levels)
            )
        else:
            create(name)
            found[name] = None
    return tuple(found)


def method_class(spec: str) -> type[Detector]:
    """The class of a method as typed, also of a class of another library that there is an adapter for.

    Raises:
        ValueError: unknown name, or an object that is no detector.
    """
    from lsood.detector import Detector

    kind = METHODS.find(spec.partition("@")[0])
    library = getattr(kind, "__module__", "").partition(".")[0]
    if isinstance(kind, type) and library in ADAPTERS and not issubclass(kind, Detector):
        kind = ADAPTERS[library](kind)
    if not (isinstance(kind, type) and issubclass(kind, Detector)):
        raise ValueError(f"method {spec!r} is not a subclass of lsood.Detector")
    return kind


def spec_of(method: str | type | Detector) -> str:
    """How a method is typed: a name as it is; a class, or a detector that is not fitted, by where it is defined, also
    in a notebook.

    Raises:
        ValueError: neither of these, or arguments that cannot be typed.
    """
    from lsood.detector import Detector

    if isinstance(method, str):
        return method
    kind = method if isinstance(method, type) else type(method)
    name = METHODS.spec_of(kind)
    if isinstance(method, type):
        return name
    if not isinstance(method, Detector):
        raise ValueError(
            f"{method!r} is no method: give a name, a subclass of lsood.Detector or one of its objects"
        )
    plain = {n: p.default for n, p in inspect.signature(kind).parameters.items()}
    given = {n: value for n, value in method.get_params().items() if value != plain.get(n)}
    if any("," in repr(value) for value in given.values()):
        raise ValueError(
            f"{method!r} cannot be typed as a name with arguments; write a subclass without them"
        )
    return f"{name}@{','.join(f'{n}={value!r}' for n, value in given.items())}" if given else name


def create(spec: str) -> Detector:
    """A detector from ``name``, ``package.module:Class`` or ``file.py:Class``, followed by ``@`` and arguments of its
    constructor where wanted, joined by commas: ``lared@pca=58``, ``knn@k=10,layer=layer3``; a bare word is the layer,
    ``mahalanobis@layer4``, or, of a score of logits, which boxes of an object detector, ``msp@proposals``. Values are
    Python literals, ``none``, or words.

    Raises:
        ValueError: unknown name or argument (the right ones are listed), a value out of range, or an object that is
            no detector.
    """
    _, _, arguments = spec.partition("@")
    kind = method_class(spec)
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
