"""VMDLS' Gaussians against scipy and brute force, its invariances, and a whole training."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.utils.data import DataLoader, Dataset

from baselines.networks.vmdls import VMDLS, VMDLSBase
from lsood import ModelInfo, OnePass, auroc
from networks import TrainingConfig, build
from networks.models.autoencoder import Autoencoder
from networks.models.vmdls import VMDLSNet
from networks.training.vmdls.config import VMDLSTrainingConfig
from networks.training.vmdls.fit import fit_autoencoder, fit_vmdls

MODEL_INFO = ModelInfo("classification", 3, ("relu1", "relu2"), "drop", (0.2, 0.25, 0.3))


def features(n, seed=0, d=6):
    """w and v of three classes of different scatter, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    mixing = np.random.default_rng(99).normal(size=(3, d, d))
    v = np.einsum("ni,nij->nj", random.normal(size=(n, d)), mixing[labels]) + 3 * labels[:, None]
    return torch.from_numpy(np.column_stack([random.random(n), v])), torch.from_numpy(labels)


def test_likelihoods_are_those_of_gaussians_shrunk_to_the_tied_covariance():
    (x, y), (test, _) = features(90), features(20, seed=1)
    detector = VMDLSBase().fit(x, y)
    v, t, d = x[:, 1:].numpy(), test[:, 1:].numpy(), 6
    means = [v[y == k].mean(0) for k in range(3)]
    tied = sum((v[y == k] - means[k]).T @ (v[y == k] - means[k]) for k in range(3)) / 90
    expected = []
    for k in range(3):
        own = np.cov(v[y == k].T, bias=True)
        expected.append(multivariate_normal(means[k], (30 * own + d * tied) / (30 + d)).logpdf(t))
    constant = np.linalg.slogdet(tied)[1] / 2
    np.testing.assert_allclose(
        detector.log_likelihoods(test).numpy().T, np.array(expected) + constant, rtol=1e-8
    )
    assert detector.predict(test).tolist() == np.argmax(expected, axis=0).tolist()
    highest = 1 + detector.log_likelihoods(x).max()
    torch.testing.assert_close(detector.score(test), highest - detector.log_likelihoods(test).amax(1))


def test_the_weight_multiplies_and_its_scale_and_c_come_from_the_fit_set():
    (x, y), (test, _) = features(90), features(20, seed=1)
    base, full = VMDLSBase().fit(x, y), VMDLS().fit(x, y)
    torch.testing.assert_close(full.score(test), base.score(test) * test[:, 0] / x[:, 0].max())
    alone = torch.cat([full.score(test[i : i + 1]) for i in range(20)])
    torch.testing.assert_close(alone, full.score(torch.cat([test, 100 * test]))[:20], rtol=1e-12, atol=0)


def test_class_means_are_plain_means_whatever_the_order():
    x, y = features(97)
    detector = VMDLS().fit(x, y)
    order = torch.randperm(97, generator=torch.Generator().manual_seed(0))
    again = VMDLS().fit(x[order], y[order])
    plain = torch.stack([x[y == k, 1:].mean(0) for k in range(3)])
    torch.testing.assert_close(detector.means_, plain @ detector.whitener_)
    torch.testing.assert_close(again.score(x), detector.score(x))


@pytest.mark.parametrize("kind", ["repeated", "affine", "dead"])
def test_redundant_features_change_nothing(kind):
    """Also in classes of different size, where a log-determinant of what is redundant would tell them apart."""
    (x, y), (test, _) = features(120), features(40, seed=1)
    x, y = x[30:], torch.cat([torch.zeros(60, dtype=torch.int64), y[90:]])
    y[:60:4], y[1:60:4] = 1, 2
    more = {
        "repeated": lambda v: v[:, 1:].float().double(),
        "affine": lambda v: (3 + v[:, 1:] @ torch.arange(18.0).double().sin().reshape(6, 3)).float().double(),
        "dead": lambda v: torch.full((len(v), 2), 7.0, dtype=torch.float64),
    }[kind]
    wide, wide_test = (torch.cat([v, more(v)], dim=1) for v in (x, test))
    ours, theirs = VMDLS().fit(x, y), VMDLS().fit(wide, y)
    assert theirs.whitener_.shape[1] == ours.whitener_.shape[1] == 6
    torch.testing.assert_close(theirs.score(wide_test), ours.score(test), rtol=1e-4, atol=1e-4)
    assert theirs.predict(wide_test).tolist() == ours.predict(test).tolist()


