"""What a run fits and calibrates methods on: fewer training images (``--fit-limit``), thresholds and calibration from
other images than the validation images (``--calibrate-share``, ``--calibrate-on``).

The latter is for checkpoints that may have been trained on the validation images, and for sets whose validation part is
not like the test part. Networks are still trained on the data set as it is.
"""

from __future__ import annotations

import copy

import numpy as np

from benchmarks.pipeline.config import Settings
from datamodules import BenchmarkDataModule, ImageSet, Subset
from datamodules.imagesets.subset import Unlabelled, capped
from datamodules.ood.derived import taken_as_known


def calibration_images(data: BenchmarkDataModule, name: str) -> ImageSet:
    """The images that ``--calibrate-on`` names, without labels.

    Args:
        data: set up. name: ``folder:PATH``, or an in-distribution set or data set of the user, of which the test part
            is taken.

    Raises:
        FileNotFoundError: not there. ValueError: no images, or those of an OoD set of this run.
    """
    images = Unlabelled(taken_as_known(name, data))
    for ood, other in data.ood_sets.items():
        if other.fingerprint == images.base.fingerprint:
            raise ValueError(
                f"--calibrate-on {name}: the same images as the OoD set {ood}; name images that are known"
            )
    return images


def measured_data(data: BenchmarkDataModule, settings: Settings) -> BenchmarkDataModule:
    """The data module that a run measures: as it is, or with other images to fit, for calibration and thresholds.

    Raises:
        ValueError, FileNotFoundError: see :func:`with_calibration_share` and :func:`calibration_images`.
    """
    if settings.fit_limit is not None:
        few, data = capped(data.sets["train"], settings.fit_limit, data.seed), copy.copy(data)
        data.sets = {**data.sets, "train": few}
    if settings.calibrate_share is not None:
        return with_calibration_share(data, settings.calibrate_share, data.seed)
    if settings.calibrate_on is not None:
        other = copy.copy(data)
        other.sets = {**data.sets, "val": calibration_images(data, settings.calibrate_on)}
        other.calibrated_on = settings.calibrate_on
        return other
    return data


def with_calibration_share(data: BenchmarkDataModule, share: float, seed: int = 0) -> BenchmarkDataModule:
    """A data module whose "val" is a part of the test images and whose "test" is the rest; OoD sets as they are, but
    anomalies are drawn on the rest alone.

    Args:
        data: set up. share: of the test images, above 0 and below 1.
        seed: of the choice. Where the set knows the sequences of its images, whole sequences go to one side: those that
            bring the share closest to the one asked for.

    Raises:
        ValueError: a share that leaves a side empty.
    """
    test = data.sets["test"]
    chosen = _chosen(data, test, share, seed)
    rest = [i for i in range(len(test)) if i not in chosen]
    if not chosen or not rest:
        raise ValueError(f"--calibrate-share {share:g} of {len(test)} test images leaves one side empty")
    other = copy.copy(data)
    other.sets = {**data.sets, "val": Subset(test, sorted(chosen)), "test": Subset(test, rest)}
    other.ood_sets = other.load_ood_sets()
    return other


def _chosen(data: BenchmarkDataModule, test: ImageSet, share: float, seed: int) -> set[int]:
    sequences = [data.sequence_of(key) or "" for key in test.keys]
    names = list(dict.fromkeys(sequences))
    random = np.random.default_rng([seed, len(test)])
    if len(names) < 2:
        order = random.permutation(len(test))
        return set(order[: round(share * len(test))].tolist())
    wanted, found = share * len(test), set[int]()
    for i in random.permutation(len(names)):
        own = {row for row, name in enumerate(sequences) if name == names[i]}
        if abs(len(found | own) - wanted) <= abs(len(found) - wanted):
            found |= own
    return found
