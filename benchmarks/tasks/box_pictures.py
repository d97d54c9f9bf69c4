"""Pictures of what a detector sees in every OoD set, one file per set, beside the object-level results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.tasks.objects import CORNERS, ObjectScored
from datamodules import BenchmarkDataModule, ImageSet, Subset
from leaderboards.figures.boxes import BoxPicture, boxes_figure
from leaderboards.object_schema import FOLDER
from leaderboards.tables.object_page import picture_name
from lsood.probes.objects import image_of

IMAGES = 6


def write(
    evaluation: Evaluation, scored: Mapping[str, ObjectScored], confidence: float, results: Path
) -> list[Path]:
    """Draw the first six images of every OoD set with the detections that were scored, flagged by the first method that
    has a threshold; nothing where there is none.

    Args:
        confidence: class probability of the scored detections, for the title.
    """
    judge = next((name for name, one in scored.items() if one.threshold is not None), None)
    if judge is None:
        return []
    paths = []
    for name, images in evaluation.data.ood_sets.items():
        path = results / FOLDER / picture_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        title = f"{name}: detections of confidence {confidence:g} and more, flagged by {judge}"
        boxes_figure(_pictures(evaluation.data, name, images, scored[judge]), title, path)
        paths.append(path)
    return paths


def _pictures(
    data: BenchmarkDataModule, name: str, images: ImageSet, scored: ObjectScored
) -> list[BoxPicture]:
    found = scored.scores[scored.scores["set"] == name]
    owner = found["key"].map(image_of)
    mean, std = (torch.tensor(v)[:, None, None] for v in (data.mean, data.std))
    pictures = []
    for batch in data.loader(Subset(images, list(range(min(IMAGES, len(images)))))):
        for pixels, target, key in zip(batch["image"], batch["target"], batch["key"], strict=True):
            own = found[owner == key]
            levels = ((pixels * std + mean) * 255).round().clamp(0, 255).byte()
            pictures.append(
                BoxPicture(
                    image=levels.expand(3, -1, -1).permute(1, 2, 0).numpy(),
                    caption=key,
                    boxes=own[list(CORNERS)].to_numpy(np.float64),
                    names=[data.class_names[int(c)] for c in own["predicted"]],
                    confidence=own["confidence"].tolist(),
                    flagged=(own["score"] > scored.threshold).tolist(),
                    object_boxes=target["boxes"].double().numpy(),
                    object_names=[data.class_names[c] if c >= 0 else None for c in target["labels"].tolist()],
                )
            )
    return pictures
