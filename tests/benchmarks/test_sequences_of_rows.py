"""The sequence of every image goes from its data set into the scores, and what intervals assume into the log."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.levels.base import MethodScores
from benchmarks.levels.image import ImageLevel
from benchmarks.levels.pixel import PixelLevel
from benchmarks.pipeline.interval_notes import tell_intervals
from datamodules import DATAMODULES
from leaderboards.schema import Intervals, OodCell
from lsood.extraction.activations import Activations
from lsood.extraction.measurement import Measurement

TEST = [f"test/{drive}_{i:04d}.png" for drive in ("0001TP", "Seq05VD") for i in range(60)]


@pytest.fixture
def level():
    """CamVid's image level with a test part of two drives."""
    images = SimpleNamespace(
        name="camvid", origin="official", fingerprint="f" * 64, keys=TEST, left_out=[], synthetic=""
    )
    data = DATAMODULES["camvid"](
        ood=["camvid-anomalies", "road-anomaly-21", "generated:x", "cityscapes-anomalies"]
    )
    data.sets = {"test": images, "val": images}
    data.ood_sets = dict.fromkeys(("camvid-anomalies", "road-anomaly-21", "generated:x"), images)
    return ImageLevel(data, None)


def anomalies():
    keys = [f"{key}#fog-3" for key in TEST]
    info = {"key": keys, "kind": ["fog"] * 120, "severity": [3] * 120, "source": TEST}
    return Activations({"x": torch.zeros(120, 1)}, keys, metadata={"anomaly_info": info})


def test_frames_hold_sequences_where_they_are_known(level):
    drives = ["0001TP"] * 60 + ["Seq05VD"] * 60
    own = Activations({"x": torch.zeros(120, 1)}, TEST)
    assert level.frame("ind-test", own, torch.arange(120.0))["sequence"].tolist() == drives
    drawn = level.frame("camvid-anomalies", anomalies(), torch.arange(120.0))
    assert drawn["sequence"].tolist() == drives and drawn["source"].tolist() == TEST
    assert "sequence" not in level.frame("road-anomaly-21", own, torch.arange(120.0)), "names of another set"
    assert level.sequences("generated:x", ["foreign_1.png", TEST[0]]) == [None, "0001TP"]
    assert level.sequences("ind-val", TEST[:1]) == ["0001TP"]
    level.data.calibrated_on = "folder:mine"  # thresholds from another set
    assert level.sequences("ind-val", TEST[:1]) == [None]
    name = "frankfurt_000001_000019_leftImg8bit.png"
    assert level.sequences("cityscapes-anomalies", [name]) == ["frankfurt_000001"]


def test_a_cell_resamples_blocks_of_frames(level):
    random = np.random.default_rng(0)
    smooth = np.concatenate([np.convolve(random.normal(size=63), np.ones(4), "valid") for _ in range(2)])
    own, drawn = Activations({"x": torch.zeros(120, 1)}, TEST), anomalies()
    scores_in = level.frame("ind-test", own, torch.from_numpy(smooth))
    scores_out = level.frame(
        "camvid-anomalies", drawn, torch.from_numpy(smooth + 1 + random.normal(size=120))
    )
    method = MethodScores(None, scores_in, scores_out, 1.0)
    cell = level.cell("camvid-anomalies", Measurement(own), Measurement(drawn), method)
    assert cell.failure is None and cell.intervals.sequences == [2, 2] and cell.intervals.block_length > 1
    sources, sequences = PixelLevel(level.data, None)._dependence(
        "camvid-anomalies", Measurement(own), Measurement(drawn)
    )
    assert sources == (TEST, TEST) and sequences[TEST[-1]] == "Seq05VD", "pixels and objects know them too"


def test_the_run_says_where_there_are_no_intervals(caplog):
    def one(method, ood, intervals):
        cell = OodCell(ood, "official", "f" * 64, 9, 9, {}, None, intervals=intervals)
        return SimpleNamespace(level="image", method=method, cells=[cell])

    few = Intervals([2, 2], 30, 7.8, "too few independent frames: 233 in sequences, ...")
    scored = [
        one("knn", "a", few),
        one("msp", "a", Intervals([2, 2], 4, 58.0)),
        one("msp", "b", Intervals([2, 0], 1, 9.0)),
    ]
    with caplog.at_level(logging.INFO, logger="lsood-bench"):
        lines = tell_intervals(scored)
    assert lines == [
        "image level, a: no intervals for knn: too few independent frames: 233 in sequences, ..."
    ]
    assert "intervals assume independent images of b" in caplog.text and lines[0] in caplog.text