def test_fewer_images_than_dimensions_stay_finite():
    random = torch.Generator().manual_seed(0)
    x, y = torch.rand(24, 41, generator=random), torch.arange(24) % 3
    scores = VMDLS().fit(x, y).score(torch.rand(10, 41, generator=random))
    assert scores.isfinite().all() and (scores > 0).all()


def test_state_restores_the_detector():
    (x, y), (test, _) = features(60), features(9, seed=1)
    detector = VMDLS().fit(x, y)
    again = VMDLS.from_state(detector.state(), **detector.get_params())
    assert torch.equal(again.score(test), detector.score(test))
    assert torch.equal(again.predict(test), detector.predict(test))


class Stripes(Dataset):
    """Class k: horizontal, vertical or diagonal stripes; class 3, of the OoD set: blobs of noise."""

    def __init__(self, n, ood=False):
        random = torch.Generator().manual_seed(n + ood)
        rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
        self.labels = torch.arange(n) % 3
        along = torch.stack([rows, columns, (rows + columns) / 2**0.5])[self.labels]
        phase = 6.28 * torch.rand(n, 1, 1, generator=random)
        waves = (1.2 * along + phase).sin()
        if ood:
            coarse = torch.randn(n, 1, 4, 4, generator=random)
            waves = torch.nn.functional.interpolate(coarse, (16, 16), mode="bilinear")[:, 0]
        self.images = waves[:, None] + 0.2 * torch.randn(n, 1, 16, 16, generator=random)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "target": self.labels[i]}


def test_a_training_of_seconds_classifies_and_finds_the_ood_cluster(tmp_path, tiny):
    train, test, ood = Stripes(192), Stripes(60), Stripes(61, ood=True)
    torch.manual_seed(0)
    network = VMDLSNet(build("lenet", 3, 1, image_size=(16, 16)), 8)
    autoencoder = Autoencoder(1, (16, 16), 8, 8)
    loader, val = DataLoader(train, 24, shuffle=True, generator=torch.Generator()), DataLoader(test, 30)
    config = VMDLSTrainingConfig(5, 24, "adam", 5e-3, classes_per_batch=3)
    fit_vmdls(network, loader, train.labels, val, config, tmp_path / "a", progress=False)
    fit_autoencoder(
        autoencoder, loader, val, TrainingConfig(8, 24, "adam", 5e-3), tmp_path / "b", progress=False
    )
    for kind in (VMDLS, VMDLSBase):
        detector = kind((network, autoencoder), "hash").attach(MODEL_INFO)
        (probe,) = detector.probes()
        with OnePass(tiny(channels=1), [probe]) as run:
            found = [run(s.images, list(map(str, range(len(s)))))[probe.name] for s in (train, test, ood)]
            one = torch.cat([run(test.images[i : i + 1], ["a"])[probe.name] for i in range(8)])
        detector.fit(found[0], train.labels)
        assert detector.whitener_.shape[1] <= found[0].shape[1] - 1 - 8, "mu is an affine function of g"
        assert (detector.predict(found[1]) == test.labels).double().mean() > 0.95
        assert auroc(detector.score(found[1]), detector.score(found[2])) > 0.95
        torch.testing.assert_close(detector.score(one), detector.score(found[1])[:8], rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        parts, rebuilt = network.describe(ood.images), network.describe(autoencoder(ood.images))
    torch.testing.assert_close(found[2][:, 0], (parts[0] - rebuilt[0]).square().mean(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[2][:, 1:], torch.cat(parts, dim=1), rtol=1e-4, atol=1e-5)


def test_bad_input_is_named():
    x, y = features(30)
    with pytest.raises(ValueError, match="vmdls: needs a VMDLS network and an autoencoder"):
        VMDLS().attach(MODEL_INFO)
    with pytest.raises(ValueError, match="vmdls-base does not apply to segmentation"):
        VMDLSBase().attach(ModelInfo("segmentation", 3, ("a",), "drop", (1.0,)))
    with pytest.raises(ValueError, match="got 1 networks"):
        VMDLS((torch.nn.Identity(),))
    with pytest.raises(ValueError, match="every image of the fit set needs a label"):
        VMDLS().fit(x)
    with pytest.raises(ValueError, match="every image of the fit set needs a label"):
        VMDLS().fit(x, y - 1)
    with pytest.raises(ValueError, match="has 6 columns, the fit set had 7"):
        VMDLS().fit(x, y).score(x[:, :6])
    with pytest.raises(ValueError, match="no feature of the fit set varies within a class"):
        VMDLS().fit(torch.ones(6, 3), torch.arange(6) % 2)
