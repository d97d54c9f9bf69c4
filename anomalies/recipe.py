"""Recipes: kinds of anomalies with weights, severities and parameters. Shipped as YAML files or written by users."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from anomalies.base import SEVERITIES, UNKNOWN, Anomaly, Image
from anomalies.drawing import AnomalousImage, draw
from anomalies.registry import ANOMALIES, create
from anomalies.rng import generator
from anomalies.scene import Scene
from anomalies.yaml_text import read_yaml

SHIPPED = Path(__file__).parent / "recipes"
HEAVIEST = 2**63
ENTRY_FIELDS = ("kind", "weight", "severity", "params")


@dataclass(frozen=True)
class Entry:
    """One kind of anomaly in a recipe.

    Args:
        kind: a key of `anomalies.ANOMALIES`, ``package.module:Class`` or ``file.py:Class``.
        weight: how often, relative to the other entries.
        severities: one of them is drawn for each image, all equally often.
        params: further parameters of the kind.

    Raises:
        ValueError: the weight is not positive, no severity is given, or the kind rejects a value.
    """

    kind: str
    weight: float = 1.0
    severities: tuple[int, ...] = SEVERITIES
    params: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        number = isinstance(self.weight, int | float) and not isinstance(self.weight, bool)
        if not number or not 0 < self.weight < HEAVIEST:
            raise ValueError(f"{self.kind}: weight must be a positive number, got {self.weight!r:.80}")
        if not self.severities:
            raise ValueError(f"{self.kind}: severity must name at least one of 1 to 5")
        for severity in self.severities:
            self.anomaly(severity)

    @property
    def anomaly_class(self) -> type[Anomaly]:
        """The class of the kind; its ``kind`` is the name in manifests and tables."""
        found: type[Anomaly] = ANOMALIES.find(self.kind)
        return found

    def anomaly(self, severity: int) -> Anomaly:
        """This entry's anomaly at a severity."""
        return create(self.kind, severity, **dict(self.params))


