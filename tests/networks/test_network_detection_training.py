"""Training of a detector: it learns, repeats, resumes and says what it cannot do."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch
from detection_data import loader

from networks import DetectionModule, TrainingConfig, build, fit, weights_hash

CONFIG = TrainingConfig(2, 8, "adam", 2e-3, 1e-4, precision="32-true")


def train(folder, config=CONFIG, images=16, stop_at=None):
    """Weights and figures of a training; ``stop_at``: Ctrl+C in that training batch."""
    torch.manual_seed(5)
    network, batches = build("faster-rcnn-small", 3), 0

    def count(module, _):
        nonlocal batches
        batches += module.training
        if module.training and batches == stop_at:
            raise KeyboardInterrupt

    network.backbone.register_forward_pre_hook(count)
    data = loader(images, shuffle=True, batch=config.batch_size), loader(12, 1)
    return network, fit(network, "detection", 3, *data, config, folder, progress=False)


def test_coloured_rectangles_are_learnt(tmp_path):
    network, figures = train(tmp_path, dataclasses.replace(CONFIG, epochs=12, batch_size=4), images=48)
    assert set(figures) == {"map", "map50", "loss"}
    assert figures["map50"] > 0.25 and figures["map"] > 0.05  # untrained: 0
    assert not network.training


def test_same_seed_same_weights_interrupted_or_not(tmp_path):
    whole, figures = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", stop_at=4)
    parts, same = train(tmp_path / "parts")
    assert weights_hash(whole) == weights_hash(parts)
    assert same == pytest.approx(figures, nan_ok=True)
    _, again = train(tmp_path / "parts", stop_at=1)
    assert again == pytest.approx(figures, nan_ok=True), "a finished training is measured, not repeated"


@torch.no_grad()
def test_figures_are_those_of_perfect_and_of_missing_detections(monkeypatch):
    module = DetectionModule(build("faster-rcnn-small", 3).eval(), CONFIG, 3)
    logged = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: value}))
    batch = next(iter(loader(8)))
    found = [SimpleNamespace(scores=torch.ones(len(t["labels"])), **t) for t in batch["target"]]
    monkeypatch.setattr(module.network, "detect", lambda images: found)
    module.validation_step(batch, 0)
    first = float(logged["val_loss"])
    module.on_validation_epoch_end()
    assert (logged["val_map"], logged["val_map50"]) == pytest.approx((1, 1))
    for target in batch["target"]:
        target["labels"] = torch.full_like(target["labels"], -1)
    module.validation_step(batch, 0)
    module.on_validation_epoch_end()
    assert logged["val_map"] != logged["val_map"], "no object, no precision"
    module.validation_step(next(iter(loader(8))), 0)
    assert float(logged["val_loss"]) == pytest.approx(first), "regions of val_loss are drawn alike"


def test_what_detectors_cannot_be_trained_with(tmp_path):
    network = build("faster-rcnn-small", 3)
    with pytest.raises(ValueError, match="networks for classification and segmentation, not for detection"):
        fit(network, "detection", 3, loader(8), loader(8), CONFIG, tmp_path, outliers=loader(8))
    for wrong in ({"loss": "focal"}, {"compile": True}):
        with pytest.raises(ValueError, match="loss cross-entropy and without compile"):
            DetectionModule(network, dataclasses.replace(CONFIG, **wrong), 3)
