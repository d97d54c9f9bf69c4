"""Anomalies as transforms of albumentations 2.0.8. Needs the package; everything else here does not.

With a ``key`` (text) beside the image, it gets the pixels that a recipe with that seed gives to the image of that
key. Without, the pipeline's own random numbers decide: seed them with ``A.Compose(..., seed=)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import albumentations as A
import cv2
import numpy as np
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from anomalies.base import SEVERITIES, Anomaly, Rendered
from anomalies.base import mask as anomaly_mask
from anomalies.kinds.geometric._warp import Warp
from anomalies.registry import ANOMALIES, create
from anomalies.rng import generator
from anomalies.scene import Scene
from anomalies.toolkit.warping import Maps, warp

MASKS = ("labels", "anomaly")


def transform(
    kind: str,
    severity: int | tuple[int, ...] = SEVERITIES,
    p: float = 0.5,
    parameters: dict[str, Any] | None = None,
    seed: int = 0,
    classes: tuple[str, ...] = (),
    mask: str = "labels",
) -> A.BasicTransform:
    """An anomaly's transform, see `AnomalyTransform` and `AnomalyWithMask`.

    Raises:
        ValueError: unknown kind or severity, parameters the kind does not have.
    """
    if kind in ANOMALIES and ANOMALIES[kind].level == "image" and not issubclass(ANOMALIES[kind], Warp):
        return AnomalyTransform(kind, severity, parameters, seed, classes, p)
    return AnomalyWithMask(kind, severity, parameters, seed, classes, mask, p)


class _Drawing:
    """What both transforms share: which anomaly, which random numbers, which scene."""

    kind: str
    severity: Any
    parameters: dict[str, Any] | None
    data_seed: int
    classes: tuple[str, ...]
    random_generator: np.random.Generator

    def prepare(self) -> None:
        """Raise ValueError for what no anomaly accepts, before any image comes."""
        for severity in self.severities:
            create(self.kind, severity, **(self.parameters or {}))

    @property
    def severities(self) -> tuple[int, ...]:
        return tuple(self.severity) if isinstance(self.severity, list | tuple) else (self.severity,)

    def chosen(self, data: dict[str, Any]) -> tuple[Anomaly, Callable[[], np.random.Generator], Scene]:
        """Anomaly, its random generator (new at each call), and what the mask tells about the scene."""
        which, number = self.random_generator.random(), int(self.random_generator.integers(2**32))
        severity = self.severities[int(which * len(self.severities))]
        key, seed = data.get("key"), self.data_seed
        name, base = (key, seed) if isinstance(key, str) else ("", number)
        labels, shape = data.get("mask"), data["image"].shape[:2]
        if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8 or labels.shape != shape:
            labels = None
        scene = Scene(labels, tuple(self.classes))
        return (
            create(self.kind, severity, **(self.parameters or {})),
            lambda: generator(base, self.kind, name),
            scene,
        )


class AnomalyTransform(_Drawing, A.ImageOnlyTransform):
    """An anomaly of the whole image that leaves everything in its place: masks, boxes and key points stay.

    Args:
        kind: a key of `anomalies.ANOMALIES`. severity: one, or several to draw from.
        parameters: of the kind.
        data_seed: with the image's ``key``, see above.
        classes: names of the training ids, if the ``mask`` target has labels that the kind may use.
        p: how often.
    """

    class InitSchema(A.ImageOnlyTransform.InitSchema):
        kind: str
        severity: int | tuple[int, ...] | list[int]
        parameters: dict[str, Any] | None
        data_seed: int
        classes: tuple[str, ...] | list[str]

    def __init__(
        self,
        kind: str = "fog",
        severity: Any = SEVERITIES,
        parameters: dict[str, Any] | None = None,
        data_seed: int = 0,
        classes: Any = (),
        p: float = 0.5,
    ):
        super().__init__(p=p)
        self.kind, self.severity, self.parameters = kind, severity, parameters
        self.data_seed, self.classes = data_seed, classes
        self.prepare()

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        anomaly, numbers, scene = self.chosen(data)
        return {"anomaly": anomaly, "numbers": numbers, "scene": scene}

    def apply(self, img: NDArray[Any], *args: Any, **params: Any) -> NDArray[Any]:
        return _rendered(img, params["anomaly"], params["numbers"](), params["scene"]).image.reshape(
            img.shape
        )


class AnomalyWithMask(_Drawing, A.DualTransform):
    """An anomaly that moves pixels or that has a mask. Boxes and key points move with the image.

    Args:
        mask: what becomes of the ``mask`` target: "labels" (warped with the image, 255 under objects and outside) or
            "anomaly" (1 anomalous, 255 to be ignored, 0 not; all 1 where the whole image is).
        others: see `AnomalyTransform`.

    Raises:
        ValueError: another mask.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES, Targets.KEYPOINTS)

    class InitSchema(AnomalyTransform.InitSchema):
        mask: str

    def __init__(
        self,
        kind: str = "mud",
        severity: Any = SEVERITIES,
        parameters: dict[str, Any] | None = None,
        data_seed: int = 0,
        classes: Any = (),
        mask: str = "labels",
        p: float = 0.5,
    ):
        super().__init__(p=p)
        self.kind, self.severity, self.parameters = kind, severity, parameters
        self.data_seed, self.classes, self.mask = data_seed, classes, mask
        if mask not in MASKS:
            raise ValueError(f"{kind}: mask must be one of {', '.join(MASKS)}, got {mask!r}")
        self.prepare()

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        anomaly, numbers, scene = self.chosen(data)
        rendered, shape = _rendered(data["image"], anomaly, numbers(), scene), data["image"].shape[:2]
        maps = anomaly.source(numbers(), shape)[0] if isinstance(anomaly, Warp) else None
        return {"rendered": rendered, "maps": maps, "scene": scene}

    def apply(self, img: NDArray[Any], *args: Any, **params: Any) -> NDArray[Any]:
        return params["rendered"].image.reshape(img.shape)

    def apply_to_mask(self, mask: NDArray[Any], *args: Any, **params: Any) -> NDArray[Any]:
        rendered, maps = params["rendered"], params["maps"]
        if self.mask == "anomaly":
            alpha = rendered.alpha
            return (
                np.ones(mask.shape[:2], np.uint8) if alpha is None else anomaly_mask(alpha, params["scene"])
            )
        if maps is not None:
            return _moved_mask(mask, maps)
        return mask if rendered.labels is None else rendered.labels

    def apply_to_bboxes(self, bboxes: NDArray[Any], *args: Any, **params: Any) -> NDArray[Any]:
        return bboxes if params["maps"] is None else _moved_boxes(bboxes, params["maps"])

    def apply_to_keypoints(self, keypoints: NDArray[Any], *args: Any, **params: Any) -> NDArray[Any]:
        return keypoints if params["maps"] is None else _moved_points(keypoints, params["maps"])


