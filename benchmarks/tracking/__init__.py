"""Curves, metrics and provenance of a run in MLflow and TensorBoard, beside the files that every run writes."""

from benchmarks.tracking.base import TRACKERS, Tracker, check_trackers, current_tracker, tracking

__all__ = ["TRACKERS", "Tracker", "check_trackers", "current_tracker", "tracking"]
