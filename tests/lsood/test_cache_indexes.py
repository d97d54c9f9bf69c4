"""Indexes of measurements on disk carry a checksum: swapped keys are no longer read as they stand."""

import json

import numpy as np
import pytest
import torch

from lsood.extraction.activations import Activations
from lsood.extraction.pixel_tally import PixelTally
from lsood.io import read_index, write_index
from lsood.metrics.pixel.pixel_set import PixelSet

KEYS = ["a", "b", "caf\udce9"]


def activations(folder):
    values = {"x": torch.arange(3.0)}
    Activations(values, KEYS, {"anomaly_info": {"key": KEYS, "kind": ("mud", "fog", "rain")}}).save(folder)
    return folder / "activations.json"


def pixels(folder):
    with PixelTally(["s"]) as tally:
        tally.add(torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)), LABELS, KEYS)
        tally.finish().save(folder)
    return folder / "pixels.json"


LABELS = np.eye(4, dtype=np.uint8)[None].repeat(3, 0)


def swap(path, change):
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def swapped(keys):
    keys[0], keys[1] = keys[1], keys[0]


@pytest.mark.parametrize(
    "change", [lambda i: swapped(i["keys"]), lambda i: swapped(i["made"]["anomaly_info"]["kind"])]
)
def test_swapped_keys_and_kinds_of_activations_are_noticed(tmp_path, caplog, change):
    path = activations(tmp_path)
    assert Activations.load(tmp_path).ids == KEYS
    swap(path, change)
    with pytest.raises(FileNotFoundError, match="no activations"):
        Activations.load(tmp_path)
    assert "activations.json is damaged and is made anew (its checksum is another one)" in caplog.text
    activations(tmp_path)
    assert Activations.load(tmp_path)["x"].tolist() == [0, 1, 2]


def test_swapped_keys_of_pixel_sets_are_noticed(tmp_path, caplog):
    path = pixels(tmp_path)
    assert PixelSet.load(tmp_path).keys == KEYS
    swap(path, lambda i: swapped(i["keys"]))
    assert PixelSet.load(tmp_path) is None
    assert "pixels.json is damaged and is made anew" in caplog.text
    pixels(tmp_path)
    assert PixelSet.load(tmp_path).keys == KEYS


def test_what_is_damaged_is_said(tmp_path, caplog):
    activations(tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not set(Activations.load(tmp_path))
    assert f"{path} (x) is damaged and is measured anew" in caplog.text
    pixels(tmp_path / "p")
    (tmp_path / "p" / "pixels.safetensors").write_bytes(b"")
    assert PixelSet.load(tmp_path / "p") is None
    assert "pixels.safetensors is damaged and is measured anew" in caplog.text


@pytest.mark.parametrize("write, load", [(activations, Activations.load), (pixels, PixelSet.load)])
def test_indexes_of_earlier_versions_are_read(tmp_path, write, load):
    path = write(tmp_path)
    swap(path, lambda index: index.pop("sha256_of_index"))
    assert load(tmp_path) is not None


def test_an_index_is_read_as_it_was_written(tmp_path):
    content = {"a": (1, 2), "b": {"x": 0.1, "10": "ten", "9": "nine"}, "c": float("inf")}
    write_index(tmp_path / "i", content)
    expected = {"a": [1, 2], "b": {"x": 0.1, "10": "ten", "9": "nine"}, "c": float("inf")}
    assert read_index(tmp_path / "i") == expected
    assert read_index(tmp_path / "none") is None
    for text in ("[1]", "{", "", "3"):
        (tmp_path / "i").write_text(text)
        assert read_index(tmp_path / "i") is None
