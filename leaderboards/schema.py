"""The result of one run of one method at one level; tables are built from results alone.

A level says what the rows are that a method scored: images, pixels of images with anomaly masks, or detected objects.
All levels share one schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCHEMA = 2
IMAGE, PIXEL, OBJECT = LEVELS = ("image", "pixel", "object")


@dataclass(frozen=True)
class MetricValue:
    """A metric and its 95 % interval; None: it has none, `Intervals.failure` says why."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Intervals:
    """What the intervals of a cell rest on.

    Attributes:
        sequences: how many sequences of two images and more are known, of in-distribution and of OoD images; at the
            pixel level of OoD images alone.
        block_length: images that follow each other and are resampled as one; 1: images, or their sources.
        blocks: independent images or blocks of the side that has fewest.
        failure: why there are no intervals.
    """

    sequences: list[int]
    block_length: int
    blocks: float
    failure: str | None = None


@dataclass(frozen=True)
class IndInfo:
    """The in-distribution set, its three parts, and how well the network does on its test part and, where that was
    measured, on the part that thresholds come from.

    Attributes:
        left_out: keys of images that are no part of it because they cannot be read.
    """

    name: str
    task: str
    origin: str
    fingerprint: str
    n_fit: int
    n_val: int
    n_test: int
    network_metrics: dict[str, float]
    validation_metrics: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stratum:
    """A part of an OoD set against all in-distribution images: the images of a kind of anomaly, of a severity,
    or of both; no metrics where there are too few of them (n).
    """

    kind: str | None
    severity: int | None
    n: int
    metrics: dict[str, MetricValue]


@dataclass(frozen=True)
class Block:
    """Metrics beside a cell's main ones, over other rows (n): means over images at the pixel level ("image-means"),
    unknown objects at the object level ("open-set"); ``failure`` says why there are none.
    """

    n: int
    metrics: dict[str, MetricValue]
    failure: str | None = None


@dataclass(frozen=True)
class OodCell:
    """One method on one OoD set: metrics, or the reason why there are none.

    Attributes:
        n_in, n_out: in-distribution and OoD rows that the metrics compare; at the pixel level pixels that are not
            anomalous and anomalous ones, of the OoD set's images.
        naive: AUROC of the naive baseline on the same images; None: it did not run, or another level.
        strata: the same by kind of anomaly and severity where anomalies were drawn.
        n_images: images of the OoD set that were evaluated; None: not recorded (schema 1 of the image level).
        counts: pixels "ignored"; unknown objects "unknown" = "flagged" + "taken" (for known) + "missed".
        chance: {metric: what a random score reaches}, where that depends on the set.
        blocks: {"image-means", "open-set": further metrics}.
        left_out: keys of images of the set that were not evaluated because they cannot be read.
        intervals: what they rest on; None: not recorded, images were taken as independent.
        synthetic: "noise", "anomalies" (drawn on images of another set) or "".
    """

    name: str
    origin: str
    fingerprint: str
    n_in: int
    n_out: int
    metrics: dict[str, MetricValue]
    failure: str | None
    naive: float | None = None
    strata: list[Stratum] = field(default_factory=list)
    n_images: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    intervals: Intervals | None = None
    synthetic: str = ""


@dataclass(frozen=True)
class ThresholdInfo:
    """Alarm when score > value; chosen on n_calibration in-distribution images for the given rate. 0 of them: the
    method fixes its threshold itself, for no rate.
    """

    value: float
    false_alarm_rate: float
    n_calibration: int


@dataclass(frozen=True)
class NetworkInfo:
    """The network under test; ``checkpoint`` is the sha256 of its weights, ``notes`` belong on every page."""

    name: str
    checkpoint: str
    parameters: int
    latent_layer: str
    options: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cost:
    """What a method cost; None: not recorded.

    Attributes:
        fit_seconds: of fit, tuning and calibration. score_seconds: of scoring the rows of every set of the run; results
            of earlier versions: with metrics and their intervals; None where scores are made during the pass (pixels).
            Both without passes over images, also those of this method alone.
        peak_memory_mb: of the process, or of the GPU's allocator, from the start of the run to the end of the method.
        images_forwarded: of the whole run, by phase; the same for all its methods.
        training_seconds: of the network and of those the method needs beside it; None also where a checkpoint was
            given.
        pass_seconds: of all passes over images of the run, the same for all its methods.
    """

    fit_seconds: float | None = None
    score_seconds: float | None = None
    peak_memory_mb: float | None = None
    images_forwarded: dict[str, int] = field(default_factory=dict)
    training_seconds: float | None = None
    pass_seconds: float | None = None


@dataclass(frozen=True)
class Environment:
    """Versions and hardware."""

    python: str
    torch: str
    lightning: str
    device: str
    threads: int
    platform: str


@dataclass(frozen=True)
class Result:
    """One run of one method at one level on one network.

    Attributes:
        level: "image", "pixel" or "object".
        method: as typed; paper: its source, "" where it was not recorded.
        n_fit: rows it was fitted on; None: not recorded.
        settings: of the method and of the run; "image_size" is (H, W) of the network's input.
        run_id: of `leaderboards.run_identity` when the result was written; "" where it was not recorded.
        rescored: version and commit that computed the metrics from the stored scores, where that was done later.
    """

    level: str
    method: str
    paper: str
    protocol: str
    seed: int
    ind: IndInfo
    ood: list[OodCell]
    threshold: ThresholdInfo | None
    network: NetworkInfo
    settings: dict[str, Any]
    cost: Cost
    environment: Environment
    created: str
    command: str
    version: str
    git: str | None
    n_fit: int | None = None
    run_id: str = ""
    rescored: str = ""
    schema: int = SCHEMA
