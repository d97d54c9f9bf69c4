"""The training curve: one row per epoch, with the figures of that epoch, whatever interrupts the training."""

import csv
import math

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from networks import ClassificationModule, TrainingConfig, build, fit, weights_hash
from networks.training.curve import CURVE, observed, read_curve

CONFIG = TrainingConfig(10, 8, "sgd", 0.1, schedule="step", lr_factor=0.5, precision="32-true")


class Colours(Dataset):
    """Images whose colour is their class."""

    def __init__(self, n):
        self.images = torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        for i in range(n):
            self.images[i, i % 3] += 1

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "target": torch.tensor(i % 3), "key": str(i)}


def train(folder, config=CONFIG, stop_at=None):
    """Weights and figures; ``stop_at``: Ctrl+C in that training batch."""
    torch.manual_seed(5)
    network, batches = build("lenet", 3, image_size=(16, 16)), 0

    def count(module, _):
        nonlocal batches
        batches += module.training
        if module.training and batches == stop_at:
            raise KeyboardInterrupt

    network.register_forward_pre_hook(count)
    loader = DataLoader(Colours(24), 8, shuffle=True, generator=torch.Generator().manual_seed(0))
    figures = fit(
        network, "classification", 3, loader, DataLoader(Colours(12), 8), config, folder, progress=False
    )
    return weights_hash(network), figures


def without_seconds(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_the_curve_has_a_row_per_epoch_and_figures_where_it_was_validated(tmp_path):
    _, figures = train(tmp_path)
    rows = read_curve(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 11))
    assert [row["lr"] for row in rows] == pytest.approx([0.1 * 0.5**i for i in range(10)])
    assert [row["epoch"] for row in rows if "accuracy" in row] == [2, 4, 6, 8, 10]
    assert all(("accuracy" in row) == ("val_loss" in row) for row in rows)
    assert rows[-1]["accuracy"] == pytest.approx(figures["accuracy"])
    assert rows[-1]["val_loss"] == pytest.approx(figures["loss"], rel=1e-6)
    assert all(row["seconds"] > 0 and math.isfinite(row["train_loss"]) for row in rows)
    with (tmp_path / CURVE).open(newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["epoch", "train_loss", "val_loss", "accuracy", "lr", "seconds"]
    assert all(len(line) == 6 for line in lines) and lines[0][2:4] == ["", ""]


def test_the_loss_of_an_epoch_is_the_mean_over_its_batches(tmp_path, monkeypatch):
    kept, step = [], ClassificationModule.training_step

    def keep(module, batch, index):
        loss = step(module, batch, index)
        kept.append(float(loss))
        return loss

    monkeypatch.setattr(ClassificationModule, "training_step", keep)
    train(tmp_path, TrainingConfig(2, 8, "sgd", 0.1, precision="32-true"))
    assert len(kept) == 6
    expected = [sum(kept[:3]) / 3, sum(kept[3:]) / 3]
    assert [row["train_loss"] for row in read_curve(tmp_path)] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch", [1, 8, 14])
def test_an_interrupted_training_goes_on_with_its_curve(tmp_path, batch):
    weights, _ = train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", stop_at=batch)
    before = read_curve(tmp_path / "cut")
    assert [row["epoch"] for row in before] == list(range(1, (batch - 1) // 3 + 1))
    again, _ = train(tmp_path / "cut")
    rows = read_curve(tmp_path / "cut")
    assert again == weights and rows[: len(before)] == before
    assert without_seconds(rows) == without_seconds(read_curve(tmp_path / "whole"))


def test_a_row_whose_state_was_not_saved_is_not_doubled(tmp_path):
    """Killed between the row of an epoch and its state."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop_at=8)
    text = (tmp_path / CURVE).read_text()
    (tmp_path / CURVE).write_text(text + "3,9.9,,,0.025,1.0\n")
    train(tmp_path)
    rows = read_curve(tmp_path)
    assert [row["epoch"] for row in rows] == list(range(1, 11)) and rows[2]["train_loss"] != 9.9


def test_a_damaged_curve_costs_its_rows_and_not_the_training(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop_at=14)
    lines = (tmp_path / CURVE).read_text().splitlines()
    (tmp_path / CURVE).write_text("\n".join([*lines[:3], "3,oops"]) + "\n")
    assert len(read_curve(tmp_path)) == 2
    train(tmp_path)
    assert [row["epoch"] for row in read_curve(tmp_path)] == [1, 2, *range(5, 11)]


def test_rows_are_told_to_an_observer(tmp_path):
    told = []
    with observed(told.append):
        train(tmp_path)
    assert [row["epoch"] for row in told] == list(range(1, 11))
    assert told[-1].keys() == {"epoch", "train_loss", "val_loss", "accuracy", "lr", "seconds"}
    assert read_curve(tmp_path / "nothing") == []
