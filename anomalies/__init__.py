"""Synthetic anomalies: what can be wrong with a camera image, drawn on your own images, reproducible image by
image.

    >>> import numpy as np
    >>> from anomalies import Recipe
    >>> drawn = Recipe.named("default").render(np.full((64, 128, 3), 90, np.uint8), key="a.png", seed=0)
    >>> drawn.image.shape, drawn.kind in ("mud", "fog", "sun_flare", "rain", "snow")
    ((64, 128, 3), True)
"""

from anomalies.base import Anomaly, Rendered, mask
from anomalies.controls import Identity
from anomalies.lighting import SunFlare
from anomalies.recipe import AnomalousImage, Entry, Recipe, default_recipe, recipe_names
from anomalies.registry import ANOMALIES, create
from anomalies.rng import generator
from anomalies.scene import Scene
from anomalies.soiling import Mud
from anomalies.weather import Fog, Rain, Snow

__all__ = [
    "ANOMALIES",
    "AnomalousImage",
    "Anomaly",
    "Entry",
    "Fog",
    "Identity",
    "Mud",
    "Rain",
    "Recipe",
    "Rendered",
    "Scene",
    "Snow",
    "SunFlare",
    "create",
    "default_recipe",
    "generator",
    "mask",
    "recipe_names",
]
