"""VMDLS' losses against triple loops and Monte Carlo, its batches, networks and trainings."""

import dataclasses

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from networks import TrainingConfig, build, preset, weights_hash
from networks.models.autoencoder import Autoencoder
from networks.models.vmdls import VMDLSNet, sample
from networks.training.vmdls.batches import BalancedBatches
from networks.training.vmdls.config import VMDLSTrainingConfig
from networks.training.vmdls.fit import fit_autoencoder, fit_vmdls
from networks.training.vmdls.losses import class_kl, metric_margin_loss
from networks.training.vmdls.modules import VMDLSModule

CONFIG = VMDLSTrainingConfig(6, 24, "adam", 3e-3, classes_per_batch=3, distancing_margin=4.0)


def triples(z, target, distancing, margin, normalise):
    """The definition: every triplet in turn, in float64."""
    z = z.double()
    if normalise:
        z = z / z.norm(dim=1, keepdim=True)
    values = []
    for a in range(len(z)):
        for p in range(len(z)):
            for n in range(len(z)):
                if p != a and target[p] == target[a] != target[n]:
                    near, far = (z[a] - z[p]).norm(), (z[a] - z[n]).norm()
                    values.append((near - far + margin).relu() + (distancing - far).relu())
    active = [value for value in values if value > 0]
    return sum(active) / len(active)


def latents(n=13, d=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(3, (n,), generator=generator)
    return 2 * torch.randn(n, d, generator=generator) + target[:, None], target


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("distancing", [0.0, 1.5, 32.0])
def test_metric_margin_loss_and_its_gradient_are_those_of_a_triple_loop(distancing, normalise):
    z, target = latents()
    ours, theirs = z.clone().requires_grad_(), z.double().requires_grad_()
    loss = metric_margin_loss(ours, target, distancing, 0.3, normalise)
    expected = triples(theirs, target, distancing, 0.3, normalise)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=1e-4, atol=1e-6)


def test_only_the_triplets_that_violate_count():
    z = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    target = torch.tensor([0, 0, 1, 1])
    assert metric_margin_loss(z, target, 5.0) == 0
    assert metric_margin_loss(z, torch.zeros(4, dtype=torch.long), 5.0) == 0
    assert metric_margin_loss(z, target, 9.5).item() == pytest.approx(0.5), "only the pair 9 apart"


def test_on_unit_vectors_a_distancing_margin_of_32_pushes_like_one_of_3():
    """The released code's margin is met by nothing; un-normalised distances feel it."""
    z, target = latents()
    gradients = {}
    for normalise in (True, False):
        for margin in (3.0, 32.0):
            live = z.clone().requires_grad_()
            metric_margin_loss(live, target, margin, normalise=normalise).backward()
            gradients[normalise, margin] = live.grad
    torch.testing.assert_close(gradients[True, 3.0], gradients[True, 32.0])
    assert (gradients[False, 3.0] - gradients[False, 32.0]).abs().max() > 0.01


def test_coinciding_images_have_a_finite_gradient():
    z = torch.zeros(4, 3, requires_grad=True)
    metric_margin_loss(z, torch.tensor([0, 0, 1, 1]), 1.0).backward()
    assert z.grad.isfinite().all()


def test_kl_is_that_of_samples():
    torch.manual_seed(0)
    mu, log_variance, target = torch.randn(5, 3), torch.randn(5, 3) - 3, torch.tensor([0, 1, 1, 0, 1])
    means = torch.randn(2, 3)
    q = torch.distributions.Normal(mu.double(), (0.5 * log_variance.double()).exp())
    prior = torch.distributions.Normal(means[target].double(), 0.1)
    z = q.sample((40000,))
    estimate = (q.log_prob(z) - prior.log_prob(z)).mean()
    torch.testing.assert_close(
        class_kl(mu, log_variance, target, means).double(), estimate, rtol=0.01, atol=0
    )
    exact = torch.distributions.kl_divergence(q, prior).mean()
    torch.testing.assert_close(class_kl(mu, log_variance, target, means).double(), exact, rtol=1e-5, atol=0)


