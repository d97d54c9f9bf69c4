"""Synthetic anomalies for camera images, drawn on your own images and reproducible image by image.

    >>> import numpy as np
    >>> from anomalies import Recipe
    >>> drawn = Recipe.named("default").render(np.full((64, 128, 3), 90, np.uint8), key="a.png", seed=0)
    >>> drawn.image.shape, drawn.kind in ("mud", "fog", "sun_flare", "rain", "snow")
    ((64, 128, 3), True)

The class of every kind can be imported from here (``from anomalies import SunFlare``); its module is loaded then.
"""

from typing import Any

from anomalies.base import Anomaly, Rendered, mask
from anomalies.recipe import AnomalousImage, Entry, Recipe, recipe_names
from anomalies.registry import ANOMALIES, create
from anomalies.rng import generator
from anomalies.scene import Scene
from anomalies.sets.source import default_recipe

_CLASSES = {entry.attribute: kind for kind, entry in ANOMALIES.entries.items() if entry.attribute}

__all__ = [
    "ANOMALIES",
    "AnomalousImage",
    "Anomaly",
    "Entry",
    "Recipe",
    "Rendered",
    "Scene",
    "create",
    "default_recipe",
    "generator",
    "mask",
    "recipe_names",
]
__all__ += _CLASSES


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return ANOMALIES[_CLASSES[name]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
