"""Outputs of a drawn anomaly besides the image: maps, labels and the description for the manifest."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from anomalies.drawing import AnomalousImage
from anomalies.sets.manifest import Record
from anomalies.sets.source import SourceImage
from anomalies.validity import is_control


def maps_of(drawn: AnomalousImage, kind: int) -> dict[str, NDArray[Any]]:
    """The maps of an anomalous image: "mask" 0/1/255, "kind" (index where the mask is 1), "alpha" (opacity x
    255), "instances" uint16, "soiling" 0 to 3; only those it has.
    """
    maps: dict[str, NDArray[Any]] = {}
    rendered, marked = drawn.rendered, drawn.mask
    if marked is not None and rendered.alpha is not None:
        maps["mask"] = marked
        maps["kind"] = cv2.LUT(marked, np.where(np.arange(256) == 1, kind, 0).astype(np.uint8))
        maps["alpha"] = cv2.convertScaleAbs(rendered.alpha, alpha=255)
    if rendered.instances is not None:
        maps["instances"] = rendered.instances.astype(np.uint16, copy=False)
    if rendered.soiling is not None:
        maps["soiling"] = rendered.soiling
    return maps


def updated_labels(
    drawn: AnomalousImage, item: SourceImage, file_ids: NDArray[np.uint8] | None
) -> NDArray[np.uint8] | None:
    """(H, W) ids of the source's label files for the new image; None without label files. Pixels whose class
    did not change keep the id they have in the file.
    """
    if item.label_ids is None or item.labels is None or file_ids is None:
        return None
    if drawn.rendered.labels is None:
        return item.label_ids
    new = drawn.rendered.labels
    ids: Any = cv2.LUT(new, file_ids)
    np.copyto(ids, item.label_ids, where=new == item.labels)
    return ids


def describe(drawn: AnomalousImage, item: SourceImage) -> Record:
    """What was drawn, for the manifest."""
    anomaly, change, rendered = drawn.anomaly, drawn.change, drawn.rendered
    parameters = asdict(anomaly)
    severity = parameters.pop("severity")
    details = dict(rendered.details)
    moved = 0
    if rendered.labels is not None and item.labels is not None:
        moved = int(np.count_nonzero(rendered.labels != item.labels))
    record: Record = {
        "kind": drawn.kind,
        "kinds": [drawn.kind],
        "family": anomaly.family,
        "level": anomaly.level,
        "kind_version": anomaly.version,
        "severity": severity,
        "attempt": drawn.attempt,
        "params": parameters,
        "details": details,
        "blend": _as_text(details.get("blend", parameters.get("blend", parameters.get("tier")))),
        "asset_id": _as_text(details.get("asset_id", details.get("asset"))),
        "asset_licence": _as_text(details.get("asset_licence", details.get("licence"))),
        "is_control": is_control(anomaly),
        "label_delta_px": moved,
        **boxes_of(rendered.instances),
    }
    if change is not None:
        record |= {
            "area_frac": change.area,
            "covered_frac": change.covered,
            "mean_abs_diff": change.mean_abs_diff,
            "psnr": change.psnr if math.isfinite(change.psnr) else None,
            "changed_outside_mask": change.outside,
        }
    return record


def boxes_of(instances: NDArray[np.uint16] | None) -> Record:
    """Number of objects and their boxes [x, y, width, height] in pixels."""
    if instances is None:
        return {"instances": 0, "bboxes": []}
    boxes = [
        list(cv2.boundingRect(cv2.inRange(instances, number, number)))
        for number in range(1, int(instances.max(initial=0)) + 1)
    ]
    found = [box for box in boxes if box[2]]
    return {"instances": len(found), "bboxes": found}


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)
