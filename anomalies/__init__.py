"""Synthetic anomalies: deterministic per image, five severities, with masks for local ones."""

from anomalies.base import Anomaly, Identity, Rendered
from anomalies.lighting import SunFlare
from anomalies.recipe import ANOMALIES, AnomalousImage, Entry, Recipe, default_recipe, mask_of, recipe_names
from anomalies.rng import generator
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
    "Snow",
    "SunFlare",
    "default_recipe",
    "generator",
    "mask_of",
    "recipe_names",
]
