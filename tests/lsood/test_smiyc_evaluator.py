"""The evaluator "smiyc" against figures of SegmentMeIfYouCan's own code.

The figures below were measured by running the public code of SegmentMeIfYouCan/road-anomaly-benchmark (commit 1c7804e:
metrics PixBinaryClass, SegEval-AnomalyTrack and SegEval-ObstacleTrack, with NumPy 1.23.5 and SciPy 1.9.3) on the frames
that `frames` makes. Nothing of that code is here.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsood.extraction.pixel_tally import PixelTally
from lsood.metrics.pixel.smiyc import _quantiles, above, at_quantiles

TRACKS = {"anomaly": (500, 100), "obstacle": (50, 10)}


def frames(step, n=6, height=192, width=320):
    """Masks of boxes with void below, and scores on a grid of 1 / step; one frame has no anomaly, one few pixels."""
    random = np.random.default_rng(step)
    maps, labels = [], []
    for frame in range(n):
        label = np.zeros((height, width), np.uint8)
        sizes = {0: [], 1: [(4, 5)]}.get(frame, [(60, 90), (24, 40), (8, 9), (3, 2)])
        for box_height, box_width in sizes:
            top, left = random.integers(0, 100), random.integers(0, width - 90)
            label[top : top + box_height, left : left + box_width] = 1
        label[160:] = 255
        coarse = random.integers(-3 * step, 3 * step, (height // 16, width // 16))
        blocks = np.kron(coarse, np.ones((16, 16), np.int64))
        fine = random.integers(-step, step, (height, width))
        maps.append(np.float16((blocks + fine + 4 * step * (label == 1) + frame) / step))
        labels.append(label)
    return maps, labels


def tallied(maps, labels, evaluator, smallest):
    with PixelTally(["s"], None, evaluator, smallest) as tally:
        for i, (one, label) in enumerate(zip(maps, labels, strict=True)):
            tally.add(torch.from_numpy(one)[None, None], [label], [f"k{i}"])
        return tally.finish().scores["s"]


def figures(score, n):
    once = np.ones((1, n))
    found = {**score.metrics(once), **score.component_metrics(once)}
    return {name: float(value[0]) for name, value in found.items()} | {"threshold": float(score.threshold[0])}


AUTHORS = {
    (2, "anomaly"): (0.743160, 0.947274, 0.325757, 0.688324, 0.287735, 0.997593, 0.403489),
    (2, "obstacle"): (0.743160, 0.947274, 0.325757, 0.688324, 0.297546, 0.998663, 0.394666),
    (64, "anomaly"): (0.758282, 0.936528, 0.322852, 0.714123, 0.406355, 0.998740, 0.551423),
    (64, "obstacle"): (0.758282, 0.936528, 0.322852, 0.714123, 0.324965, 0.999312, 0.445961),
    (1000, "anomaly"): (0.692812, 0.915969, 0.354994, 0.654025, 0.497417, 0.997455, 0.577382),
    (1000, "obstacle"): (0.692812, 0.915969, 0.354994, 0.654025, 0.363021, 0.998515, 0.507927),
}
"""{(step, track): area_PRC, area_ROC, tpr95_fpr, best_f1, sIoU_gt, prec_pred, f1_mean}."""
NAMES = ("ap", "auroc", "fpr95", "f1", "siou", "ppv", "f1_components")
THRESHOLDS = {2: 5.0, 64: 3.744533, 1000: 3.786788}


@pytest.mark.parametrize(("step", "track"), AUTHORS)
def test_it_gives_the_figures_of_the_authors_code(step, track):
    """With ties (28 distinct scores) and without (7,054)."""
    maps, labels = frames(step)
    found = figures(tallied(maps, labels, "smiyc", TRACKS[track]), len(maps))
    expected = dict(zip(NAMES, AUTHORS[step, track], strict=True)) | {"threshold": THRESHOLDS[step]}
    assert found == pytest.approx(expected, abs=2e-6)


def test_the_exact_evaluator_gives_others():
    """With few anomalous pixels the quantiles lie dense among them: AP is too high. Ties at the threshold are lost."""
    maps, labels = frames(1000)
    few = [
        np.where((label == 1) & (np.arange(320) % 40 > 0), 255, label).astype(np.uint8) for label in labels
    ]
    smiyc, exact = (figures(tallied(maps, few, name, (50, 10)), 6) for name in ("smiyc", "exact"))
    assert smiyc["ap"] > exact["ap"] + 0.004 and smiyc["f1"] > exact["f1"]
    maps, labels = frames(2)
    smiyc, exact = (tallied(maps, labels, name, (50, 10)) for name in ("smiyc", "exact"))
    assert smiyc.threshold == exact.threshold and figures(exact, 6)["siou"] > figures(smiyc, 6)["siou"] + 0.1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3000), st.sampled_from([1, 8, 4096]))
def test_thresholds_are_the_quantiles_of_numpy_bit_for_bit(seed, n, step):
    values = np.float16(np.random.default_rng(seed).integers(-9 * step, 9 * step, n) / step)
    scores, counts = np.unique(values, return_counts=True)
    found = _quantiles(scores, counts)
    assert found.tolist() == np.quantile(values, np.linspace(0, 1, min(384, n))).tolist()


def test_pixels_count_at_the_largest_threshold_that_they_reach():
    scores = np.array([-1.0, 0.5, 2.0, 3.0], np.float16)
    levels, normal, anomalous = at_quantiles(scores, np.array([5000, 1, 0, 0]), np.array([0, 0, 1, 2]))
    assert levels[0] == -1 and levels[-1] == 3 and {0.5, 2.0} <= set(levels)
    assert normal.sum() == 5001 and anomalous.sum() == 3 and anomalous[levels == 3] == 2
    alone = at_quantiles(scores, np.array([1, 1, 1, 1]), np.zeros(4, int))
    assert alone[0].tolist() == scores.tolist() and alone[2].sum() == 0
    assert above(scores, 2.0).tolist() == [False, False, False, True]
    assert above(scores, 2.0001).tolist() == [False, False, False, True], "2.0001 is 2 as float16"


def test_void_frames_and_empty_predictions():
    maps, labels = frames(64)
    labels[0][:] = 255
    found = tallied(maps, labels, "smiyc", (10**6, 10))
    assert len(found.ppv) == 0 and figures(found, 6)["ppv"] == 0
