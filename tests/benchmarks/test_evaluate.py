"""`benchmarks.evaluate`: the command's numbers, in memory, without a trace; and what it refuses, in one line."""

import logging
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from typer.testing import CliRunner

import benchmarks
import datamodules.miniature as miniature
from baselines import KNN
from benchmarks import Results, evaluate
from benchmarks.call import asked
from benchmarks.calls.options import option_names, settings_of
from benchmarks.console import spread
from benchmarks.run import ELSEWHERE, app, main
from datamodules import MNISTDataModule
from leaderboards.analysis.ranks import complete
from lsood import Detector
from lsood.probes.image import Logits

ROOT = Path(__file__).parents[2]
CLASSES = ("bird", "cat", "dog")


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    before = dict(miniature.MINIATURES)
    for name, counts in {
        "mnist": {"train": 60, "test": 30},
        "fashion-mnist": {"train": 2, "test": 30},
    }.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    yield
    miniature.MINIATURES.update(before)


def pixels(n, shift, seed):
    random = np.random.default_rng(seed)
    return (random.integers(0, 120, (n, 3, 8, 8)) + shift).astype(np.uint8)


SETS = {"train": (60, 0, 0), "val": (30, 0, 1), "test": (30, 0, 2), "loud": (20, 90, 3)}


def made(channels=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )


def loaders(form=lambda raw: torch.from_numpy(raw).float() / 255, **options):
    """Images of every set, by class as in class folders."""
    made = {}
    for name, numbers in SETS.items():
        raw = pixels(*numbers)
        targets = torch.arange(len(raw)) * 3 // len(raw)
        made[name] = DataLoader(TensorDataset(form(raw), targets), batch_size=32, **options)
    return {"ind": {n: made[n] for n in ("train", "val", "test")}, "ood": {"loud": made["loud"]}}


METHODS = ["msp", "knn", "odin", "mahalanobis", "react", "fssd"]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The command on the same images in folders, with the network in a file."""
    folder = tmp_path_factory.mktemp("command")
    for name, numbers in SETS.items():
        raw = pixels(*numbers)
        for i, image in enumerate(raw):
            place = folder / ("loud" if name == "loud" else f"mine/{name}/{CLASSES[i * 3 // len(raw)]}")
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{i:03d}.png")
    (folder / "net.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef build(num_classes):\n    torch.manual_seed(0)\n"
        "    layers = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()\n"
        "    return nn.Sequential(*layers, nn.Linear(6, num_classes))\n"
    )
    words = ["--network", folder / "net.py:build", "--ind", f"folder:{folder / 'mine'}", "--mean", 0, 0, 0]
    words += [
        "--std",
        1,
        1,
        1,
        "--ood",
        f"folder:{folder / 'loud'}",
        "--methods",
        *METHODS,
        "--out",
        folder / "out",
    ]
    done = CliRunner().invoke(app, spread([str(word) for word in [*words, "--device", "cpu"]]))
    assert done.exit_code == 0, done.output
    return Results.load(folder / "out")


def figures(results):
    """Metrics and intervals, by method."""
    table = results.table().set_index("method").sort_index()
    return table.select_dtypes("number").drop(columns=["fit_seconds", "score_seconds"])


def test_loaders_give_the_numbers_of_the_command(command):
    network = made()
    network[4].train()
    for given in (loaders(shuffle=True), loaders(torch.from_numpy)):  # floats as they are, raw uint8
        found = evaluate(network, **given, methods=METHODS, device="cpu")
        pd.testing.assert_frame_equal(figures(found), figures(command), check_exact=True)
        for method in (*METHODS, "naive"):
            assert found.scores(method).score.equals(command.scores(method).score), method
    assert found.best() == command.best()


SCRIPT = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from benchmarks import evaluate
network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
known = DataLoader(TensorDataset(torch.rand(200, 3, 8, 8), torch.arange(200) % 4), batch_size=32, shuffle=True)
loud = DataLoader(TensorDataset(2 * torch.rand(50, 3, 8, 8)), batch_size=32)
results = evaluate(network, ind=known, ood={"loud": loud}, methods=["msp", "knn"])
results.save("out")
"""


