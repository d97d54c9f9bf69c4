"""What probes and methods must know of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from lsood.probes.base import ModelInfo, Probe


@dataclass(frozen=True)
class MeanScores:
    """Scores of logits averaged over what an image has many of: pixels or detections.

    Attributes:
        probe: measures (B, S), the S means of every image. scores: their names. of: "pixel" or "detection".
        over: alternatives of what is averaged over, each with S columns of its own, the first is the default.
    """

    probe: Probe
    scores: Sequence[str]
    of: str
    over: Sequence[str] = ("",)

    def column(self, score: str, over: str | None = None) -> int:
        """Where the mean of a score is among the columns of the probe."""
        return len(self.scores) * list(self.over).index(over or self.over[0]) + list(self.scores).index(score)


class Task:
    """A task; subclasses set ``task`` to its name.

    Attributes:
        classified: whether every image has one class, so that fit images come with labels.
        equal_shapes: whether all images have one size, so that feature maps can be compared with those of noise images.
    """

    task: ClassVar[str]
    classified: ClassVar[bool] = False
    equal_shapes: ClassVar[bool] = True

    @classmethod
    def mean_scores(cls) -> MeanScores | None:
        """How an image gets one score of logits; None: it has one vector of logits."""
        return None

    @classmethod
    def probes(cls, model_info: ModelInfo) -> list[Probe]:
        """What the network's output gives every method."""
        raise NotImplementedError(cls.task)
