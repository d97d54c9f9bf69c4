"""bfloat16 passes: what changes, by how much, and what does not; and the same on a GPU."""

import copy
import dataclasses

import pytest
import torch
from conftest import TinyNet
from scipy.stats import spearmanr
from torch import nn

from baselines import DeepEnsemble
from lsood import Activations, Head, OnePass, Subject, auroc
from lsood.methods import create, registered
from lsood.precision import ReducedPrecision
from lsood.probes import EnsembleProbability, Logits, Pooled, standard_probes

SUBJECT = Subject("classification", 4, ("relu1", "relu2"), "drop", (0.25,) * 3, mean=(0.5,) * 3)
AUROC_TOLERANCE, RANK_CORRELATION = 0.01, 0.99


class HeadedNet(TinyNet):
    """TinyNet with a linear head."""

    head_layer = "head"

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = self.relu2(self.conv2(self.drop(self.relu1(self.conv1(x)))))
        return self.head(x.mean(dim=(2, 3)))


def stripes(n, seed, angles=(0.0, 0.785, 1.571, 2.356), period=5.0):
    """Noisy gratings, a class per angle."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % len(angles)
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    turn = torch.tensor(angles)[labels][:, None, None]
    phase = 6.28 * torch.rand(n, 1, 1, generator=random)
    wave = torch.sin((rows * turn.sin() + columns * turn.cos()) * 6.28 / period + phase)
    colour = 0.5 + 0.5 * torch.rand(n, 3, 1, 1, generator=random)
    return wave[:, None] * colour + 0.7 * torch.randn(n, 3, 16, 16, generator=random), labels


def train(seed):
    torch.manual_seed(seed)
    network = HeadedNet()
    images, labels = stripes(600, seed)
    steps = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(4):
        for rows in torch.randperm(600).split(60):
            steps.zero_grad()
            nn.functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            steps.step()
    network.eval()
    held_out, truth = stripes(200, 99)
    assert (network(held_out).argmax(1) == truth).double().mean() > 0.9
    return network


@pytest.fixture(scope="module")
def networks_():
    return [train(seed) for seed in (0, 1)]


def detectors(networks_):
    """Every registered method that needs no OoD image and, of further networks, none but an ensemble's."""
    network, member = networks_
    subject = dataclasses.replace(SUBJECT, head=Head.of(network))
    found = {}
    for name in registered():
        detector = create(name)
        if detector.companions not in (None, "ensemble") or "no-ood" not in detector.protocols:
            continue
        if detector.companions == "ensemble":
            detector = DeepEnsemble((member,), "member")
        found[name] = detector.attach(subject)
    return found


def scores(networks_, precision="float32", device="cpu", batch=50):
    """{method: scores of 200 in-distribution and 200 OoD images}, everything measured anew."""
    methods, prepared = detectors(networks_), {}

    def measure(images, labels, probes, steps=()):
        keys = [f"k{i}" for i in range(len(images))]
        with OnePass(copy.deepcopy(networks_[0]), probes, steps, device, prepared, precision) as run:
            parts = [
                run(images[i : i + batch], keys[i : i + batch], labels[i : i + batch])
                for i in range(0, len(images), batch)
            ]
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return Activations(joined | {"labels": labels}, keys)

    def probes(of):
        return standard_probes(SUBJECT) + [probe for method in methods.values() for probe in of(method)]

    fitted = measure(*stripes(300, 2), probes(lambda method: method.fit_probes()))
    steps = [step for method in methods.values() if (step := method.fit(fitted).perturbation()) is not None]
    scored = probes(lambda method: method.probes())
    validation = measure(*stripes(100, 3), scored, steps)
    inside = measure(*stripes(200, 4), scored, steps)
    outside = measure(*stripes(200, 5, angles=(0.4, 1.2, 2.0, 2.7), period=3.5), scored, steps)
    found = {}
    for name, method in methods.items():
        method.calibrate(validation)
        found[name] = (method.score(inside), method.score(outside))
    return found


@pytest.fixture(scope="module")
def float32(networks_):
    return scores(networks_)


def close(ours, theirs):
    """Assert that two columns of scores judge alike, method by method."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        difference = auroc(*ours[name]) - auroc(*theirs[name])
        ranks = spearmanr(torch.cat(ours[name]), torch.cat(theirs[name])).statistic
        assert abs(difference) <= AUROC_TOLERANCE and ranks >= RANK_CORRELATION, (name, difference, ranks)


def test_every_method_holds_the_tolerance_in_bfloat16(networks_, float32):
    reduced = scores(networks_, "bfloat16")
    close(reduced, float32)
    changed = [name for name in reduced if not torch.equal(reduced[name][0], float32[name][0])]
    assert set(changed) == set(reduced) - {"naive"}  # else nothing ran in bfloat16


def test_batch_mates_move_scores_within_the_tolerance(networks_):
    close(scores(networks_, "bfloat16", batch=23), scores(networks_, "bfloat16"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_method_runs_on_a_gpu(networks_, float32, precision):
    """Monte-Carlo masks of latent entropies are other draws on another device."""
    found = scores(networks_, precision, "cuda")
    drawn = {name for name in found if name in ("lared", "larem")}
    close(*({n: s for n, s in column.items() if n not in drawn} for column in (found, float32)))
    for name in drawn:
        assert abs(auroc(*found[name]) - auroc(*float32[name])) < 0.05


def test_logits_are_those_of_the_float32_head(networks_):
    network, (images, labels) = networks_[0], stripes(40, 6)
    keys = [f"k{i}" for i in range(40)]
    with OnePass(network, [Logits(), Pooled("relu2")], precision="bfloat16") as run:
        found = run(images, keys, labels)
        assert network(images).dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in found.values())
    assert (found["logits"] != found["logits"].bfloat16().float()).any()
    exact = network(images)
    assert not torch.equal(found["logits"], exact)
    torch.testing.assert_close(found["logits"], exact, rtol=0.02, atol=0.1)


def test_nothing_stays_behind(networks_):
    network, (images, _) = networks_[0], stripes(5, 7)
    before = network(images)
    reduced = ReducedPrecision([network], "cpu")
    with pytest.raises(RuntimeError):
        network(images[:, :2])
    assert not torch.is_autocast_enabled("cpu")
    assert not torch.equal(network(images), before)
    reduced.close()
    assert torch.equal(network(images), before)


def test_members_run_like_the_network(networks_):
    network, member = networks_
    (images, _), keys = stripes(20, 8), [f"k{i}" for i in range(20)]
    probe, twin = EnsembleProbability((member,), "a"), EnsembleProbability((copy.deepcopy(member),), "b")
    with OnePass(network, [probe], precision="bfloat16") as run:
        reduced = run(images, keys)[probe.name]
    with OnePass(network, [twin]) as run:
        exact = run(images, keys)[twin.name]
    assert not torch.equal(reduced, exact)
    torch.testing.assert_close(reduced, exact, rtol=0, atol=0.05)


def test_an_unknown_precision_is_named(networks_):
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, got 'int8'"):
        OnePass(networks_[0], [], precision="int8")
