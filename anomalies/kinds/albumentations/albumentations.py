"""Transforms of albumentations as anomalies."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from anomalies.base import Anomaly, Image, Rendered
from anomalies.scene import VOID, Scene
from anomalies.toolkit.albumentations_package import VERSION, albumentations

SHARE = (0.2, 0.4, 0.6, 0.8, 1.0)
RESERVED = ("p", "always_apply", "strict")


@dataclass(frozen=True)
class Albumentations(Anomaly):
    """A transform of albumentations, seeded from the image's own generator, so pixels do not depend on order or
    process.

    Severities: each argument in ``graded`` has five values, one per severity. Without any, the transformed image is
    mixed with the clean one, with a weight of 0.2, 0.4, 0.6, 0.8, 1. Transforms that move pixels cannot be mixed
    and need ``graded``; labels are transformed with the image and void (255) outside of it. A grey image is
    transformed in colour.

    Args:
        transform: name of the transform's class, such as "RandomFog".
        arguments: of the transform, the same at all severities.
        graded: arguments with five values each.

    Raises:
        ValueError: albumentations 2.0.8 is not installed; the transform or an argument is unknown (albumentations
            itself only warns); a value is not accepted; the result has another size or type than the image.
    """

    kind = "albumentations"
    family = "albumentations"
    level = "image"
    moves_pixels = True

    transform: str = "RandomFog"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    graded: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        package = albumentations()
        known = getattr(package, self.transform, None) if isinstance(self.transform, str) else None
        if not isinstance(known, type) or not issubclass(known, package.BasicTransform):
            raise ValueError(f"albumentations: has no transform {self.transform!r}")
        for name, given in (("arguments", self.arguments), ("graded", self.graded)):
            if not isinstance(given, Mapping):
                raise ValueError(f"albumentations: {name} must be names with values, got {given!r}")
            reserved = sorted(set(RESERVED) & set(given))
            if reserved:
                raise ValueError(
                    f"albumentations: {name} must not have {reserved[0]}: recipes decide about that"
                )
        for name, values in self.graded.items():
            if not isinstance(values, list | tuple) or len(values) != 5:
                raise ValueError(
                    f"albumentations: graded {name} must be a list of five values, got {values!r}"
                )
        if not self.graded and not issubclass(known, package.ImageOnlyTransform):
            raise ValueError(
                f"albumentations: {self.transform} moves pixels and cannot be mixed with the clean image; "
                "give an argument five values in graded"
            )
        self._created()

    def draw(self, image: Image, rng: np.random.Generator, scene: Scene) -> Rendered:
        seed, created = int(rng.integers(2**32)), self._created()
        created.set_random_seed(seed)
        colour = image if image.shape[2] == 3 else np.repeat(image, 3, axis=2)
        moves = not isinstance(created, albumentations().ImageOnlyTransform)
        masks = {} if scene.labels is None or not moves else {"mask": scene.labels.copy()}
        found = created(image=colour.copy(), **masks)
        drawn = found["image"]
        if drawn.shape != colour.shape or drawn.dtype != np.uint8:
            raise ValueError(
                f"albumentations: {self.transform} must keep size and type of an image, it made {drawn.dtype} "
                f"{drawn.shape} of uint8 {colour.shape}"
            )
        if not self.graded:
            share = self.of(SHARE)
            drawn = np.asarray(cv2.addWeighted(drawn, share, colour, 1 - share, 0))
        if image.shape[2] == 1:
            drawn = np.asarray(cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY))[..., None]
        details = {"transform": self.transform, "transform_seed": seed, "albumentations": VERSION}
        return Rendered(np.ascontiguousarray(drawn), None, found.get("mask"), details=details)

    def _created(self) -> Any:
        """The transform with this severity's arguments."""
        known = getattr(albumentations(), self.transform)
        given = {**self.arguments, **{name: self.of(values) for name, values in self.graded.items()}}
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                created = known(**given, p=1.0)
        except (ValueError, TypeError) as error:
            raise ValueError(f"albumentations: {self.transform}: {' '.join(str(error).split())}") from None
        if created.invalid_args:
            raise ValueError(f"albumentations: {self.transform} has no argument {created.invalid_args[0]!r}")
        if hasattr(created, "fill_mask") and "fill_mask" not in given:
            created.fill_mask = VOID
        return created