def test_a_plain_script(tmp_path):
    """Under ten lines; it prints nothing and writes where it is told to."""
    assert len(SCRIPT.strip().splitlines()) < 10
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {"PYTHONPATH": str(ROOT), "LSOOD_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out", "script.py"]
    assert {"results", "leaderboard.md", "leaderboard.html", "leaderboard.csv"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert set(Results.load(tmp_path / "out").table().method) == {"msp", "knn", "naive"}


def state(network):
    return [
        (name, part.training, {key: len(table) for key, table in vars(part).items() if "_hooks" in key})
        for name, part in network.named_modules()
    ]


class Held(nn.Module):
    """A module that cannot be copied."""

    def __init__(self):
        super().__init__()
        self.body, self.lock = made().double(), threading.Lock()
        self.body[0].weight.requires_grad_(False)
        self.body[1].register_forward_hook(lambda *_: None)

    def forward(self, x):
        return self.body(x)


@pytest.mark.parametrize("network", [made(), Held()], ids=["copied", "not to be copied"])
def test_a_network_and_random_generators_are_left_as_they_were(network):
    network.train()
    network.get_submodule("body" if isinstance(network, Held) else "").eval()
    before, weights = state(network), {name: p.clone() for name, p in network.named_parameters()}
    asked = [p.requires_grad for p in network.parameters()]
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = evaluate(network, **loaders(), methods=["msp", "odin", "lared"])
    assert state(network) == before and [p.requires_grad for p in network.parameters()] == asked
    for name, parameter in network.named_parameters():
        assert parameter.dtype == weights[name].dtype and torch.equal(parameter, weights[name])
    assert torch.equal(torch.get_rng_state(), random[0])
    assert (np.random.get_state()[1] == random[1]).all()  # noqa: NPY002
    assert found.table().failure.isna().all()


def test_nothing_is_printed_unless_asked(capfd):
    options = {"methods": "msp", "limit": 24, "epochs": 1, "naive": False}
    evaluate("lenet", ind="mnist", ood="fashion-mnist", **options)
    assert capfd.readouterr() == ("", "")
    handlers = logging.getLogger("lsood-bench").handlers[:]
    evaluate("lenet", ind="mnist", ood="fashion-mnist", verbose=True, **options)
    assert "images forwarded" in capfd.readouterr().err
    assert logging.getLogger("lsood-bench").handlers == handlers


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Two seeds, a data module, a name and a loader together; written while they run."""
    out = tmp_path_factory.mktemp("seeds")
    grey = DataLoader(TensorDataset(torch.rand(12, 1, 28, 28)), batch_size=5)
    ood = {"fashion-mnist": "fashion-mnist", "uniform-noise": "uniform-noise", "grey": grey}
    found = evaluate(
        "lenet", ind=MNISTDataModule(miniature=True, limit=40), ood=ood, methods=["msp", "knn", "mahalanobis@nolayer"],
        seeds=(0, 1), epochs=1, out=out,
    )  # fmt: skip
    return found, out


def test_several_seeds(seeds):
    found, _ = seeds
    table = found.table()
    assert set(table.ood) == {"fashion-mnist", "uniform-noise", "grey"} and (table.seeds.dropna() == 2).any()
    each = found.table(by_seed=True)
    assert set(each.seed) == {0, 1} and len(each) == 2 * len(table) and each.low.notna().any()
    assert set(found.scores("knn").seed) == {0, 1}
    assert list(table.columns[:5]) == ["method", "ood", "auroc", "low", "high"]
    assert found.table("pixel").empty
    assert repr(found) == "<Results: 4 methods, 3 OoD sets, 2 seeds>"
    assert found._repr_html_().count("<tr") == len(table) + 1


def test_best_counts_as_the_ranks_do(seeds):
    found, _ = seeds
    means = complete(found.table()).mean()
    assert found.best() == means.idxmax() and "naive" not in means and len(complete(found.table())) == 2
    with pytest.raises(ValueError, match="no method has an AUROC under oracle-val"):
        found.best("oracle-val")


def test_what_was_written_is_what_is_saved_and_loaded(seeds, tmp_path):
    found, out = seeds
    found.save(tmp_path / "mine")
    names = [
        sorted(p.relative_to(top).as_posix() for p in top.rglob("*")) for top in (out, tmp_path / "mine")
    ]
    assert [name for name in names[0] if name != "run.log"] == names[1]
    for folder in (out, tmp_path / "mine", tmp_path / "mine" / "results"):
        loaded = Results.load(folder)
        pd.testing.assert_frame_equal(loaded.table(), found.table())
        pd.testing.assert_frame_equal(loaded.scores("knn"), found.scores("knn"))
    with pytest.raises(FileNotFoundError, match="no results"):
        Results.load(tmp_path)


def test_results_of_finished_seeds_stay_where_a_run_is_interrupted(tmp_path, monkeypatch):
    real, seen = benchmarks.pipeline.job.run_seed, []

    def second_fails(settings, data, seed, given):
        seen.append(seed)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(settings, data, seed, given)

    monkeypatch.setattr("benchmarks.pipeline.job.run_seed", second_fails)
    with pytest.raises(KeyboardInterrupt):
        evaluate(made(), **loaders(), methods="msp", seeds=(0, 1), out=tmp_path)
    assert {run.result.seed for run in Results.load(tmp_path).runs} == {0} and seen == [0, 1]


def test_every_option_of_the_command_is_an_option_of_the_call():
    import inspect

    asked = set(inspect.signature(main).parameters) - set(ELSEWHERE)
    assert asked <= set(option_names())
    assert set(option_names()) - asked <= {
        "checkpoints",
        "network_args",
        "levels",
    }  # fields that have other names


def test_values_of_options():
    settings = settings_of(
        {
            "seeds": 3,
            "mean": torch.zeros(3),
            "std": np.ones(3, np.float32),
            "network_arg": {"width": 8},
            "limit": None,
        },
        ind="x",
        ood=("y",),
    )
    assert (settings.seeds, settings.mean, settings.std) == ((3,), (0.0,) * 3, (1.0,) * 3)
    assert settings.network_args == ("width=8",) and settings.limit is None
    assert settings_of({"data_root": "~"}, ind="x", ood=("y",)).data_root == Path.home()


SMALL = torch.rand(12, 3, 8, 8)
KNOWN = DataLoader(TensorDataset(SMALL, torch.arange(12) % 3), batch_size=4)
LOUD = DataLoader(TensorDataset(2 * SMALL), batch_size=4)


def refused(**options):
    return lambda: evaluate(
        **{"network": made(), "ind": KNOWN, "ood": {"loud": LOUD}, "methods": "msp", **options}
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (refused(epoch=3), "unknown option 'epoch'; did you mean 'epochs'"),
        (refused(limit="many"), "limit must be int, got 'many'"),
        (refused(naive=1), "naive must be bool"),
        (refused(image_size=8), "image_size must be 2 numbers"),
        (refused(methods="knm"), "did you mean 'knn'"),
        (refused(network=3), "network must be a torch.nn.Module or a name, got int"),
        (refused(network="resnet81"), "did you mean 'resnet18'"),
        (refused(ind=3), "ind must be a name, a data module or a DataLoader"),
        (refused(ind=""), "--ind is missing"),
        (refused(ind="mnisd"), "did you mean 'mnist'"),
        (refused(ind={"train": KNOWN}), "no part 'test'"),
        (refused(ind={"train": KNOWN, "tset": KNOWN}), "did you mean 'test'"),
        (refused(ind=DataLoader(SMALL)), "no targets"),
        (refused(ind=MNISTDataModule(miniature=True), limit=3), "limit belongs to data that are named"),
        (refused(ood=KNOWN), "name the OoD loader: ood="),
        (refused(ood=[KNOWN]), "name the OoD loaders: ood="),
        (refused(ood={}), "needs at least one OoD set"),
        (refused(ood=7), "ood must be"),
        (refused(ood={"loud": 7}), "OoD set loud: .* is needed, got 7"),
        (refused(ood={"svhn": KNOWN}), "stands for another set"),
        (refused(ood={"mine": "svhn"}), "names of sets stay"),
        (refused(ood="svnh"), "did you mean 'svhn'"),
        (refused(ood={"loud": DataLoader(SMALL[:, :, :4])}), "loud: images of 3x4x8, those of loaders are 3x8x8"),
        (refused(network=nn.Sequential(nn.Flatten(), nn.Linear(192, 2))), "has 2 outputs, the targets have a class 2"),
        (refused(network=nn.Flatten(0)), "returns no logits"),
        (refused(network=nn.Conv2d(5, 3, 1)), "network Conv2d fails on images 2x3x8x8"),
        (refused(network=made().to("meta")), "no weights"),
        (refused(ood={"same": KNOWN}), "loaders, train and same share images of one data set, such as 000000"),
        (refused(ind={"train": KNOWN, "test": DataLoader(KNOWN.dataset)}), "train and loaders, test share images"),
        (refused(image_size=(0, 32)), "--image-size must be at least 1 1, got 0 32"),
        (refused(seeds=-1), "--seeds must not be negative, got -1"),
        (refused(mean=(0, float("inf"), 0), std=(1, 1, 1)), "--mean must be finite numbers, got inf"),
        (refused(mean=(0, 0, 0), std=(1, float("nan"), 1)), "--std must be finite numbers, got nan"),
        (refused(out=__file__), "--out .*: .*test_evaluate.py is a file; name a folder"),
        (refused(out=Path(__file__) / "runs"), "--out .*: .*test_evaluate.py is a file; name a folder"),
        (refused(checkpoint=ROOT), "--checkpoint .* is a folder; name a file"),
        (refused(classes=ROOT), "--classes .* is a folder; name a file"),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_in_one_line(call, said):
    with pytest.raises(ValueError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_parts_of_one_data_set_and_default_methods():
    samplers = {"train": range(8), "val": range(8, 10), "test": range(10, 12)}
    parts = {name: DataLoader(KNOWN.dataset, sampler=some) for name, some in samplers.items()}
    sets = {"network": made(), "ind": parts, "ood": {"loud": LOUD}, "naive": False}
    one, other = (asked(**sets | {"options": {}, "methods": methods})[0].methods for methods in (None, ()))
    assert one == other == (), "() stands for the defaults of the task"


class Columns(Detector):
    name, paper = "columns", "none"

    def probes(self):
        return [Logits()]

    def fit(self, train):
        return self

    def score(self, x):
        return x["logits"].double()


class Few(Columns):
    name = "few"

    def score(self, x):
        return x["logits"].double()[:1, 0]


def test_scores_of_another_shape_fail_the_row():
    table = evaluate(made(), KNOWN, {"loud": LOUD}, methods=["msp", Columns, Few], naive=False).table()
    failures = dict(zip(table["method"], table["failure"], strict=True))
    for name, got in (("columns", r"\(\d, 3\)"), ("few", r"\(1,\)")):
        said = next(text for method, text in failures.items() if name in method.lower())
        assert re.search(rf"score must return \(N,\) scores as a tensor, N is \d+ here; got {got}", said)
    assert not isinstance(failures["msp"], str)


def test_results_are_not_saved_to_a_file(seeds, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="file is a file; name a folder"):
        seeds[0].save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_scores_that_are_not_there(seeds):
    found, _ = seeds
    for method, options, said in (
        ("knm", {}, "did you mean 'knn'"),
        ("knn", {"protocol": "fgsm-val"}, "unknown protocol of knn 'fgsm-val'"),
        ("knn", {"level": "object"}, "unknown method of this run at object level"),
    ):
        with pytest.raises(ValueError, match=said):
            found.scores(method, **options)


def test_a_segmentation_network_and_maps(tiny):
    maps = torch.randint(0, 4, (12, 16, 16))
    known = DataLoader(TensorDataset(torch.rand(12, 3, 16, 16), maps), batch_size=4)
    loud = DataLoader(TensorDataset(1 + torch.rand(6, 3, 16, 16)), batch_size=4)
    found = evaluate(tiny(dense=True), ind=known, ood={"loud": loud}, methods=["msp", "larem"])
    assert found.runs[0].result.ind.task == "segmentation" and found.table().failure.isna().all()


def test_vectors():
    network = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
    known = DataLoader(TensorDataset(torch.randn(60, 5), torch.arange(60) % 3), batch_size=8)
    far = DataLoader(TensorDataset(torch.randn(20, 5) + 6), batch_size=8)
    methods, protocols = ["msp", "odin", "mahalanobis"], ["no-ood", "fgsm-val"]
    table = evaluate(network, ind=known, ood={"far": far}, methods=methods, protocols=protocols).table()
    rows = table.set_index(["method", "protocol"])
    assert rows.auroc["mahalanobis", "no-ood"] > 0.9 and pd.notna(rows.auroc["odin", "no-ood"])
    assert "state mean and std" in rows.failure["odin", "fgsm-val"]
    assert "naive needs images" in rows.failure["naive", "no-ood"]
    named = {"ood": ["svhn"], "methods": "msp"}
    with pytest.raises(ValueError, match="svhn: images of files do not have the shape"):
        evaluate(network, ind=known, **named)


def test_a_network_without_layers_runs_what_needs_none():
    torch.manual_seed(0)
    network = nn.Linear(5, 3)
    known = DataLoader(TensorDataset(torch.randn(60, 5), torch.arange(60) % 3), batch_size=8)
    far = DataLoader(TensorDataset(torch.randn(20, 5) + 6), batch_size=8)
    methods = ["msp", "knn", "mahalanobis", "rankfeat", "fssd", "lared", "lard"]
    found = evaluate(network, ind=known, ood={"far": far}, methods=methods, naive=False)
    failures = {run.result.method: run.result.ood[0].failure for run in found.runs}
    features = "it needs feature layers, and this network has none; --feature-layers names them"
    latent = "it needs a latent layer, and this network has none; --latent-layer names one"
    assert failures == {"msp": None, "lared": latent, "lard": latent} | dict.fromkeys(
        ["knn", "mahalanobis", "rankfeat", "fssd"], features
    )
    assert {run.result.network.latent_layer for run in found.runs} == {""}
    scores = found.scores("msp").query("set == 'far'").sort_values("key").score
    with torch.no_grad():
        wanted = 1 - network(far.dataset.tensors[0]).softmax(1).amax(1)
    np.testing.assert_allclose(scores, wanted, atol=1e-6)


def test_features_beside_logits_are_not_scored():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head, self.wide = made()[:-1], nn.Linear(6, 3), nn.Linear(6, 8)

        def forward(self, x):
            features = self.body(x)
            return features, self.wide(features), self.head(features)

    torch.manual_seed(0)
    network, sets = Both().eval(), loaders()
    loud = next(iter(DataLoader(sets["ood"]["loud"].dataset, batch_size=1000)))[0]
    for head, place in (("head", 2), ("wide", 1)):
        found = evaluate(network, methods="msp", naive=False, head_layer=head, **sets).scores("msp")
        with torch.no_grad():
            wanted = 1 - network(loud)[place].softmax(1).amax(1)
        scores = found.query("set == 'loud'").sort_values("key").score
        np.testing.assert_allclose(scores, wanted, atol=1e-6)


class OwnEnergy(Detector):
    """Of the test, as if it were written in a notebook."""

    name, paper = "own-energy", "Liu et al., NeurIPS 2020"

    def __init__(self, scale=1.0):
        self.scale = scale

    def probes(self):
        return [Logits()]

    def score(self, x):
        return -self.scale * x["logits"].double().logsumexp(1)


def test_detectors_are_given_as_classes_and_objects():
    methods = ["energy", OwnEnergy, OwnEnergy(scale=2.0), KNN(k=3)]
    found = evaluate(made(), methods=methods, **loaders())
    names = [name for name in dict.fromkeys(run.result.method for run in found.runs) if name != "naive"]
    energy, own, twice, knn = (found.scores(name).score.to_numpy() for name in names)
    np.testing.assert_array_equal(own, energy)
    np.testing.assert_array_equal(twice, 2 * energy)
    np.testing.assert_array_equal(
        knn, evaluate(made(), methods="knn@k=3", **loaders()).scores("knn@k=3").score
    )
    with pytest.raises(ValueError, match="is no method: give a name, a subclass of lsood"):
        evaluate(made(), methods=[3], **loaders())


class OddOnBright(nn.Module):
    """NaN logits for the images whose first pixel is bright; features are fine."""

    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU()), nn.Linear(6, 3)

    def forward(self, x):
        logits = self.fc(self.body(x).mean((2, 3)))
        return torch.where(x[:, :1, 0, 0] > 0.38, torch.nan, logits)


def test_a_nan_logit_costs_the_methods_that_need_logits():
    given = loaders()
    assert bool((given["ind"]["test"].dataset.tensors[0][:, 0, 0, 0] > 0.38).any())
    given["ind"]["train"].dataset.tensors[0][:2, 0, 0, 0] = 0.1  # the traced images
    table = evaluate(OddOnBright(), methods=["msp", "knn"], **given).table().set_index("method")
    assert "not finite" in table.failure["msp"] and pd.notna(table.auroc["knn"])


class Nameless(Detector):
    name = "nameless"

    def probes(self):
        return [Logits()]

    def score(self, x):
        return -x["logits"].double().amax(1)


def test_a_detector_needs_no_paper():
    found = evaluate(made(), methods=[Nameless, "max-logit"], **loaders())
    names = list(dict.fromkeys(run.result.method for run in found.runs))
    np.testing.assert_array_equal(found.scores(names[0]).score, found.scores("max-logit").score)
