"""Street scenes through a fisheye lens, as WoodScape's cameras see them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.miniature.street.scene import Scene, render

RENDERED = (300, 520)


def lens(size: tuple[int, int], source: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row in the pinhole frame (source H, W) for every pixel of the fisheye frame (H, W): r = f
    tan(theta), theta ~ r'.
    """
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (columns - width / 2) / (width / 2), (rows - height * 0.5) / (width / 2)
    reach = np.sqrt(x * x + y * y)
    theta = np.clip(reach * 1.08, 0, 1.35)
    factor = np.where(reach > 1e-6, np.tan(theta) / np.maximum(reach, 1e-6), 1.0) * 0.30
    return (
        (source[1] / 2 + x * factor * source[1] * 0.72).astype(np.float32),
        (source[0] * 0.44 + y * factor * source[1] * 0.72).astype(np.float32),
    )


def render_fisheye(random: np.random.Generator, size: tuple[int, int] = (242, 320)) -> Scene:
    """A frame of ``size``; labels are resampled with nearest neighbour, what the lens cannot see is black and
    void (0).
    """
    scene = render(random, RENDERED, ego=False)
    columns, rows = lens(size, RENDERED)
    image = cv2.remap(scene.image, columns, rows, cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT)
    pick = {"interpolation": cv2.INTER_NEAREST, "borderMode": cv2.BORDER_CONSTANT}
    labels = cv2.remap(scene.labels, columns, rows, **pick)  # type: ignore[call-overload]
    instances = cv2.remap(scene.instances.astype(np.float32), columns, rows, **pick).astype(np.int32)  # type: ignore[call-overload]
    return Scene(image, labels, instances, scene.weather, scene.timeofday, scene.place)  # type: ignore[arg-type]
