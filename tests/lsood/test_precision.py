"""bfloat16 passes: what changes, by how much, and what does not; and the same on a GPU."""

import copy
import dataclasses

import pytest
import torch
from conftest import TinyNet
from scipy.stats import spearmanr
from torch import nn

from lsood import Activations, Head, ModelInfo, OnePass, auroc
from lsood.extraction.precision import ReducedPrecision
from lsood.methods import METHODS, create
from lsood.probes.image import EnsembleProbability, Logits, Pooled, standard_probes

MODEL_INFO = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (0.25,) * 3, mean=(0.5,) * 3)
AUROC_TOLERANCE, RANK_CORRELATION = 0.01, 0.99
OF_ORDER = {"ras": 0.02}  # sees the order of features alone, which rounding changes


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
    """Every registered method that needs no OoD image; not VMDLS, whose network is of another kind."""
    network, member = networks_
    model_info = dataclasses.replace(MODEL_INFO, head=Head.of(network))
    found = {}
    for name in METHODS:
        detector = create(name)
        if "image" not in detector.levels:
            continue
        if "no-ood" not in detector.protocols or detector.auxiliary_networks == "vmdls":
            continue
        if detector.auxiliary_networks is not None:
            detector = type(detector)((member,), "member")
        found[name] = detector.attach(model_info)
    assert {"deep-ensemble", "mc-dropout-net", "outlier-exposure"} < set(found)
    return found


@dataclasses.dataclass
class Rig:
    """Every method, fitted and calibrated on what one kind of pass measures."""

    networks_: list
    precision: str = "float32"
    device: str = "cpu"
    batch: int = 50

    def __post_init__(self):
        self.methods, self.prepared, self.steps = detectors(self.networks_), {}, []
        fitted = self.measure(*stripes(300, 2), of=lambda method: method.fit_probes())
        self.steps = [step for method in self.methods.values() for step in method.fit(fitted).perturbations()]
        validation = self.measure(*stripes(100, 3))
        for method in self.methods.values():
            method.calibrate(validation)

    def measure(self, images, labels, keys=None, of=lambda method: method.probes()):
        keys = keys or [f"k{i}" for i in range(len(images))]
        probes = standard_probes(MODEL_INFO) + [
            probe for method in self.methods.values() for probe in of(method)
        ]
        network = copy.deepcopy(self.networks_[0])
        with OnePass(network, probes, self.steps, self.device, self.prepared, self.precision) as run:
            parts = [
                run(images[i : i + self.batch], keys[i : i + self.batch], labels[i : i + self.batch])
                for i in range(0, len(images), self.batch)
            ]
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return Activations(joined | {"labels": labels}, keys)

    def scores(self, activations):
        return {name: method.score(activations) for name, method in self.methods.items()}


OUTSIDE = {"angles": (0.4, 1.2, 2.0, 2.7), "period": 3.5}


def scores(networks_, precision="float32", device="cpu", batch=50):
    """{method: scores of 200 in-distribution and 200 OoD images}, everything measured anew."""
    rig = Rig(networks_, precision, device, batch)
    inside, outside = (rig.scores(rig.measure(*stripes(200, n, **o))) for n, o in ((4, {}), (5, OUTSIDE)))
    return {name: (inside[name], outside[name]) for name in inside}


@pytest.fixture(scope="module")
def float32(networks_):
    return scores(networks_)


def close(ours, theirs):
    """Assert that two columns of scores judge alike, method by method."""
    assert ours.keys() == theirs.keys()
    for name in ours:
        difference = auroc(*ours[name]) - auroc(*theirs[name])
        ranks = spearmanr(torch.cat(ours[name]), torch.cat(theirs[name])).statistic
        tolerance = OF_ORDER.get(name, AUROC_TOLERANCE)
        assert abs(difference) <= tolerance and ranks >= RANK_CORRELATION, (
            name,
            difference,
            ranks,
        )


def test_every_method_holds_the_tolerance_in_bfloat16(networks_, float32):
    reduced = scores(networks_, "bfloat16")
    close(reduced, float32)
    changed = [name for name in reduced if not torch.equal(reduced[name][0], float32[name][0])]
    assert set(changed) == set(reduced) - {"naive"}  # else nothing ran in bfloat16


def test_batch_mates_move_scores_within_the_tolerance(networks_):
    close(scores(networks_, "bfloat16", batch=23), scores(networks_, "bfloat16"))


def test_every_method_scores_alike_one_by_one_and_in_a_shuffled_mixed_batch(networks_):
    """In-distribution and OoD images in one batch, in any order: a score is the image's own."""
    rig = Rig(networks_)
    (inside, _), (outside, _) = stripes(12, 6), stripes(12, 7, **OUTSIDE)
    images, labels = torch.cat([inside, outside]), torch.zeros(24, dtype=torch.int64)
    keys, order = [f"m{i}" for i in range(24)], torch.randperm(24, generator=torch.Generator().manual_seed(0))
    mixed = rig.scores(rig.measure(images[order], labels, [keys[i] for i in order]))
    rig.batch = 1
    alone = rig.scores(rig.measure(images, labels, keys))
    for name in alone:
        spread = float(alone[name].std())
        torch.testing.assert_close(mixed[name], alone[name][order], rtol=1e-4, atol=1e-4 * spread, msg=name)


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
