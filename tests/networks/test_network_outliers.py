"""Outlier exposure: its loss, its batches, that it works, repeats and resumes."""

import pytest
import torch
from torch.utils.data import DataLoader

from networks import ClassificationModule, TrainingConfig, build, fit, weights_hash
from networks.training.batches import Batches

CONFIG = TrainingConfig(3, 8, "adam", 2e-3, precision="32-true")


class Images(torch.utils.data.Dataset):
    """Bright channel = class; outliers are bright in none."""

    def __init__(self, n, outliers=False, size=16):
        self.images = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(n))
        self.targets = torch.arange(n) % 3
        if not outliers:
            for image, target in zip(self.images, self.targets, strict=True):
                image[target] += 1

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "target": self.targets[i], "key": str(i)}


def loader(dataset, batch):
    return DataLoader(dataset, batch, shuffle=True, generator=torch.Generator().manual_seed(9))


def train(folder, outliers=40, config=CONFIG, stop_at=None):
    """Three batches of 8 an epoch; 40 outliers are two batches of 16 and one of 8."""
    torch.manual_seed(5)
    network, batches = build("lenet", 3, image_size=(16, 16)), 0

    def count(module, _):
        nonlocal batches
        batches += module.training
        if module.training and batches == stop_at:
            raise KeyboardInterrupt

    network.register_forward_pre_hook(count)
    network.trained_batches = lambda: batches
    others = loader(Images(outliers, outliers=True), 16) if outliers else None
    figures = fit(
        network,
        "classification",
        3,
        loader(Images(24), 8),
        DataLoader(Images(12), 12),
        config,
        folder,
        progress=False,
        outliers=others,
    )
    return network, figures


def test_the_loss_of_a_step_written_out():
    torch.manual_seed(0)
    network = build("resnet18-small", 3)
    module = ClassificationModule(network, TrainingConfig(1, 4, outlier_weight=0.7), 3)
    module.log = lambda *args, **kwargs: None
    inliers, outliers, target = torch.rand(4, 3, 16, 16), torch.rand(8, 3, 16, 16), torch.tensor([0, 2, 1, 1])
    torch.manual_seed(1)
    loss = module.training_step({"image": inliers, "target": target, "outliers": outliers}, 0)
    torch.manual_seed(1)
    z = network(torch.cat([inliers, outliers])).double()  # one forward: statistics of all twelve
    log_p = (z.exp() / z.exp().sum(1, keepdim=True)).log()
    cross_entropy = -sum(log_p[i, k] for i, k in enumerate(target.tolist())) / 4
    uniform = -(log_p[4:] / 3).sum() / 8
    assert loss.item() == pytest.approx((cross_entropy + 0.7 * uniform).item(), rel=1e-5)


@pytest.mark.parametrize("outliers", [8, 40, 200])
def test_an_epoch_is_one_of_the_training_set(outliers):
    """Shorter, about as long and longer than the training set's three batches."""
    both = Batches(loader(Images(24), 8), loader(Images(outliers, outliers=True), 16))
    epoch = list(both)
    assert len(both) == len(epoch) == 3
    assert sorted(int(key) for batch in epoch for key in batch["key"]) == list(range(24))
    drawn = torch.cat([batch["outliers"] for batch in epoch]).flatten(1).unique(dim=0)
    assert len(drawn) == min(outliers, 48), "no outlier comes twice before each came once"
    if outliers == 200:
        later = torch.cat([batch["outliers"] for batch in both]).flatten(1)
        assert len(torch.cat([drawn, later]).unique(dim=0)) > 48, "the next epoch draws others"


def test_outliers_come_out_closer_to_uniform(tmp_path):
    config = TrainingConfig(8, 8, "adam", 3e-3, precision="32-true")
    unseen = Images(30, outliers=True).images
    entropies, accuracies = [], []
    for name, outliers in (("plain", 0), ("exposed", 40)):
        network, figures = train(tmp_path / name, outliers, config)
        with torch.no_grad():
            p = network(unseen).softmax(1)
        entropies.append(-(p * p.log()).sum(1).mean().item())
        accuracies.append(figures["accuracy"])
    assert entropies[1] > entropies[0] + 0.1
    assert min(accuracies) > 0.8


def test_same_seed_same_weights_interrupted_or_not(tmp_path):
    whole, figures = train(tmp_path / "whole")
    again, _ = train(tmp_path / "again")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", stop_at=5)
    resumed, same = train(tmp_path / "cut")
    assert resumed.trained_batches() == 6
    assert weights_hash(whole) == weights_hash(again) == weights_hash(resumed)
    assert same == pytest.approx(figures)


def test_outliers_are_part_of_what_a_training_is(tmp_path):
    train(tmp_path)
    with pytest.raises(ValueError, match=r"another training \(outlier_batches was 3, is 0\)"):
        train(tmp_path, outliers=0)


def test_no_outliers_and_outliers_of_another_size():
    train_loader = loader(Images(24), 8)
    with pytest.raises(ValueError, match="loader of outliers has no batch"):
        Batches(train_loader, DataLoader(Images(4), 16, drop_last=True))
    odd = Batches(train_loader, loader(Images(8, size=20), 8))
    with pytest.raises(
        ValueError, match=r"outliers have shape \(3, 20, 20\), the training images \(3, 16, 16\)"
    ):
        next(iter(odd))
