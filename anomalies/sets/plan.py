"""The plan of a set: every option that determines its pixels and files."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly
from anomalies.recipe import Recipe
from anomalies.sets.codec import Codec
from anomalies.sets.layouts import LAYOUTS
from anomalies.sets.manifest import HEADER
from anomalies.sets.records import checked_header
from anomalies.sets.source import Source, SourceSpec
from anomalies.variants import SEVERITY_CHOICES, Variant, variants

FORMAT = 1
MATERIALIZE = ("all", "masks", "none")
CLEAN = "clean"
WHERE = ("images", "data_root")


@dataclass(frozen=True)
class Plan:
    """The options of ``python -m anomalies.generate`` that determine the content of a set.

    Args:
        source: of the clean images.
        recipe: of the anomalies.
        severity: "mixed" (as the recipe says), "all" (every image five times), or "1" to "5".
        every_kind: each entry of the recipe on each image, instead of one by weight.
        seed: of all anomalies.
        format: "png", "jpg" or "webp".
        materialize: "all" files, "masks" (no images), or "none" (the manifest alone).
        layout: one of `anomalies.sets.layouts.LAYOUTS`.

    Raises:
        ValueError: an option that cannot work, in one line.
    """

    source: SourceSpec
    recipe: Recipe
    severity: str = "mixed"
    every_kind: bool = False
    seed: int = 0
    format: str = "png"
    materialize: str = "all"
    layout: str = "official"

    def __post_init__(self) -> None:
        Codec(self.format)
        if self.seed < 0:
            raise ValueError(f"--seed must be at least 0, got {self.seed}")
        if self.severity not in SEVERITY_CHOICES:
            raise ValueError(f"--severity must be 1 to 5, mixed or all, got {self.severity!r}")
        if self.materialize not in MATERIALIZE:
            raise ValueError(
                f"--materialize must be one of {', '.join(MATERIALIZE)}, got {self.materialize!r}"
            )
        if self.layout not in LAYOUTS:
            raise ValueError(f"unknown layout {self.layout!r}; layouts: {', '.join(LAYOUTS)}")
        if self.layout == "cifar10-c" and not (self.every_kind and self.severity == "all"):
            raise ValueError(
                "--layout cifar10-c stacks five severities of each kind: add --severity all --every-kind"
            )
        if self.layout == "cifar10-c" and self.format != "png":
            raise ValueError("--layout cifar10-c holds arrays, which only --format png describes")

    @property
    def codec(self) -> Codec:
        return Codec(self.format)

    @property
    def stores_images(self) -> bool:
        return self.materialize == "all" and self.layout != "cifar10-c"

    @property
    def stores_maps(self) -> bool:
        return self.materialize != "none" and self.layout != "cifar10-c"

    @property
    def kinds(self) -> dict[str, int]:
        """{kind: index in the kind maps}; 0 is no anomaly."""
        names = dict.fromkeys(entry.anomaly_class.kind for entry in self.recipe.entries)
        return {kind: i for i, kind in enumerate(names, 1)}

    def variants(self) -> tuple[Variant, ...]:
        """The anomalous versions of every image."""
        return variants(
            [entry.anomaly_class.kind for entry in self.recipe.entries], self.severity, self.every_kind
        )

    def candidates(self, variant: Variant, key: str) -> tuple[Anomaly, ...]:
        """The anomalies to try on an image."""
        return self.recipe.candidates(key, self.seed, variant.severity, variant.entry)

    def header(self, source: Source) -> dict[str, Any]:
        """The content of ``dataset.json``; "identity" decides whether two commands make the same set."""
        spec = {name: _text(value) for name, value in asdict(self.source).items()}
        keys = hashlib.blake2b("\0".join(source.keys).encode(), digest_size=16).hexdigest()
        identity = {
            "source": source.name,
            "split": source.split,
            "keys": keys,
            "horizon": source.view.horizon,
            "camera_height": source.view.camera_height,
            "recipe_fingerprint": self.recipe.fingerprint,
            "severity": self.severity,
            "every_kind": self.every_kind,
            "seed": self.seed,
            "format": self.format,
            "materialize": self.materialize,
            "layout": self.layout,
        }
        return {
            "format_version": FORMAT,
            "generator": generator_version(),
            "identity": identity,
            "source": spec,
            "origin": source.origin,
            "images": len(source.keys),
            "recipe": self.recipe.name,
            "entries": [asdict(entry) for entry in self.recipe.entries],
            "kinds": self.kinds,
            "levels": {e.anomaly_class.kind: e.anomaly_class.level for e in self.recipe.entries},
            "classes": list(source.view.classes),
            "training_ids": None if source.training_ids is None else source.training_ids.tolist(),
            "variants": [variant.name for variant in self.variants()],
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "opencv": cv2.__version__,
            },
        }


def read_header(folder: Path) -> dict[str, Any]:
    """The content of ``dataset.json``.

    Raises:
        ValueError: there is none, or it is damaged or of a newer version.
    """
    path = folder / HEADER
    if not path.is_file():
        raise ValueError(f"{folder} holds no generated set: {HEADER} is not there")
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        newer = header["format_version"] > FORMAT
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path} is damaged") from None
    if newer:
        raise ValueError(f"{path} was written by a newer version of this package")
    return checked_header(header, path)


def generator_version() -> str:
    """Name and version of this package."""
    try:
        return f"lsood-bench {version('lsood-bench')}"
    except PackageNotFoundError:
        return "lsood-bench"


def _text(value: Any) -> Any:
    return value.as_posix() if isinstance(value, Path) else value
