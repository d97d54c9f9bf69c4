"""Loaders: the number of worker processes changes neither batches nor trained networks."""

import dataclasses

import pytest
import torch
from torch.utils.data import DataLoader

import networks
from datamodules import BDD100kDataModule, CamVidDataModule, CIFAR10DataModule, MNISTDataModule
from datamodules.loading.samples import collate
from datamodules.miniature import write
from networks import TrainingConfig, weights_hash
from networks.models.vmdls import VMDLSNet
from networks.training.vmdls.config import VMDLSTrainingConfig
from networks.training.vmdls.fit import fit_vmdls

CONFIG = TrainingConfig(2, 8, "adam", 2e-3, precision="32-true")
KINDS = {
    "cifar10": (CIFAR10DataModule, {"train": 60, "test": 10}),
    "mnist": (MNISTDataModule, {"train": 100, "test": 10}),
    "camvid": (CamVidDataModule, {"train": 6, "val": 2, "test": 2}),
    "bdd100k": (BDD100kDataModule, {"10k/train": 1, "10k/val": 1, "100k/train": 9, "100k/val": 2}),
}


@pytest.fixture(scope="module")
def minis(tmp_path_factory):
    root = tmp_path_factory.mktemp("minis")
    for name, (_, sizes) in KINDS.items():
        write(name, root, sizes=sizes)
    return root


def opened(minis, name, workers):
    data = KINDS[name][0](minis, batch_size=4, num_workers=workers)
    data.setup()
    return data


def epochs(loader, n=3):
    """All batches of some epochs, seeded as `networks.fit` does, with draws between them as dropout makes."""
    found = []
    for epoch in range(n):
        torch.manual_seed(epoch)
        loader.generator.manual_seed(epoch)
        found += [(batch, torch.rand(())) for batch in loader]
    return found


def same(first, second):
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


@pytest.mark.parametrize("name", KINDS)
def test_batches_are_those_of_a_plain_loader_for_any_number_of_workers(minis, name):
    data = opened(minis, name, 0)
    expected = epochs(data.train_dataloader(4))
    for workers in (1, 2):
        assert same(epochs(opened(minis, name, workers).train_dataloader(4)), expected)
    augmenting = data._dataset(data.sets["train"], data.augment)
    loader = data.train_dataloader(4)
    options = {"generator": loader.generator, "collate_fn": collate}
    plain = (
        DataLoader(augmenting, batch_sampler=loader.batch_sampler, **options)
        if data.preprocess.keep_aspect
        else DataLoader(augmenting, 4, shuffle=True, drop_last=loader.batch_sampler.drop_last, **options)
    )
    assert same(epochs(plain), expected)


def test_ordered_loaders_draw_the_same_from_the_global_generator(minis):
    states = []
    for workers in (0, 2):
        loader = opened(minis, "cifar10", workers).test_dataloader()
        torch.manual_seed(0)
        for _ in range(3):
            list(loader)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


@pytest.mark.parametrize("name, network", [("cifar10", "resnet18-small"), ("camvid", "unet-small")])
def test_workers_do_not_change_a_trained_network(minis, tmp_path, name, network):
    """Batches were shuffled otherwise from the second epoch on, and augmented by other generators."""
    hashes = set()
    for workers in (0, 2):
        data = opened(minis, name, workers)
        torch.manual_seed(0)
        net = networks.build(network, data.num_classes, 3)
        loaders = data.train_dataloader(2 if data.task == "segmentation" else 8), data.val_dataloader()
        folder = tmp_path / str(workers)
        networks.fit(net, data.task, data.num_classes, *loaders, CONFIG, folder, progress=False)
        hashes.add(weights_hash(net))
    assert len(hashes) == 1


def test_workers_do_not_change_a_vmdls_network(minis, tmp_path):
    hashes = set()
    plain = dataclasses.asdict(dataclasses.replace(CONFIG, batch_size=20))
    config = VMDLSTrainingConfig(**plain | {"classes_per_batch": 5})
    for workers in (0, 2):
        data = opened(minis, "cifar10", workers)
        labels = torch.cat([batch["target"] for batch in data.fit_dataloader()])
        torch.manual_seed(0)
        net = VMDLSNet(networks.build("resnet18-small", 10, 3), 8)
        loaders = data.train_dataloader(20), labels, data.val_dataloader()
        fit_vmdls(net, *loaders, config, tmp_path / str(workers), progress=False)
        hashes.add(weights_hash(net))
    assert len(hashes) == 1
