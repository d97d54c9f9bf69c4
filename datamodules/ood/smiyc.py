"""SegmentMeIfYouCan (Chan et al., NeurIPS 2021): frames of road scenes with masks of unknown objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from datamodules.formats.folders import with_masks
from datamodules.ood.base import OODSet

SOURCE = "https://segmentmeifyoucan.com/datasets"
ANOMALY_TRACK = ("dataset_AnomalyTrack", "road_anomaly21")
OBSTACLE_TRACK = ("dataset_ObstacleTrack", "road_obstacle21")
LAYOUT = "{0}/images/*.jpg with {0}/labels_masks/*_labels_semantic.png"


def _there(folders: tuple[str, ...], folder: Path) -> bool:
    return (folder / "images").is_dir() and (folder / "labels_masks").is_dir() and folder.name in folders


def _mask_of(image: Path) -> Path:
    folder = image.parents[1] / "labels_masks"
    semantic = folder / f"{image.stem}_labels_semantic.png"
    plain = folder / f"{image.stem}.png"
    return plain if plain.is_file() and not semantic.is_file() else semantic


def _masks_of(folder: Path) -> Callable[[Path], Path]:
    return _mask_of


ROAD_ANOMALY = OODSet(
    name="road-anomaly-21",
    description="RoadAnomaly21, 10 frames with masks",
    folders=ANOMALY_TRACK,
    source=SOURCE,
    layout=LAYOUT.format(ANOMALY_TRACK[0]),
    there=partial(_there, ANOMALY_TRACK),
    read=with_masks("road-anomaly-21", 10, "images", _masks_of),
    smallest_components=(500, 100),
)
ROAD_OBSTACLE = OODSet(
    name="road-obstacle-21",
    description="RoadObstacle21, 30 frames with masks",
    folders=OBSTACLE_TRACK,
    source=SOURCE,
    layout=LAYOUT.format(OBSTACLE_TRACK[0]),
    there=partial(_there, OBSTACLE_TRACK),
    read=with_masks("road-obstacle-21", 30, "images", _masks_of),
    smallest_components=(50, 10),
)