def _rendered(image: NDArray[Any], anomaly: Anomaly, rng: np.random.Generator, scene: Scene) -> Rendered:
    return anomaly.render(image[..., None] if image.ndim == 2 else image, rng, scene)


def _moved_mask(mask: NDArray[Any], maps: Maps) -> NDArray[Any]:
    if mask.dtype == np.uint8 and mask.ndim == 2:
        moved = warp(mask[..., None], mask, maps)[1]
        return mask if moved is None else moved
    return np.asarray(cv2.remap(mask, *maps, cv2.INTER_NEAREST)).reshape(mask.shape)


def _moved_boxes(boxes: NDArray[Any], maps: Maps) -> NDArray[Any]:
    """(N, 4 + ...) in parts of width and height: around all pixels that come from the box."""
    columns, rows = maps
    h, w = columns.shape
    moved = boxes.copy()
    for box in moved:
        left, top, right, bottom = box[:4] * (w, h, w, h)
        inside = (
            (columns + 0.5 >= left) & (columns + 0.5 <= right) & (rows + 0.5 >= top) & (rows + 0.5 <= bottom)
        )
        y, x = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        box[:4] = (x[0] / w, y[0] / h, (x[-1] + 1) / w, (y[-1] + 1) / h) if x.size else 0
    return moved


def _moved_points(points: NDArray[Any], maps: Maps) -> NDArray[Any]:
    """(N, 2 + ...) in pixels: the pixel that comes from the nearest place; outside the image where none does."""
    columns, rows = maps
    moved = points.copy()
    for point in moved:
        distance = (columns - point[0]) ** 2 + (rows - point[1]) ** 2
        y, x = np.unravel_index(np.argmin(distance), distance.shape)
        point[:2] = (x, y) if distance[y, x] < 2 else (-1, -1)
    return moved
