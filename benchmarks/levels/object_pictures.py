"""Pictures of a detector's boxes on every OoD set, one file per set, beside the object-level results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.pipeline.scored import Scored
from datamodules import BenchmarkDataModule, ImageSet, Subset
from leaderboards.figures.boxes import BoxPicture, boxes_figure
from leaderboards.store import box_picture_path
from lsood.probes.objects import image_of

IMAGES = 6
CORNERS = ["x1", "y1", "x2", "y2"]


def write(
    data: BenchmarkDataModule, scored: Sequence[Scored], confidence: float, results: Path
) -> list[Path]:
    """Draw the first six images of every OoD set with the detections that were scored, flagged by the first method that
    has a threshold; nothing where there is none.

    Args:
        confidence: class probability of the scored detections, for the title.
    """
    first = next((one for one in scored if one.threshold is not None), None)
    if first is None or first.scores is None:
        return []
    paths = []
    for name, images in data.ood_sets.items():
        path = box_picture_path(results, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"{name}: detections of confidence {confidence:g} and more, flagged by {first.method}"
        boxes_figure(_pictures(data, name, images, first.scores, first.threshold), title, path)
        paths.append(path)
    return paths


def _pictures(
    data: BenchmarkDataModule, name: str, images: ImageSet, scores: pd.DataFrame, threshold: float | None
) -> list[BoxPicture]:
    found = scores[scores["set"] == name]
    owner = found["key"].map(image_of)
    mean, std = (torch.tensor(v)[:, None, None] for v in (data.mean, data.std))
    pictures = []
    for batch in data.loader(Subset(images, list(range(min(IMAGES, len(images)))))):
        for pixels, target, key in zip(batch["image"], batch["target"], batch["key"], strict=True):
            own = found[owner == key]
            values = ((pixels * std + mean) * 255).round().clamp(0, 255).byte()
            pictures.append(
                BoxPicture(
                    image=values.expand(3, -1, -1).permute(1, 2, 0).numpy(),
                    caption=key,
                    boxes=own[CORNERS].to_numpy(np.float64),
                    names=[data.class_names[int(c)] for c in own["predicted"]],
                    confidence=own["confidence"].tolist(),
                    flagged=(own["score"] > threshold).tolist(),
                    object_boxes=target["boxes"].double().numpy(),
                    object_names=[data.class_names[c] if c >= 0 else None for c in target["labels"].tolist()],
                )
            )
    return pictures
