"""Metrics of components at the threshold of the highest F1; computed by `lsood.metrics.components`."""

from __future__ import annotations

from lsood.metrics.metric import Metric

SIOU = Metric("siou", "sIoU", "higher", 4, "mean overlap of true components")
PPV = Metric("ppv", "PPV", "higher", 5, "mean precision of predicted components")
F1 = Metric("f1_components", "F1 comp.", "higher", 6, "mean over eleven overlap thresholds")
