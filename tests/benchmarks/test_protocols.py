"""What each protocol lets a method see, how it chooses, and what it is scored on."""

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import datamodules.miniature as miniature
from baselines import FSSD, ODIN, FSSDNoise, MahalanobisNoise
from baselines.layers import fssd, mahalanobis
from baselines.logits import odin
from benchmarks.console import spread
from benchmarks.levels.image import ImageLevel
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.pipeline.tuning import Adversarial, tuned, validation_rows
from benchmarks.run import app
from datamodules import ArraySet, CIFAR10DataModule
from datamodules.imagesets.anomalous import AnomalousSet
from leaderboards.store import load_result
from lsood import Activations, ModelInfo, auroc
from lsood.extraction.counter import ForwardCounter
from lsood.methods import create
from networks import build

FAST = ["--epochs", "1", "--limit", "40", "--batch-size", "20", "--device", "cpu"]
METHODS = ["msp", "odin", "mahalanobis-noise", "fssd", "fssd-noise", "lared", "kde-classifier"]


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    before = dict(miniature.MINIATURES)
    for name, counts in {"cifar10": {"train": 400, "test": 60}, "svhn": {"test": 60}}.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    yield
    miniature.MINIATURES.update(before)


@contextmanager
def short_grids():
    """Every eighth step of the papers' 14 and 22: enough to choose among."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (odin, fssd, mahalanobis):
            patch.setattr(module, "STEPS", module.STEPS[::8])
        yield


class Trap(ArraySet):
    """An OoD set that must not be read yet."""

    open = False

    def read(self, index):
        raise AssertionError("read one by one")

    def __getattribute__(self, name):
        if name == "images" and not Trap.open:
            raise RuntimeError("an OoD image was touched")
        return super().__getattribute__(name)


def evaluation(tmp_path, protocols, names=METHODS):
    """Every method on a random network against a trap that opens when the scoring pass over it begins."""
    data = CIFAR10DataModule(miniature=True, limit=40, batch_size=20)
    data.setup()
    Trap.open = True
    pixels = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    data.ood_sets["trap"] = Trap("trap", pixels, None, "official", "trap/")
    data.ood_sets["trap"].fingerprint  # noqa: B018 - reads the pixels once, to name them
    Trap.open = False

    def watch(title, batches):
        Trap.open = title == "trap"
        yield from batches
        Trap.open = False

    torch.manual_seed(0)
    network = build("resnet18-small", 10).eval()
    model_info = ModelInfo("classification", 10, network.feature_layers, network.latent_layer, data.std)
    extraction = Extraction(network, "h", "p", tmp_path, watch=watch)
    detectors = {name: create(name) for name in names}
    return Evaluation(
        extraction, data, [LevelMethods(ImageLevel(data, model_info), detectors)], protocols=protocols
    )


@pytest.mark.parametrize("protocol", ["no-ood", "fgsm-val"])
def test_no_ood_image_is_touched_before_it_is_scored(tmp_path, protocol):
    run = evaluation(tmp_path, [protocol], [name for name in METHODS if name != "kde-classifier"])
    with short_grids():
        scored = run.run()
    assert not run.methods[0].failures.reasons
    assert all(np.isfinite(s.scores.score).all() for s in scored.scored)


def test_the_trap_works(tmp_path):
    with pytest.raises(RuntimeError, match="an OoD image was touched"):
        evaluation(tmp_path, ["oracle-val"], ["odin"]).run()


def activations(values, prefix):
    x = torch.as_tensor(values, dtype=torch.float64)
    return Activations({"fss.a.n100.s0": x}, [f"{prefix}{i}" for i in range(len(x))])


def test_a_logistic_regression_mends_the_sign_that_the_sum_cannot():
    """OoD lies farther from the singularity than in-distribution: the hypothesis of FSSD upside down."""
    random = np.random.default_rng(0)
    model_info = ModelInfo("classification", 2, ("a",), "d", (1.0,))
    near, far = (activations(random.normal(m, 1, (200, 1)), p) for m, p in ((5, "i"), (8, "o")))
    detector = FSSD().attach(model_info).fit(near)
    plain = detector.calibrate(near)
    assert auroc(plain.score(near), plain.score(far)) < 0.1
    taught = tuned([detector.with_params()], near, far)
    assert auroc(taught.score(near), taught.score(far)) > 0.9
    assert not hasattr(detector, "layer_weight_"), "the prototype is left as it was"


def test_the_best_candidate_is_kept_and_the_first_of_equals():
    class Choice(ODIN):
        def score(self, x):
            return x["v"][:, int(self.epsilon)]

    random = np.random.default_rng(0)
    inside, outside = random.normal(size=(400, 3)), random.normal((0, 3, 3), 1, (400, 3))
    inside[:, 2], outside[:, 2] = inside[:, 1], outside[:, 1]
    x, y = (Activations({"v": torch.as_tensor(v)}, list(map(str, range(400)))) for v in (inside, outside))
    candidates = [Choice(epsilon=e) for e in (0, 2, 1)]
    assert tuned(candidates, x, y) is not candidates[1] and tuned(candidates, x, y).epsilon == 2


def test_grids_are_the_papers():
    assert len(ODIN().param_grid()) == 88 and ODIN().param_grid()[0] == {"temperature": 1.0, "epsilon": 0.2}
    assert len(FSSDNoise().param_grid()) == 22 and len(MahalanobisNoise().param_grid()) == 14
    assert FSSD().param_grid() == [{}]
    assert MahalanobisNoise().with_params(epsilon=0.02).epsilon == 0.02


def test_equal_directions_share_one_backward_pass(tiny):
    from lsood import OnePass

    model_info = ModelInfo("classification", 4, ("relu1", "relu2"), "drop", (1.0, 1.0, 1.0))
    steps = [
        s for d in (ODIN(1.0, e).attach(model_info) for e in (0.0, 0.01, 0.02)) for s in d.perturbations()
    ]
    calls = []
    network = tiny()
    backward = torch.autograd.grad
    x = torch.rand(4, 3, 16, 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "grad", lambda *a, **k: calls.append(1) or backward(*a, **k))
        with OnePass(network, [], steps) as run:
            found = run(x, list("abcd"))
            assert run.forwarded == {"shared_pass": 4, "perturbed": 12}
    assert len(calls) == 1
    plain = 1 - network(x).softmax(1).amax(1)
    torch.testing.assert_close(found[steps[0].name].float(), plain, rtol=1e-5, atol=1e-6)


def test_fgsm_images_are_less_like_their_class_and_valid(tiny):
    network = tiny()
    counter = ForwardCounter(network)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))
    pixels = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    batch = {"image": (pixels - m) / s, "key": list("abcdef"), "target": torch.zeros(6, dtype=torch.int64)}
    adversarial = Adversarial([batch], network, mean, std, epsilon=0.02)
    (moved,) = list(adversarial)
    assert counter.counts == {} and adversarial.forwarded == 6 and len(adversarial) == 1
    after = moved["image"] * s + m
    assert (after - pixels).abs().max() <= 0.02 + 1e-6
    assert after.min() >= -1e-6 and after.max() <= 1 + 1e-6
    before = network(batch["image"]).log_softmax(1)
    labels = before.argmax(1, keepdim=True)
    assert (network(moved["image"]).log_softmax(1).gather(1, labels) < before.gather(1, labels)).all()
    assert moved["key"][0] == "fgsm/a"


def test_validation_images_leave_the_rest_with_all_their_versions():
    data = CIFAR10DataModule(miniature=True, limit=30)
    data.setup()
    images = AnomalousSet(data.sets["test"], data.recipe, severity="all")
    chosen, rest = validation_rows(images, 3)
    sources = np.array(images.sources)
    assert not set(sources[chosen]) & set(sources[rest]) and len(chosen) + len(rest) == len(images) == 150
    assert len(chosen) == 75
    assert validation_rows(images, 3, size=10)[0] == validation_rows(images, 3, size=10)[0]
    assert len(validation_rows(images, 3, size=10)[0]) == 10


@pytest.fixture(scope="module")
def all_protocols(tmp_path_factory):
    out = tmp_path_factory.mktemp("protocols")
    arguments = ["--ind", "cifar10", "--ood", "svhn", "--methods", *METHODS, "--out", str(out), *FAST]
    protocols = ["--protocols", "no-ood", "fgsm-val", "oracle-val"]
    with short_grids():
        done = CliRunner().invoke(app, spread([*arguments, *protocols]))
    assert done.exit_code == 0, done.output
    return out


def test_protocols_stand_side_by_side_and_apart(all_protocols):
    table = pd.read_csv(all_protocols / "leaderboard.csv")
    found = {p: set(part.method) for p, part in table.groupby("protocol")}
    assert found["no-ood"] == {*METHODS, "naive"} - {"kde-classifier"}
    assert found["fgsm-val"] == found["oracle-val"] == set(METHODS) - {"msp", "lared"}
    assert set(table[table.protocol != "oracle-val"].n_out) == {40}
    assert set(table[table.protocol == "oracle-val"].n_out) == {20}
    assert table.auroc.between(0, 1).all()


def test_what_was_chosen_is_in_the_result(all_protocols):
    run = load_result(all_protocols / "results" / "fssd-noise-oracle-val-seed0.json")
    assert run.protocol == "oracle-val" and run.settings["tuned"]["svhn"]["per_layer"] is True
    assert run.settings["tuned"]["svhn"]["epsilon"] in [c["epsilon"] for c in FSSDNoise().param_grid()]
    assert run.threshold.n_calibration == 40 and run.ood[0].n_in == run.ood[0].n_out == 20
    adversarial = load_result(all_protocols / "results" / "fssd-noise-fgsm-val-seed0.json")
    assert adversarial.threshold.n_calibration == 20, "the other half of the validation images taught"
    plain = load_result(all_protocols / "results" / "fssd-noise-seed0.json")
    assert plain.protocol == "no-ood" and "tuned" not in plain.settings
    assert plain.cost.images_forwarded["adversarial"] == 20


def test_an_unknown_protocol_is_named():
    done = CliRunner().invoke(app, spread(["--ind", "cifar10", "--ood", "svhn", "--protocols", "no-odd"]))
    assert done.exit_code == 2 and "unknown protocol 'no-odd'" in done.output
