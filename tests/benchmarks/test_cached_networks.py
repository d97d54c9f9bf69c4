"""Trained networks in the cache: damage is noticed, said and healed."""

import json
import os

import pytest
import torch
from torch import nn

import networks
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.job import data_module
from benchmarks.under_test.training import Exposure, cached, train, training_config_of
from datamodules import cache_dir
from lsood.io import temporary
from networks import weights_hash


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    """``run()`` reads or makes a cached network; it has a list of the trainings that took place."""
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path))
    done = []

    def fit(network, folder):
        with torch.no_grad():
            network.weight += 1
        done.append(folder)
        return {"accuracy": 1.0}

    def run():
        return cached({"network": "n", "seed": 3}, {}, "n", lambda: nn.Linear(4, 3), fit, "training")

    run.done = done
    return run


def weights_file():
    (path,) = (cache_dir() / "networks").glob("*/weights.safetensors")
    return path


def flip(path):
    """One bit of the last value, which no reader of safetensors notices."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 2
    path.write_bytes(content)


def test_flipped_bits_in_cached_weights_are_trained_anew(trainings, caplog):
    first = trainings()
    assert trainings().weights == first.weights and len(trainings.done) == 1
    flip(weights_file())
    again = trainings()
    assert len(trainings.done) == 2 and again.weights == first.weights
    assert "weights.safetensors is damaged and is trained anew (its checksum is another one)" in caplog.text
    caplog.clear()
    assert trainings().weights == first.weights and len(trainings.done) == 2
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize(
    "damage", [lambda p: p.write_bytes(b""), lambda p: p.write_bytes(p.read_bytes()[:40])]
)
def test_cut_weights_are_trained_anew(trainings, damage):
    first = trainings()
    damage(weights_file())
    assert trainings().weights == first.weights and len(trainings.done) == 2


def test_weights_of_an_earlier_version_are_read_and_get_a_checksum(trainings, caplog):
    first = trainings()
    checksum = weights_file().with_name("weights.safetensors.sha256")
    checksum.unlink()
    assert trainings().weights == first.weights and len(trainings.done) == 1
    flip(weights_file())
    assert trainings().weights == first.weights and len(trainings.done) == 2


def test_outlier_exposure_begins_at_the_trained_network_though_its_state_is_damaged(tmp_path, monkeypatch):
    """It began at random weights where a damaged last.ckpt lay in the folder."""
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path))
    settings = Settings(ind="mnist", ood=("uniform-noise",), methods=("msp",), limit=24, miniature=True)
    data = data_module(settings)
    start = train(settings, data, 0, progress=False)
    config = training_config_of(settings, data, start.name)
    loader = data.outlier_dataloader(2 * config.batch_size, "dead-leaves")
    seen = []

    def fit(network, *_, **__):
        seen.append(weights_hash(network))
        raise KeyboardInterrupt

    monkeypatch.setattr(networks, "fit", fit)
    exposure = Exposure(start, config, loader, "dead-leaves", "f")
    known = set((tmp_path / "networks").iterdir())
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(settings, data, 0, progress=False, exposure=exposure)
        (folder,) = set((tmp_path / "networks").iterdir()) - known
        (folder / "last.ckpt").write_bytes(b"cut")
    assert seen == [start.weights] * 2


def test_the_cost_of_a_training_is_beside_its_weights(trainings):
    trainings()
    assert json.loads(weights_file().with_name("training.json").read_text())["accuracy"] == 1.0


def test_a_training_killed_after_its_weights_leaves_no_state(trainings, monkeypatch):
    """Its state stayed beside the weights for good, and its cost was lost."""

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.under_test.cached._remove_state", die)
        with pytest.raises(KeyboardInterrupt):
            trainings()
    weights = weights_file()
    for name in (networks.LAST, f"{networks.LAST}.sha256"):
        weights.with_name(name).touch()
    name = temporary(weights).name.replace(f"-{os.getpid()}.", "-4194305.")
    weights.with_name(name).touch()
    assert trainings().seconds is not None
    assert sorted(p.name for p in weights.parent.iterdir()) == [
        "identity.json", "training.json", "weights.safetensors", "weights.safetensors.sha256"
    ]  # fmt: skip
