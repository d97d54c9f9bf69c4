"""What becomes of unknown objects; computed by `lsood.metrics.open_set.evaluation`."""

from __future__ import annotations

from lsood.metrics.metric import Metric

METRICS = (
    Metric(
        "unknown_recall", "R_U", "higher", 0, "share of unknown objects that a detection flagged as OoD finds"
    ),
    Metric(
        "unknown_precision",
        "P_U",
        "higher",
        1,
        "share of flagged detections that find one; too low if some are unlabelled",
    ),
    Metric(
        "unknown_ap",
        "AP_U",
        "higher",
        2,
        "area under P_U over R_U when detections are ranked by their OoD score",
    ),
    Metric(
        "nose",
        "nOSE",
        "lower",
        3,
        "A-OSE per unknown object; above 100 where objects are detected several times",
        highest=None,
    ),
    Metric(
        "aose",
        "A-OSE",
        "lower",
        4,
        "number of detections on unknown objects that are not flagged but claim a known class",
        count=True,
        highest=None,
    ),
    Metric(
        "wi",
        "WI",
        "lower",
        5,
        "wilderness impact: these errors per detection kept on in-distribution images, each class at 80 % recall",
        highest=None,
    ),
    Metric("missed", "missed", "lower", 6, "share of unknown objects that no detection finds"),
    Metric(
        "taken_for_known",
        "classified as known",
        "lower",
        7,
        "share found only by detections of a known class",
    ),
)
