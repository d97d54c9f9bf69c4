"""Speed beside what users have today, side by side in one run; see README.md here.

    uv run pytest benchmarks/speed --benchmark-json benchmarks/speed/results/NAME.json

Every benchmark tells how many images one call handles (``extra_info["images"]``); ratios are of medians per
image. Nothing here asserts a time.
"""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.special import digamma
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity

import networks
from baselines import ODIN
from lsood import Hook, LaRED, LaREM, entropy
from lsood.one_pass import OnePass
from lsood.probes import LatentEntropy, Subject, standard_probes

PASSES, K, FLOOR = 16, 5, 1e-5
SEGMENTATION = ("deeplabv3plus-resnet18", (3, 128, 256))
CLASSIFICATION = ("resnet18", (3, 32, 32))
LAREX = [("resnet18-imagenet", (3, 32, 32)), CLASSIFICATION]  # the reference's ResNet-18 has the 7x7 stem


@pytest.fixture(autouse=True, scope="module")
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def setting(name, shape, images):
    """A network in evaluation mode, images with keys, and the subject detectors are bound to."""
    torch.manual_seed(0)
    network = networks.build(name, 10, shape[0]).eval().requires_grad_(False)
    if name == "resnet18-imagenet":
        # Blocks of 5 would drop all of its 4x4 map here, where the layer divides by 0.
        network.drop_block.block_size = 2
    x = torch.randn(images, *shape)
    subject = Subject(
        task=networks.NETWORKS[name].task,
        num_classes=10,
        layers=network.feature_layers,
        latent_layer=network.latent_layer,
        std=(0.25, 0.25, 0.25),
        mc_samples=PASSES,
    )
    return network, x, [str(i) for i in range(images)], subject


def run(benchmark, call, images, rounds, warmup=1):
    benchmark.extra_info["images"] = images
    benchmark.extra_info["threads"] = torch.get_num_threads()
    return benchmark.pedantic(call, rounds=rounds, warmup_rounds=warmup)


# The procedure of the reference code: images one by one, a full pass per sample, a tree per channel.


def reference_samples(network, hook, image):
    """(16, C): sixteen full passes with DropBlock active, the mean of the hooked map each time."""
    with torch.no_grad():
        samples = []
        for _ in range(PASSES):
            network(image)
            samples.append(hook.output.mean(dim=(2, 3)))
    return torch.cat(samples)


def reference_entropy(samples):
    """(C,): Kozachenko-Leonenko, a k-d tree per channel."""
    found = []
    for column in samples.T:
        column = column[:, None]
        distance = cKDTree(column).query(column, K + 1, p=np.inf)[0][:, K]
        found.append(digamma(len(column)) - digamma(K) + np.log(2 * np.maximum(distance, FLOOR)).mean())
    return np.array(found)


@pytest.fixture(scope="module")
def fitted():
    """Both procedures' detectors, fitted on the same 500 entropy vectors."""
    h = entropy(torch.randn(500, PASSES, 128))
    pca = PCA(16, svd_solver="full", whiten=True).fit(h.numpy())
    z = pca.transform(h.numpy())
    return {
        "pca": pca,
        "kde": KernelDensity(kernel="gaussian", bandwidth=1.0).fit(z),
        "covariance": EmpiricalCovariance().fit(z),
        "lared": LaRED(pca=16).fit(h),
        "larem": LaREM(pca=16).fit(h),
    }


@pytest.mark.benchmark(group="LaREx, ResNet-18 at 32x32")
@pytest.mark.parametrize("network_and_shape", LAREX, ids=lambda p: p[0])
def test_larex_by_the_reference_procedure(benchmark, fitted, network_and_shape):
    network, x, _, subject = setting(*network_and_shape, images=4)
    layer = network.get_submodule(subject.latent_layer)
    layer.train()

    def procedure():
        with Hook(layer) as hook:
            h = np.stack([reference_entropy(reference_samples(network, hook, i[None]).numpy()) for i in x])
        z = fitted["pca"].transform(h)
        return fitted["kde"].score_samples(z), fitted["covariance"].mahalanobis(z)

    run(benchmark, procedure, images=len(x), rounds=5)


@pytest.mark.benchmark(group="LaREx, ResNet-18 at 32x32")
@pytest.mark.parametrize("network_and_shape", LAREX, ids=lambda p: p[0])
def test_larex_in_one_pass(benchmark, fitted, network_and_shape):
    network, x, keys, subject = setting(*network_and_shape, images=64)
    probe = LatentEntropy(subject.latent_layer, PASSES, subject.reduction, 0)
    with OnePass(network, [probe]) as one_pass:

        def procedure():
            h = one_pass(x, keys)[probe.name]
            return fitted["lared"].score(h), fitted["larem"].score(h)

        run(benchmark, procedure, images=len(x), rounds=9)


@pytest.mark.benchmark(group="entropy of 16 samples, 128 channels")
def test_entropy_by_trees(benchmark):
    samples = np.random.default_rng(0).normal(size=(4, PASSES, 128))
    run(benchmark, lambda: [reference_entropy(s) for s in samples], images=4, rounds=9)


@pytest.mark.benchmark(group="entropy of 16 samples, 128 channels")
def test_entropy_vectorised(benchmark):
    samples = torch.randn(256, PASSES, 128)
    run(benchmark, lambda: entropy(samples), images=256, rounds=19)


@pytest.fixture(scope="module", params=[CLASSIFICATION, SEGMENTATION], ids=lambda p: p[0])
def case(request):
    images = 64 if request.param is CLASSIFICATION else 8
    return setting(*request.param, images=images)


@pytest.mark.benchmark(group="extraction")
def test_plain_inference(benchmark, case):
    network, x, _, _ = case

    def inference():
        with torch.no_grad():
            return network(x)

    run(benchmark, inference, images=len(x), rounds=15, warmup=2)


@pytest.mark.benchmark(group="extraction")
def test_extraction_for_all_post_hoc_methods(benchmark, case):
    network, x, keys, subject = case
    with OnePass(network, standard_probes(subject)) as one_pass:
        run(benchmark, lambda: one_pass(x, keys), images=len(x), rounds=15, warmup=2)


@pytest.mark.benchmark(group="extraction")
def test_extraction_with_odin(benchmark, case):
    network, x, keys, subject = case
    odin = ODIN().attach(subject)
    with OnePass(network, standard_probes(subject), [odin.perturbation()]) as one_pass:
        run(benchmark, lambda: one_pass(x, keys), images=len(x), rounds=7, warmup=1)
