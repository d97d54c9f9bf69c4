"""Recipes: which anomalies, how often, how strong. Shipped as YAML, or the user's own file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from anomalies.base import SEVERITIES, Anomaly, Field, Identity, Image
from anomalies.lighting import SunFlare
from anomalies.rng import generator
from anomalies.soiling import Mud
from anomalies.weather import Fog, Rain, Snow

ANOMALIES: dict[str, type[Anomaly]] = {kind.kind: kind for kind in (Mud, Fog, SunFlare, Rain, Snow, Identity)}
RENDERING = 1


@dataclass(frozen=True)
class AnomalousImage:
    """A rendered image with its truth.

    Attributes:
        image: uint8, the input's shape.
        mask: (H, W) uint8, 1 where alpha >= .5, 255 (ignore) where .05 <= alpha < .5, else 0; None for global
            anomalies.
        alpha: (H, W) float32 or None. kind, severity: what was drawn.
    """

    image: Image
    mask: Image | None
    alpha: Field | None
    kind: str
    severity: int


@dataclass(frozen=True)
class Entry:
    """One kind in a recipe: drawn with probability weight / sum of weights, at one of the severities."""

    kind: str
    weight: float = 1.0
    severities: tuple[int, ...] = SEVERITIES


@dataclass(frozen=True)
class Recipe:
    """A distribution over anomalies. What an image gets depends on (recipe, seed, image key) alone.

    Raises:
        ValueError: no entries, an unknown kind (the right ones are listed), a weight that is not positive, or
            a severity outside 1..5.
    """

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise ValueError(f"recipe {self.name!r} has no entries")
        for entry in self.entries:
            if entry.kind not in ANOMALIES:
                raise ValueError(
                    f"recipe {self.name!r}: unknown kind {entry.kind!r}; kinds: {', '.join(ANOMALIES)}"
                )
            if not entry.weight > 0:
                raise ValueError(
                    f"recipe {self.name!r}: weight of {entry.kind} must be positive, got {entry.weight}"
                )
            if not entry.severities or not set(entry.severities) <= set(SEVERITIES):
                given = ", ".join(map(str, entry.severities)) or "none"
                raise ValueError(
                    f"recipe {self.name!r}: severities of {entry.kind} must lie in 1..5, got {given}"
                )

    @classmethod
    def named(cls, name: str) -> Recipe:
        """A shipped recipe.

        Raises:
            ValueError: unknown name; the right ones are listed.
        """
        if name not in recipe_names():
            raise ValueError(f"unknown recipe {name!r}; recipes: {', '.join(recipe_names())}")
        return cls.parse(name, (files("anomalies") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))

    @classmethod
    def load(cls, path: Path | str) -> Recipe:
        """A recipe from a YAML file: a list of entries with kind, and optionally weight and severities."""
        path = Path(path)
        return cls.parse(path.stem, path.read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, name: str, text: str) -> Recipe:
        """A recipe from YAML text.

        Raises:
            ValueError: no YAML list of entries, or an entry with another field.
        """
        try:
            content: Any = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"recipe {name!r} is no YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(content, list) or not all(isinstance(e, dict) and "kind" in e for e in content):
            raise ValueError(f"recipe {name!r} must be a list of entries, each with a kind")
        entries = []
        for entry in content:
            if extra := set(entry) - {"kind", "weight", "severities"}:
                raise ValueError(
                    f"recipe {name!r}: {entry['kind']} has the unknown field {sorted(extra)[0]!r}"
                )
            severities = tuple(entry.get("severities", SEVERITIES))
            entries.append(Entry(entry["kind"], entry.get("weight", 1.0), severities))
        return cls(name, tuple(entries))

    @property
    def fingerprint(self) -> str:
        """sha256 in hex over the entries and the version of the rendering."""
        content = [[e.kind, e.weight, e.severities] for e in self.entries]
        return hashlib.sha256(json.dumps([RENDERING, content]).encode()).hexdigest()

    def choose(self, key: str, seed: int = 0) -> Anomaly:
        """The anomaly an image gets."""
        random = generator(seed, "recipe", key, 0)
        weights = np.array([entry.weight for entry in self.entries])
        entry = self.entries[int(random.choice(len(weights), p=weights / weights.sum()))]
        return ANOMALIES[entry.kind](int(random.choice(entry.severities)))

    def render(self, image: Image, key: str, seed: int = 0, labels: Image | None = None) -> AnomalousImage:
        """Draw the image's anomaly on a copy; see `anomalies.Anomaly.render`."""
        anomaly = self.choose(key, seed)
        drawn = anomaly.render(image, generator(seed, anomaly.kind, key, anomaly.severity), labels)
        mask = None if drawn.alpha is None else mask_of(drawn.alpha)
        return AnomalousImage(drawn.image, mask, drawn.alpha, anomaly.kind, anomaly.severity)


def mask_of(alpha: Field) -> Image:
    """(H, W) uint8 from opacity: 1 anomalous (>= .5), 255 ignore (.05 to .5), 0 normal: SMIYC's and
    Fishyscapes' convention.
    """
    return np.select([alpha >= 0.5, alpha >= 0.05], [1, 255], 0).astype(np.uint8)


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    folder = files("anomalies") / "recipes"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def default_recipe(ind: str) -> Recipe:
    """The recipe of ``<ind>-anomalies``: every kind of this release equally often, at mixed severities."""
    return Recipe.named("default")