@dataclass(frozen=True)
class Recipe:
    """A mixture of anomalies. What an image gets is a function of (recipe, seed, key) alone.

    Args:
        name: for messages and manifests; it changes nothing that is drawn.
        entries: at least one.
    """

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if not self.entries:
            raise ValueError(f"recipe {self.name}: has no entries")

    def choose(self, key: str, seed: int = 0) -> Anomaly:
        """The anomaly that an image is meant to have."""
        return self.candidates(key, seed)[0]

    def candidates(
        self, key: str, seed: int = 0, severity: int | None = None, entry: int | None = None
    ) -> tuple[Anomaly, ...]:
        """The anomalies to try on an image until one is valid: the one it is meant to have, then those of the
        other entries in the recipe's order, at the same severity or the nearest the entry allows.

        Args:
            key: of the image. seed: of the data set.
            severity: 1 to 5; None: drawn from the entry's.
            entry: index of the entry, without alternatives; None: drawn by weight.
        """
        which, how_strong = generator(seed, "recipe", key).random(2)
        reached = list(accumulate(entry.weight for entry in self.entries))
        drawn = next((i for i, total in enumerate(reached) if which * reached[-1] < total), -1)
        first = drawn % len(self.entries) if entry is None else entry
        allowed = self.entries[first].severities
        wanted = allowed[int(how_strong * len(allowed))] if severity is None else severity
        chosen = [self.entries[first].anomaly(wanted)]
        if entry is None:
            for other in self.entries[first + 1 :] + self.entries[:first]:
                nearest = min(other.severities, key=lambda s: (abs(s - wanted), s))
                chosen.append(other.anomaly(nearest if severity is None else severity))
        return tuple(chosen)

    def render(self, image: Image, key: str, seed: int = 0, scene: Scene = UNKNOWN) -> AnomalousImage:
        """Draw an image's anomaly: a valid one, see `anomalies.validity`.

        Args:
            image: (H, W, 3) RGB or (H, W, 1) grey uint8; not modified.
            key: of the image. seed: of the data set.
            scene: labels and depth, for kinds that depend on them.

        Raises:
            Unusable: none of the recipe's anomalies can be drawn on this image (a ValueError).
            ValueError: an image of another type or shape.
        """
        return draw(self.candidates(key, seed), image, key, seed, scene)

    @property
    def fingerprint(self) -> str:
        """sha256 in hex over everything that decides about pixels: kinds and their versions, weights,
        severities, parameters. Not the name.
        """
        content = []
        for entry in self.entries:
            settings = asdict(entry.anomaly(entry.severities[0])) | {"severity": entry.severities}
            version = entry.anomaly(entry.severities[0]).version
            content.append([entry.kind, version, float(entry.weight), settings])
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @classmethod
    def named(cls, name: str) -> Recipe:
        """A shipped recipe.

        Raises:
            ValueError: unknown name; the right ones are listed.
        """
        if name not in recipe_names():
            raise ValueError(f"unknown recipe {name!r}; recipes: {', '.join(recipe_names())}")
        return cls.parse(name, (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"))

    @classmethod
    def load(cls, path: Path | str) -> Recipe:
        """A recipe from a YAML file, see `parse`.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a file that is no recipe; the message names file, entry and value.
        """
        path = Path(path).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"no recipe file {path}")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"recipe {path}: not a text file") from None
        return cls.parse(str(path), text)

    @classmethod
    def parse(cls, name: str, text: str) -> Recipe:
        """A recipe from YAML: a list of entries.

            - kind: mud            # a key of anomalies.ANOMALIES
              weight: 2            # optional, 1
              severity: [3, 4]     # optional: 1 to 5, a list of them, or mixed (all five), the default
              params: {albedo: [0.5, 0.4, 0.3]}     # optional

        Raises:
            ValueError: anything else, in one line.
        """
        try:
            content = read_yaml(text)
        except ValueError as error:
            raise ValueError(f"recipe {name}: {error}") from None
        if not isinstance(content, list):
            raise ValueError(f"recipe {name}: must be a list of entries, each with a kind")
        try:
            return cls(name, tuple(_entry(item) for item in content))
        except ValueError as error:
            raise ValueError(f"recipe {name}: {str(error).removeprefix(f'recipe {name}: ')}") from None


def recipe_names() -> list[str]:
    """Names of the shipped recipes."""
    return sorted(path.relative_to(SHIPPED).with_suffix("").as_posix() for path in SHIPPED.rglob("*.yaml"))


def _entry(item: Any) -> Entry:
    if not isinstance(item, Mapping) or "kind" not in item:
        raise ValueError(f"every entry needs a kind, got {item!r}")
    for field in item:
        if field not in ENTRY_FIELDS:
            raise ValueError(f"{item['kind']}: unknown field {field!r}; fields: {', '.join(ENTRY_FIELDS)}")
    severity, params = item.get("severity", "mixed"), item.get("params", {})
    if not isinstance(params, Mapping):
        raise ValueError(f"{item['kind']}: params must be names with values, got {params!r}")
    severities = SEVERITIES if severity == "mixed" else severity if isinstance(severity, list) else [severity]
    values = tuple(sorted((str(name), _hashable(value)) for name, value in params.items()))
    return Entry(str(item["kind"]), item.get("weight", 1.0), tuple(severities), values)


def _hashable(value: Any) -> Any:
    return tuple(_hashable(part) for part in value) if isinstance(value, list) else value


def recipe_of(name: str, ind: str | None = None) -> Recipe:
    """A shipped recipe by name, or a user's by its file.

    Args:
        name: of the recipe or file; "reference" alone means the data set's own, where it has none that of
            Cityscapes.
        ind: name of the data set.

    Raises:
        ValueError, FileNotFoundError: neither, or a file that is no recipe.
    """
    shipped = recipe_names()
    for owner in (ind, "cityscapes"):
        if name not in shipped and f"{name}/{owner}" in shipped:
            return Recipe.named(f"{name}/{owner}")
    if name not in shipped and (name.endswith((".yaml", ".yml")) or Path(name).expanduser().is_file()):
        return Recipe.load(name)
    return Recipe.named(name)
