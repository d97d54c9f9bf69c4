"""Anomaly masks beside frames: which mask belongs to which frame, and what its values mean."""

import logging
import pickle

import numpy as np
import pytest
from PIL import Image

from datamodules.ood.fishyscapes import FISHYSCAPES
from datamodules.ood.smiyc import ROAD_ANOMALY

LEFT, RIGHT = slice(0, 32), slice(32, 64)


def frame(root, name):
    (root / "images").mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((48, 64, 3), 9, np.uint8)).save(root / "images" / f"{name}.png")


def mask(root, name, half=LEFT, value=1, folder="labels", dtype=np.uint8):
    (root / folder).mkdir(parents=True, exist_ok=True)
    ids = np.zeros((48, 64), dtype)
    ids[:, half] = value
    Image.fromarray(ids).save(root / folder / f"{name}.png")


def columns(images, key):
    found = np.flatnonzero((images.read(images.keys.index(f"images/{key}.png")).anomaly == 1).any(0))
    return found.min(), found.max()


def test_a_mask_belongs_to_the_frame_of_its_whole_name(tmp_path, caplog):
    for rank, name, half in (
        (0, "front_right_0001", LEFT),
        (1, "right_0001", RIGHT),
        (2, "seq[1]_0001", RIGHT),
    ):
        frame(tmp_path, name)
        mask(tmp_path, f"{rank:04d}_{name}_labels", half)
    frame(tmp_path, "plain")
    mask(tmp_path, "plain_labels")
    frame(tmp_path, "none_0001")
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        images = FISHYSCAPES.load(tmp_path)
    assert len(images) == 4
    assert columns(images, "right_0001") == columns(images, "seq[1]_0001") == (32, 63)
    assert columns(images, "front_right_0001") == columns(images, "plain") == (0, 31)
    assert "1 of 5 frames have no mask and are left out, e.g." in caplog.text and "none_0001" in caplog.text
    again = pickle.loads(pickle.dumps(images))  # noqa: S301  as a spawned worker gets it
    assert columns(again, "right_0001") == (32, 63)


def test_two_masks_of_a_frame_and_two_frames_of_a_mask_are_refused(tmp_path):
    frame(tmp_path, "a")
    mask(tmp_path, "0001_a_labels")
    mask(tmp_path, "0002_a_labels")
    with pytest.raises(ValueError, match=r"a\.png could have the mask .*0001_a_labels\.png or .*0002_a_lab"):
        FISHYSCAPES.load(tmp_path)
    (tmp_path / "labels" / "0002_a_labels.png").unlink()
    frame(tmp_path, "0001_a")
    with pytest.raises(ValueError, match=r"0001_a_labels\.png belongs to both .*0001_a\.png and .*/a\.png"):
        FISHYSCAPES.load(tmp_path)


def semantic(root, name, values, dtype=np.uint8):
    """A frame, and a mask whose columns hold values from left to right."""
    frame(root, name)
    (root / "labels_masks").mkdir(parents=True, exist_ok=True)
    ids = np.repeat(np.asarray(values, dtype), 64 // len(values))
    Image.fromarray(np.tile(ids, (48, 1))).save(root / "labels_masks" / f"{name}_labels_semantic.png")


def test_masks_of_0_and_255_are_refused(tmp_path):
    for i in range(5):
        semantic(tmp_path, f"f{i}", (0, 255))
    with pytest.raises(
        ValueError,
        match=r"road-anomaly-21: 5 of its 5 masks hold 255 and no 1, .*f0_labels_semantic\.png, .*f1_\S+, .*f2_\S+, "
        r"\.\.\.; none holds 1: 255 means ignore, and may stand for anomalous here; write 1",
    ):
        ROAD_ANOMALY.load(tmp_path)


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_masks_of_0_and_1_beside_masks_of_0_and_255_are_refused(tmp_path, dtype):
    """Frames without an anomaly but with ignored pixels, or another convention: nobody knows."""
    semantic(tmp_path, "f0", (0, 1), dtype)
    semantic(tmp_path, "f1", (0, 255))
    semantic(tmp_path, "f2", (0, 1, 1, 1), dtype)
    semantic(tmp_path, "f3", (0, 0))
    with pytest.raises(
        ValueError, match=r"1 of its 4 masks hold 255 and no 1, .*f1_\S+; 2 hold 1, .*f0_\S+, .*f2_"
    ):
        ROAD_ANOMALY.load(tmp_path)


@pytest.mark.parametrize("rest", [(0, 255), (0, 1), (255, 255), (0, 0)])
def test_one_mask_with_1_and_255_settles_what_255_means(tmp_path, rest):
    semantic(tmp_path, "f0", rest)
    semantic(tmp_path, "f1", (0, 1, 255, 0))
    images = ROAD_ANOMALY.load(tmp_path)
    assert np.unique(images.read(1).anomaly).tolist() == [0, 1, 255]
    assert np.unique(images.read(0).anomaly).tolist() == sorted(set(rest))


def test_masks_of_one_bit_mark_what_is_1(tmp_path):
    frame(tmp_path, "f0")
    mask(tmp_path, "f0_labels_semantic", RIGHT, True, "labels_masks", bool)
    images = ROAD_ANOMALY.load(tmp_path)
    assert columns(images, "f0") == (32, 63) and np.unique(images.read(0).anomaly).tolist() == [0, 1]


def test_masks_without_an_anomaly_are_said(tmp_path, caplog):
    frame(tmp_path, "f0")
    mask(tmp_path, "f0_labels_semantic", value=0, folder="labels_masks")
    with caplog.at_level(logging.WARNING, logger="lsood-bench"):
        assert len(ROAD_ANOMALY.load(tmp_path)) == 1
    assert "none of its 1 masks marks an anomalous pixel (1), e.g." in caplog.text
