"""Validity of a drawn anomaly: it is visible where it is marked, and the image is unchanged elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from anomalies.base import ANOMALOUS, IGNORED, Anomaly, Image, Rendered, compared
from anomalies.scene import PEOPLE, VOID, Scene
from anomalies.toolkit.light import INVISIBLE, brightest_channel

VISIBLE_LEVELS, SILENT_LEVELS = 3, 1
SHARE_VISIBLE, SHARE_OUTSIDE = 0.95, 0.001
HIDDEN_PERSON, ON_VOID = 0.5, 0.5
CONTROLS = ("control", "controls")


class Unusable(ValueError):
    """No valid anomaly could be drawn on an image."""


@dataclass(frozen=True)
class Change:
    """Measured change of an image.

    Attributes:
        mean_abs_diff: over pixels and channels, in grey levels 0 to 255.
        psnr: in dB; infinite where nothing changed.
        area: share of the pixels marked anomalous (alpha >= 0.5); 1 for anomalies of the whole image.
        covered: share with alpha >= 0.05.
        visible: share of the marked pixels that changed by 3 levels or more in a channel; 1 without any.
        outside: share of the pixels with alpha <= 0.01 that changed by more than 1 level.
        flat: the new image has one colour, the old one had more.
    """

    mean_abs_diff: float
    psnr: float
    area: float
    covered: float
    visible: float
    outside: float
    flat: bool


def measure(image: Image, rendered: Rendered) -> Change:
    """The change from a clean image, (H, W, C), to what was rendered on it."""
    difference: Any = cv2.absdiff(image, rendered.image).reshape(image.shape)
    squares = float(cv2.norm(difference, cv2.NORM_L2SQR)) / difference.size
    mean = float(np.mean(cv2.mean(difference)[: image.shape[2]]))
    psnr = 10 * math.log10(255**2 / squares) if squares > 0 else math.inf
    area, covered, visible, outside = 1.0, 1.0, 1.0, 0.0
    if rendered.alpha is not None:
        pixels = rendered.alpha.size
        largest = brightest_channel(difference).reshape(rendered.alpha.shape)
        marked = compared(rendered.alpha, cv2.CMP_GE, ANOMALOUS)
        count = cv2.countNonZero(marked)
        shown = compared(rendered.alpha, cv2.CMP_GE, IGNORED)
        area, covered = count / pixels, cv2.countNonZero(shown) / pixels
        if count:
            seen = compared(largest, cv2.CMP_GE, VISIBLE_LEVELS)
            visible = cv2.countNonZero(cv2.bitwise_and(marked, seen)) / count
        silent = compared(rendered.alpha, cv2.CMP_LE, INVISIBLE)
        changed = cv2.bitwise_and(silent, compared(largest, cv2.CMP_GT, SILENT_LEVELS))
        outside = cv2.countNonZero(changed) / max(1, cv2.countNonZero(silent))
    return Change(mean, psnr, area, covered, visible, outside, _flat(rendered.image) and not _flat(image))


def is_control(anomaly: Anomaly) -> bool:
    """Whether the anomaly is a control image that should not raise an alarm."""
    return anomaly.family in CONTROLS


def problem(image: Image, rendered: Rendered, anomaly: Anomaly, scene: Scene, change: Change) -> str | None:
    """Why a drawn anomaly is invalid; None if it is valid.

    Controls need not show; everything else must change the image, where its alpha says so and nowhere else,
    must leave something of it, and objects must stand in the scene rather than on its void or its people.
    """
    if rendered.image.shape != image.shape or rendered.image.dtype != image.dtype:
        return f"became {rendered.image.shape} {rendered.image.dtype}"
    if is_control(anomaly):
        return None
    if change.mean_abs_diff == 0:
        return "changed nothing"
    if change.flat:
        return "left an image of a single colour"
    if change.covered == 0:
        return "is nowhere opaque enough to be seen"
    if change.visible < SHARE_VISIBLE:
        return f"shows on {change.visible:.1%} of the pixels it marks, at least {SHARE_VISIBLE:.0%} must"
    if change.outside > SHARE_OUTSIDE:
        return f"changed {change.outside:.2%} of the pixels it does not mark"
    return _misplaced(rendered, scene)


def _misplaced(rendered: Rendered, scene: Scene) -> str | None:
    if rendered.instances is None or scene.labels is None or rendered.alpha is None:
        return None
    marked = rendered.alpha >= ANOMALOUS
    labels = scene.labels[marked]
    if labels.size and np.count_nonzero(labels == VOID) > ON_VOID * labels.size:
        return "stands on pixels without a class"
    people = scene.where(*PEOPLE)
    if people is None or not (people & marked).any():
        return None
    count, regions = cv2.connectedComponents(people.astype(np.uint8))
    sizes = np.bincount(regions.ravel(), minlength=count)
    hidden = np.bincount(regions[marked], minlength=count)
    if (hidden[1:] > HIDDEN_PERSON * sizes[1:]).any():
        return f"hides more than {HIDDEN_PERSON:.0%} of a person"
    return None


def _flat(image: Image) -> bool:
    return bool((image[0, 0] == image[-1, -1]).all()) and bool((image == image[0, 0]).all())