def test_balanced_batches():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20 + [5] * 3)
    generator = torch.Generator().manual_seed(0)
    sampler = BalancedBatches(labels, 3, 6, generator)
    epoch = list(sampler)
    assert len(epoch) == len(sampler) == 103 // 18
    for batch in epoch:
        assert sorted(labels[batch].bincount().tolist(), reverse=True)[:3] == [6, 6, 6]
        assert len({i for i in batch if labels[i] != 5}) == (labels[batch] != 5).sum(), "no image twice"
    zeros = [i for batch in epoch for i in batch if labels[i] == 0]
    assert len(zeros) == len(set(zeros)), "all before any again"
    again = list(sampler)
    generator.manual_seed(0)
    assert list(sampler) == epoch != again


def test_the_network_samples_in_training_and_describes_what_passes():
    torch.manual_seed(0)
    network, x = VMDLSNet(build("resnet18-small", 10), 8).eval(), torch.rand(3, 3, 32, 32)
    parts = network.describe(x)
    assert [tuple(part.shape) for part in parts] == [(3, w) for w in (16, 32, 64, 128, 8)]
    layers, encoder = {}, network.encoder
    y = encoder.stem(x)
    for name in ("layer1", "layer2", "layer3", "layer4"):
        y = layers[name] = getattr(encoder, name)(y)
    for part, name in zip(parts, layers, strict=False):
        torch.testing.assert_close(part, layers[name].mean(dim=(2, 3)))
    torch.testing.assert_close(parts[4], network.mu(parts[3]))
    torch.testing.assert_close(network(x), parts[4])
    mu, log_variance = (torch.randn(2, 3), torch.randn(2, 3))
    draws = torch.stack([sample(mu, log_variance) for _ in range(20000)])
    torch.testing.assert_close(draws.mean(0), mu, atol=0.05, rtol=0)
    torch.testing.assert_close(draws.var(0), log_variance.exp(), rtol=0.1, atol=0)
    assert not torch.equal(network.train()(x), network(x))


@pytest.mark.parametrize(("channels", "size"), [(1, (28, 28)), (3, (32, 32)), (3, (30, 21))])
def test_the_autoencoder_keeps_the_shape(channels, size):
    network = Autoencoder(channels, size)
    assert network(torch.rand(2, channels, *size)).shape == (2, channels, *size)
    with pytest.raises(ValueError, match="pixels, got 16x16"):
        network(torch.rand(2, channels, 16, 16))


class Colours(Dataset):
    """Noise whose brightest channel is the class."""

    def __init__(self, n):
        self.images = torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(n))
        self.labels = torch.arange(n) % 3
        self.images[torch.arange(n), self.labels] += 1

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "target": self.labels[i]}


def train(folder, config=CONFIG, stop_at=None):
    torch.manual_seed(5)
    network = VMDLSNet(build("lenet", 3, image_size=(16, 16)), 4)
    batches = 0

    def count(module, _):
        nonlocal batches
        batches += module.training
        if module.training and batches == stop_at:
            raise KeyboardInterrupt

    network.encoder.register_forward_pre_hook(count)
    images = Colours(72)
    figures = fit_vmdls(
        network,
        DataLoader(images, 8),
        images.labels,
        DataLoader(Colours(30), 15),
        config,
        folder,
        progress=False,
    )
    return network, figures


def test_training_separates_the_classes_by_the_margin(tmp_path):
    config = VMDLSTrainingConfig(14, 24, "adam", 5e-3, classes_per_batch=3, distancing_margin=4.0)
    network, figures = train(tmp_path, config)
    assert figures["accuracy"] == 1.0
    images = Colours(30)
    with torch.no_grad():
        mu, log_variance = network.latents(images.images)
    centres = torch.stack([mu[images.labels == k].mean(0) for k in range(3)])
    gaps = torch.cdist(centres, centres)
    assert gaps[~torch.eye(3, dtype=torch.bool)].min() > 2
    assert (mu - centres[images.labels]).norm(dim=1).mean() < 0.3
    assert (0.5 * log_variance).exp().mean().item() == pytest.approx(0.1, abs=0.05), "the class Gaussians' s"


