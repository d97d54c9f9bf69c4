"""Speed beside what users have today, side by side in one run; see README.md here.

    uv run pytest benchmarks/speed --benchmark-json benchmarks/speed/results/NAME.json

Every round calls the other way first, then ours, so that both meet the same machine. ``extra_info`` keeps
milliseconds per image of both (medians over rounds) and their ratio. Nothing here asserts a time.
"""

from statistics import median
from time import perf_counter

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
from lsood.extraction.one_pass import OnePass
from lsood.probes.image import LatentEntropy, ModelInfo, standard_probes

PASSES, K, FLOOR = 16, 5, 1e-5
SEGMENTATION = ("deeplabv3plus-resnet18", (3, 128, 256))
CLASSIFICATION = ("resnet18", (3, 32, 32))
DETECTION = [("faster-rcnn-small", (3, 180, 320)), ("faster-rcnn", (3, 192, 320))]
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
    model_info = ModelInfo(
        task=networks.NETWORKS[name].task,
        num_classes=10,
        layers=network.feature_layers,
        latent_layer=network.latent_layer,
        std=(0.25, 0.25, 0.25),
        mc_samples=PASSES,
    )
    return network, x, [str(i) for i in range(images)], model_info


def compare(benchmark, ours, images, other, other_images, rounds):
    """Benchmark ``ours``; before every round, time ``other``."""
    times = []

    def call_other():
        start = perf_counter()
        other()
        times.append(perf_counter() - start)

    benchmark.pedantic(ours, setup=call_other, rounds=rounds, warmup_rounds=2)
    theirs, mine = 1e3 * median(times[2:]) / other_images, 1e3 * benchmark.stats["median"] / images
    benchmark.extra_info.update(
        threads=torch.get_num_threads(), other_ms=theirs, ours_ms=mine, other_over_ours=theirs / mine
    )


# The procedure of the reference code: images one by one, a full pass per sample, a tree per channel.


def reference_samples(network, hook, image):
    """(16, C): sixteen full passes with DropBlock active, the mean of the hooked map (of each level) each time."""
    with torch.no_grad():
        samples = []
        for _ in range(PASSES):
            network(image)
            samples.append(torch.cat([level.mean(dim=(2, 3)) for level in hook.outputs], dim=1))
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


@pytest.mark.parametrize("network_and_shape", LAREX, ids=lambda p: p[0])
def test_larex_beside_the_reference_procedure(benchmark, fitted, network_and_shape):
    """Entropies and both scores of images."""
    network, x, keys, model_info = setting(*network_and_shape, images=64)
    layer = network.get_submodule(model_info.latent_layer)
    probe = LatentEntropy(model_info.latent_layer, PASSES, model_info.reduction, 0)

    def reference():
        layer.train()
        with Hook(layer) as hook:
            h = np.stack(
                [reference_entropy(reference_samples(network, hook, i[None]).numpy()) for i in x[:4]]
            )
        layer.eval()
        z = fitted["pca"].transform(h)
        return fitted["kde"].score_samples(z), fitted["covariance"].mahalanobis(z)

    with OnePass(network, [probe]) as one_pass:

        def ours():
            h = one_pass(x, keys)[probe.name]
            return fitted["lared"].score(h), fitted["larem"].score(h)

        compare(benchmark, ours, len(x), reference, other_images=4, rounds=15)


@pytest.mark.parametrize("network_and_shape", DETECTION, ids=lambda p: p[0])
def test_latent_entropies_of_a_detector_beside_the_reference_procedure(benchmark, network_and_shape):
    """Entropies of the proposal head's channel means on five levels; the reference passes images one by one."""
    network, x, keys, model_info = setting(*network_and_shape, images=4)
    layer = network.get_submodule(model_info.latent_layer)
    probe = LatentEntropy(model_info.latent_layer, PASSES, model_info.reduction, 0)

    def reference():
        layer.train()
        with Hook(layer, network) as hook:
            found = reference_entropy(reference_samples(network, hook, x[:1]).numpy())
        layer.eval()
        return found

    with OnePass(network, [probe]) as one_pass:
        compare(benchmark, lambda: one_pass(x, keys), len(x), reference, other_images=1, rounds=7)


def test_entropy_beside_trees(benchmark):
    """16 samples of 128 channels."""
    samples = torch.randn(256, PASSES, 128)
    few = samples[:8].numpy()
    compare(
        benchmark,
        lambda: entropy(samples),
        len(samples),
        lambda: [reference_entropy(s) for s in few],
        other_images=len(few),
        rounds=15,
    )


@pytest.fixture(scope="module", params=[CLASSIFICATION, SEGMENTATION], ids=lambda p: p[0])
def case(request):
    images = 64 if request.param is CLASSIFICATION else 8
    return setting(*request.param, images=images)


def extraction(benchmark, case, perturbations=()):
    network, x, keys, model_info = case

    def inference():
        with torch.no_grad():
            return network(x)

    with OnePass(network, standard_probes(model_info), perturbations) as one_pass:
        compare(benchmark, lambda: one_pass(x, keys), len(x), inference, other_images=len(x), rounds=15)


def test_extraction_for_all_post_hoc_methods_beside_plain_inference(benchmark, case):
    """Logits, features of every layer, noise singularities, latent entropies."""
    extraction(benchmark, case)


def test_extraction_with_odin_beside_plain_inference(benchmark, case):
    """The same with ODIN's gradient and its second pass."""
    extraction(benchmark, case, [ODIN().attach(case[3]).perturbations()[0]])
