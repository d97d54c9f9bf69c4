"""Anomalies as transforms of albumentations pipelines."""

from __future__ import annotations

from typing import Any

from anomalies.toolkit.albumentations_package import albumentations


def as_transform(
    kind: str, severity: int | tuple[int, ...] = (1, 2, 3, 4, 5), p: float = 0.5, **options: Any
) -> Any:
    """An anomaly as a transform for an albumentations pipeline.

        A.Compose([A.Resize(512, 1024), as_transform("mud", severity=(1, 2), p=0.3)], seed=7)

    Args:
        kind: a key of `anomalies.ANOMALIES`.
        severity: one, or several to draw from.
        p: probability of applying it.
        options: parameters of `anomalies.transforms.albumentations_transforms.transform`.

    Returns:
        A `DualTransform` for kinds that move pixels or have a mask, else an `ImageOnlyTransform`.

    Raises:
        ValueError: unknown kind or severity, or albumentations 2.0.8 is not installed.
    """
    albumentations()
    from anomalies.transforms.albumentations_transforms import transform

    return transform(kind, severity, p, **options)
