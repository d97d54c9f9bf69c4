"""Files of detections as the network of a run."""

from __future__ import annotations

from benchmarks.pipeline.config import Settings
from benchmarks.predictions.extraction import StatedExtraction, Watch
from benchmarks.predictions.files import read_predictions
from benchmarks.predictions.images import placed
from benchmarks.predictions.network import StatedDetector, head_of
from benchmarks.under_test.cached import Trained
from datamodules import BenchmarkDataModule, cache_dir


def stated(settings: Settings, data: BenchmarkDataModule, watch: Watch) -> tuple[Trained, StatedExtraction]:
    """What stands for the trained network, and what measures sets.

    Args:
        data: set up. watch: see `benchmarks.pipeline.extraction.Extraction`.

    Raises:
        ValueError, FileNotFoundError: a data set of another task, options of networks, or files that cannot be used.
    """
    spec = str(settings.network)
    if data.task != "detection":
        raise ValueError(f"{spec} holds detections; {data.name} is a data set for {data.task}")
    ids = getattr(data, "category_ids", range(data.num_classes))
    predictions = read_predictions(spec, data.class_names, ids)
    network = StatedDetector(predictions, head_of(spec, data.num_classes, predictions)).eval()
    found = placed(predictions, {**data.sets, **data.ood_sets})
    extraction = StatedExtraction(
        network,
        predictions.sha256,
        data.preprocess.fingerprint,
        cache_dir() / "activations",
        watch=watch,
        data=data,
        found=found,
    )
    return Trained(
        network, predictions.name, predictions.sha256, {"checkpoint": predictions.name}
    ), extraction
