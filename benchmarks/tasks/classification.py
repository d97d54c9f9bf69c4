"""Classification of whole images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.tasks.base import Task

if TYPE_CHECKING:
    from lsood.extraction.measurement import Measurement


class Classification(Task):
    """One class per image."""

    task: ClassVar[str] = "classification"
    default_methods: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "image": ("msp", "odin", "mahalanobis", "fssd", "deep-ensemble", "lared", "larem"),
    }
    training_config: ClassVar[Mapping[str, Any]] = {
        "epochs": 30,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.2,
        "weight_decay": 5e-4,
    }
    miniature_training_config: ClassVar[Mapping[str, Any]] = {
        "epochs": 8,
        "batch_size": 64,
        "optimizer": "adam",
        "lr": 3e-3,
        "weight_decay": 1e-4,
    }

    @classmethod
    def network_metrics(cls, test: Measurement) -> dict[str, float]:
        """Accuracy."""
        right = test.images["logits"].argmax(1) == test.images["labels"]
        right = right[test.images["labels"] >= 0]
        return {"accuracy": float(right.double().mean())} if len(right) else {}
