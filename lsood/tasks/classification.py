"""Classification: one vector of logits and one class per image."""

from __future__ import annotations

from typing import ClassVar

from lsood.probes.base import ModelInfo, Probe
from lsood.probes.logits import Logits
from lsood.tasks.base import Task


class Classification(Task):
    """One class per image."""

    task: ClassVar[str] = "classification"
    classified: ClassVar[bool] = True

    @classmethod
    def probes(cls, model_info: ModelInfo) -> list[Probe]:
        return [Logits()]
