"""Cut-outs placed on an image one after the other: pixels, alpha, labels and instances."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.base import ANOMALOUS, Image, Map, Rendered
from anomalies.scene import VOID, Scene
from anomalies.toolkit.objects.blending import (
    colour_table,
    contact_shadow,
    distinct,
    matte,
    poisson,
    recoloured,
    refocused,
    resized_cutout,
)
from anomalies.toolkit.objects.cutout import Cutout
from anomalies.toolkit.objects.placement import Box

NOISE = 128
SURROUNDINGS = 0.35


class Collage:
    """Cut-outs on a copy of an image.

    Args:
        image: (H, W, 3) or (H, W, 1) uint8. scene: its labels, if known. blend: a tier of realism.
        anomalous: whether cut-outs must stand out from what they cover, see `blending.distinct`.
    """

    def __init__(self, image: Image, scene: Scene, blend: str, anomalous: bool = True) -> None:
        self.original, self.canvas = image, image.copy()
        self.blend, self.anomalous = blend, anomalous
        self.alpha = np.zeros(image.shape[:2], np.float32)
        self.instances = np.zeros(image.shape[:2], np.uint16)
        self.labels = None if scene.labels is None else scene.labels.copy()
        self._void = _front(scene)
        self.objects: list[str] = []
        self.boxes: list[list[int]] = []

    def add(
        self,
        cutout: Cutout,
        boxes: tuple[Box, ...],
        which: int,
        rng: np.random.Generator,
        stands: bool,
    ) -> None:
        """Paste a cut-out into one of its boxes (x0, y0, x1, y1); what is outside the image is lost.

        Args:
            boxes: of all severities. Colours are fitted to all of them, so that they are the same at every severity.
            which: the box to paste into.
            rng: of the noise. stands: whether it touches the ground there and throws a shadow.
        """
        box = boxes[which]
        noise = rng.standard_normal((NOISE, NOISE), dtype=np.float32)
        w, h = max(2, round(box[2] - box[0])), max(2, round(box[3] - box[1]))
        x0, y0 = round((box[0] + box[2] - w) / 2), round(box[3]) - h
        pad = max(2, round(SURROUNDINGS * max(h, 0.35 * w)))
        rgba = resized_cutout(self._coloured(cutout.rgba, boxes), (h, w))
        frame = (y0 - pad, x0 - pad, h + 2 * pad, w + 2 * pad)
        part, inner = _overlap(frame, self.alpha.shape)
        if part is None or inner is None:
            return
        opaque: Any = rgba[..., 3].astype(np.float32) / np.float32(255)
        alpha: Any = matte(_bordered(opaque, pad), self.blend, len(self.alpha))
        shadow: Any = contact_shadow(opaque, pad) if stands else 0 * alpha
        rgb: Any = cv2.copyMakeBorder(rgba[..., :3], pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        alpha, shadow, rgb = alpha[inner], shadow[inner], np.ascontiguousarray(rgb[inner])
        if self.blend in ("hard", "feather"):
            shadow = 0 * shadow
        if self._void is not None:
            alpha, shadow = alpha * ~self._void[part], shadow * ~self._void[part]
        under = _rgb(self.canvas[part])
        self._compose(part, under, self._fitted(rgb, alpha, under, noise), alpha, shadow)
        self._record(cutout, part, inner, (h, w, pad), alpha)

    def _coloured(self, rgba: Image, boxes: tuple[Box, ...]) -> Image:
        opaque = np.where(rgba[..., 3] >= 128, np.uint8(255), np.uint8(0))
        rgb = np.ascontiguousarray(rgba[..., :3])
        if self.blend == "matched":
            rgb = recoloured(rgb, colour_table(rgb, opaque, self._covered(boxes[len(boxes) // 2])))
        if self.anomalous:
            rgb = distinct(rgb, opaque, [self._covered(box) for box in boxes], self.alpha.size)
        return np.dstack((rgb, rgba[..., 3]))

    def _covered(self, box: Box) -> Image:
        """The original image in a box."""
        h, w = self.original.shape[:2]
        x0, y0 = max(0, min(round(box[0]), w - 2)), max(0, min(round(box[1]), h - 2))
        x1, y1 = min(w, max(round(box[2]), x0 + 2)), min(h, max(round(box[3]), y0 + 2))
        return _rgb(self.original[y0:y1, x0:x1])

    def _fitted(self, rgb: Image, alpha: Map, under: Image, noise: Map) -> Image:
        inside = alpha >= ANOMALOUS
        if self.blend in ("hard", "feather") or not inside.any():
            return rgb
        rgb = refocused(rgb, inside, under, noise)
        return poisson(rgb, alpha, under) if self.blend == "poisson" else rgb

    def _compose(self, part: Any, under: Image, rgb: Image, alpha: Map, shadow: Map) -> None:
        most = np.maximum(alpha, shadow)
        x, y, w, h = cv2.boundingRect((most > 0).view(np.uint8))
        box = (slice(y, y + h), slice(x, x + w))
        part = (_within(part[0], y, h), _within(part[1], x, w))
        under, rgb, alpha, shadow, most = (
            np.ascontiguousarray(a[box]) for a in (under, rgb, alpha, shadow, most)
        )
        if not most.size:
            return
        if shadow.any():
            dimmed: Any = cv2.blendLinear(np.zeros_like(under), under, shadow, 1 - shadow)
            under = dimmed
        mixed: Any = cv2.blendLinear(rgb, under, alpha, 1 - alpha)
        if self.canvas.shape[2] == 1:
            mixed = cv2.cvtColor(mixed, cv2.COLOR_RGB2GRAY)[..., None]
        self.canvas[part] = mixed
        self.alpha[part] = np.maximum(self.alpha[part], most)

    def _record(self, cutout: Cutout, part: Any, inner: Any, size: tuple[int, int, int], alpha: Map) -> None:
        h, w, pad = size
        solid = alpha >= ANOMALOUS
        self.objects.append(cutout.name)
        self.instances[part][solid] = len(self.objects)
        rows, columns = (np.flatnonzero(solid.any(axis=axis)) for axis in (1, 0))
        corner = (part[1].start, part[0].start)
        self.boxes.append(
            [
                corner[0] + int(columns[0]),
                corner[1] + int(rows[0]),
                corner[0] + int(columns[-1]) + 1,
                corner[1] + int(rows[-1]) + 1,
            ]
            if len(rows)
            else [0, 0, 0, 0]
        )
        if self.labels is None:
            return
        if cutout.labels is None:
            self.labels[part][solid] = VOID
            return
        ids = cv2.resize(cutout.labels, (w, h), interpolation=cv2.INTER_NEAREST)
        ids = cv2.copyMakeBorder(ids, pad, pad, pad, pad, cv2.BORDER_REPLICATE)[inner]
        self.labels[part][solid] = ids[solid]

    def rendered(self, **details: Any) -> Rendered:
        """The anomalous image, with names, boxes and blend among its details."""
        found = {"objects": self.objects, "boxes": self.boxes, "blend": self.blend, **details}
        return Rendered(self.canvas, self.alpha, self.labels, self.instances, details=found)


def _front(scene: Scene) -> NDArray[np.bool_] | None:
    """Void regions that nothing can stand in front of: the own vehicle, borders; not the thin void between
    classes.
    """
    void = scene.void
    if void is None or not void.any():
        return None
    h = len(void)
    step = max(1, h // 128)
    small = np.ascontiguousarray(void[::step, ::step]).astype(np.uint8)
    width = 2 * max(1, len(small) // 48) + 1
    framed = cv2.copyMakeBorder(small, width, width, width, width, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(framed, cv2.MORPH_OPEN, np.ones((width, width), np.uint8))
    parts = cv2.connectedComponents(opened)[1][width:-width, width:-width]
    edges = np.unique(np.concatenate((parts[0], parts[-1], parts[:, 0], parts[:, -1])))
    front = np.isin(parts, edges[edges > 0])
    if not front.any():
        return None
    large = cv2.dilate(front.astype(np.uint8), np.ones((3, 3), np.uint8))
    wide = cv2.resize(large, (void.shape[1], h), interpolation=cv2.INTER_NEAREST)
    found: NDArray[np.bool_] = void & (wide > 0)
    return found


def _bordered(alpha: Map, pad: int) -> Map:
    bordered: Any = cv2.copyMakeBorder(alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    return bordered


def _rgb(part: Image) -> Image:
    return np.ascontiguousarray(part) if part.shape[2] == 3 else np.repeat(part, 3, axis=2)


def _within(whole: slice, first: int, size: int) -> slice:
    return slice(whole.start + first, whole.start + first + size)


def _overlap(frame: tuple[int, int, int, int], shape: tuple[int, ...]) -> Any:
    """Slices of the image and of the frame (row, column, h, w) where the two overlap; None if nowhere."""
    y, x, h, w = frame
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + h, shape[0]), min(x + w, shape[1])
    if top >= bottom or left >= right:
        return None, None
    return (
        (slice(top, bottom), slice(left, right)),
        (slice(top - y, bottom - y), slice(left - x, right - x)),
    )
