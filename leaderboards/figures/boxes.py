"""Pictures of a detector's boxes: detections classified as known, detections flagged as OoD, and labelled objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from leaderboards.figures.style import IN, OUT, save

KNOWN_OBJECT, UNKNOWN_OBJECT = "#009E73", "#B10DC9"
LEGEND: tuple[tuple[str, str, Literal["-", "--"]], ...] = (
    ("detection, classified as known", IN, "-"),
    ("detection, flagged as OoD", OUT, "-"),
    ("known object", KNOWN_OBJECT, "--"),
    ("unknown object", UNKNOWN_OBJECT, "--"),
)


@dataclass(frozen=True)
class BoxPicture:
    """One image with its boxes, x1 y1 x2 y2 in its pixels.

    Attributes:
        image: (H, W, 3) uint8 RGB. caption: above it.
        boxes, names, confidence, flagged: (N, 4), and of each detection its class, confidence and whether its OoD
            score is above the threshold.
        object_boxes, object_names: (G, 4) and the class of each labelled object, None for an unknown one.
    """

    image: NDArray[np.uint8]
    caption: str
    boxes: NDArray[np.floating]
    names: Sequence[str]
    confidence: Sequence[float]
    flagged: Sequence[bool]
    object_boxes: NDArray[np.floating]
    object_names: Sequence[str | None]


def boxes_figure(pictures: Sequence[BoxPicture], title: str, path: Path, columns: int = 3) -> None:
    """PNG with a panel per image; detections in solid lines, labelled objects dashed beneath them."""
    if not pictures:
        raise ValueError("no image to draw boxes on")
    columns = min(columns, len(pictures))
    starts = range(0, len(pictures), columns)
    shapes = [min(p.image.shape[0] / p.image.shape[1], 1.4) for p in pictures]
    heights = [5.2 * max(shapes[i : i + columns]) + 0.3 for i in starts]
    figure = Figure(figsize=(5.2 * columns, sum(heights) + 0.9), dpi=120, layout="constrained")
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    for i, picture in enumerate(pictures):
        _draw(figure.add_subplot(grid[i // columns, i % columns]), picture)
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, label=label) for label, colour, dashes in LEGEND
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(4, 2 * columns), fontsize=8, frameon=False
    )
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def _draw(axes: Axes, picture: BoxPicture) -> None:
    height, width = picture.image.shape[:2]
    axes.imshow(picture.image, interpolation="nearest", extent=(0, width, height, 0))
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    axes.set_title(picture.caption, fontsize=8, parse_math=False)
    for box, name in zip(picture.object_boxes, picture.object_names, strict=True):
        colour = UNKNOWN_OBJECT if name is None else KNOWN_OBJECT
        _box(axes, box, colour, "--", 2.4)
    rows = zip(picture.boxes, picture.names, picture.confidence, picture.flagged, strict=True)
    for box, name, sure, flagged in sorted(rows, key=lambda row: row[2]):
        colour = OUT if flagged else IN
        _box(axes, box, colour, "-", 1.6)
        axes.text(
            float(np.clip(box[0], 0, width)),
            float(np.clip(box[1], 0.04 * height, height)),
            f"{name} {sure:.2f}",
            color="white",
            fontsize=6.5,
            va="bottom",
            clip_on=True,
            parse_math=False,
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        )


def _box(axes: Axes, box: NDArray[np.floating], colour: str, dashes: str, line: float) -> None:
    x, y, right, bottom = (float(v) for v in box)
    patch = Rectangle(
        (x, y), right - x, bottom - y, fill=False, edgecolor=colour, linestyle=dashes, linewidth=line
    )
    patch.set_path_effects([withStroke(linewidth=line + 1.2, foreground="white", alpha=0.7)])
    axes.add_patch(patch)
