"""Finding detectors: the entry-point group ``lsood.detectors``, or ``package.module:Class`` typed by the
user.
"""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points

from lsood.detector import Detector

GROUP = "lsood.detectors"


def registered() -> dict[str, type[Detector]]:
    """{name: class} of every installed detector, in alphabetical order."""
    found = {point.name: point.load() for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))


def create(spec: str) -> Detector:
    """A detector from ``name``, ``name@layer`` (a layered method on that layer only) or
    ``package.module:Class``.

    Raises:
        ValueError: unknown name (the right ones are listed), or an object that is no detector.
    """
    name, _, layer = spec.partition("@")
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
    try:
        return kind(**{"layer": layer} if layer else {})
    except TypeError as error:
        raise ValueError(f"method {spec!r}: {error}") from error