def test_an_interrupted_training_ends_with_the_same_weights_and_figures(tmp_path):
    config = dataclasses.replace(CONFIG, epochs=3)
    network, figures = train(tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", config, stop_at=5)
    resumed, again = train(tmp_path / "cut", config)
    assert weights_hash(resumed) == weights_hash(network)
    assert again == pytest.approx(figures)
    assert train(tmp_path / "cut", config, stop_at=1)[1] == pytest.approx(figures), "measured, not repeated"


def test_class_means_are_those_of_the_epoch_before_and_the_margin_grows_to_its_end():
    module = VMDLSModule(VMDLSNet(build("lenet", 3, image_size=(16, 16)), 2), CONFIG, 3)
    module._count(torch.tensor([[1.0, 2.0], [3.0, 4.0], [7.0, 7.0]]), torch.tensor([0, 0, 1]))
    assert (module.means == 0).all()
    module.on_train_epoch_start()
    assert module.means.tolist() == [[2.0, 3.0], [7.0, 7.0], [0.0, 0.0]]
    module._count(torch.tensor([[5.0, 5.0]]), torch.tensor([2]))
    assert module.means[2].tolist() == [0.0, 0.0]
    assert module.class_means().tolist() == [[2.0, 3.0], [7.0, 7.0], [5.0, 5.0]], "of the epoch before"
    margins = []
    for epoch in range(6):
        type(module).current_epoch, before = property(lambda _, e=epoch: e), type(module).current_epoch
        module.on_train_epoch_start()
        type(module).current_epoch = before
        margins.append(module.margin.item())
    assert margins == pytest.approx([0.15, 1.15, 2.15, 3.15, 4.0, 4.0])


def test_an_autoencoder_learns(tmp_path):
    torch.manual_seed(0)
    network = Autoencoder(3, (16, 16), 8, 8)
    loader = DataLoader(Colours(72), 12, shuffle=True, generator=torch.Generator())
    with torch.no_grad():
        before = (network(Colours(30).images) - Colours(30).images).square().mean().item()
    config = TrainingConfig(8, 12, "adam", 5e-3)
    figures = fit_autoencoder(network, loader, DataLoader(Colours(30), 15), config, tmp_path, progress=False)
    with torch.no_grad():
        after = (network(Colours(30).images) - Colours(30).images).square().mean().item()
    assert after == pytest.approx(figures["mse"], rel=1e-4) == pytest.approx(figures["loss"], rel=1e-4)
    assert after < before / 2


@pytest.mark.parametrize(
    ("name", "classes", "images", "optimizer", "lr", "weight_decay"),
    [
        ("vmdls-mnist", 10, 64, "adam-l2", 1e-4, 0.0),
        ("vmdls-vgg", 8, 40, "adam-l2", 1e-3, 0.0),
        ("vmdls-resnet18", 10, 40, "sgd", 1e-2, 1e-4),
        ("vmdls-resnet34", 10, 8, "sgd", 5e-3, 1e-4),
        ("vmdls-densenet", 10, 40, "sgd", 1e-1, 1e-4),
    ],
)
def test_presets_of_the_paper_are_those_of_its_supplement_table_1(
    name, classes, images, optimizer, lr, weight_decay
):
    config, extra = preset(name).config, preset(name).extra
    assert (extra["classes_per_batch"], extra["images_per_class"]) == (classes, images)
    assert (config.optimizer, config.lr, config.weight_decay) == (optimizer, lr, weight_decay)
    assert (config.epochs, config.milestones) == (500, (100, 200, 300, 400))
    assert config.batch_size == classes * images and extra["distancing_margin"] == 32


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="classes_per_batch must be at least 2 and divide batch_size 25"):
        VMDLSTrainingConfig(1, 25)
    with pytest.raises(ValueError, match="a batch needs two images of each class"):
        VMDLSTrainingConfig(1, 10)
    with pytest.raises(ValueError, match="kl_weight must be at least 0, got -1"):
        VMDLSTrainingConfig(1, 40, kl_weight=-1)
    with pytest.raises(ValueError, match="batches of 4 classes need as many, the labels hold 3"):
        BalancedBatches(torch.arange(30) % 3, 4, 2, torch.Generator())
    with pytest.raises(ValueError, match="at least 0"):
        BalancedBatches(torch.tensor([0, -1]), 2, 2, torch.Generator())
    with pytest.raises(ValueError, match="needs a classifier with head_layer; UNet has none"):
        VMDLSNet(build("unet-small", 3))
    with pytest.raises(ValueError, match="8 labels for 9 training images"):
        fit_vmdls(None, DataLoader(Colours(9), 3), torch.arange(8), None, CONFIG, tmp_path)
