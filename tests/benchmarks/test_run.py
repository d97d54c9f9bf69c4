"""The main job end to end on miniatures, what it forwards, what it reuses, and what it says when something is wrong."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread
from typer.testing import CliRunner

import datamodules.miniature as miniature
from anomalies import Entry, Recipe
from benchmarks.console import spread
from benchmarks.levels.image import ImageLevel
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.evaluation import Evaluation
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.job import data_module
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.run import app
from benchmarks.tasks.classification import Classification
from benchmarks.tasks.detection import Detection
from benchmarks.under_test.auxiliary import MEMBER_SEED, image_methods
from benchmarks.under_test.training import train
from datamodules import DATAMODULES, CIFAR10DataModule
from leaderboards.store import load_result, load_scores
from lsood import Detector, ModelInfo
from lsood.methods import create
from networks import build, save_weights

METHODS = Classification.default_methods["image"]
DETECTION_METHODS = Detection.default_methods["image"]
FAST = ["--epochs", "1", "--limit", "48", "--ensemble-size", "2", "--batch-size", "16", "--device", "cpu"]


def evaluated(extraction, data, model_info, detectors):
    """What came of methods at the image level."""
    return Evaluation(extraction, data, [LevelMethods(ImageLevel(data, model_info), detectors)]).run().scored


def call(*arguments, **options):
    return CliRunner().invoke(app, spread([str(a) for a in arguments]), **options)


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    """The miniatures of these tests, a few images each."""
    sizes = {
        "cifar10": {"train": 400, "test": 60}, "cityscapes": {"train": 14, "val": 6}, "svhn": {"test": 60},
        "woodscape": {"frames": 16}, "woodscape-soiling": {"train": 1, "test": 6}, "voc": {"val": 8},
        "bdd100k": {"10k/train": 14, "10k/val": 6, "100k/train": 14, "100k/val": 6}, "mnist": {"train": 2, "test": 60},
        "camvid": {"train": 12, "val": 4, "test": 6}, "fashion-mnist": {"train": 400, "test": 60},
        "road-anomaly-21": {"frames": 6},
    }  # fmt: skip
    before = dict(miniature.MINIATURES)
    for name, counts in sizes.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    yield
    miniature.MINIATURES.update(before)


@pytest.fixture(scope="module")
def first_run(small_miniatures, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    arguments = ("--ind", "cifar10", "--ood", "svhn", "cifar10-anomalies", "--out", out, *FAST)
    return arguments, out, call(*arguments)


def test_the_main_job_writes_a_leaderboard(first_run):
    _, out, done = first_run
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out / "leaderboard.csv")
    assert sorted(zip(table.method, table.ood, strict=True)) == sorted(
        (method, ood) for method in (*METHODS, "naive") for ood in ("svhn", "cifar10-anomalies")
    )
    assert table.auroc.between(0, 1).all() and (table.auroc_low <= table.auroc).all()
    for name in (
        "leaderboard.md",
        "leaderboard.html",
        "roc-svhn.png",
        "scores-cifar10-anomalies.png",
        "run.log",
    ):
        assert (out / name).stat().st_size > 500
    assert "MINIATURE" in done.output and "lared" in done.output
    assert not list(out.rglob("*.part"))


def test_results_hold_their_provenance(first_run):
    _, out, _ = first_run
    run = load_result(out / "results" / "lared-seed0.json")
    assert run.ind.origin == "miniature" and (run.ind.n_fit, run.ind.n_val, run.ind.n_test) == (48, 40, 48)
    assert len(run.network.checkpoint) == 64 and run.network.latent_layer == "drop_block"
    assert run.protocol == "no-ood" and run.threshold.n_calibration == 40
    scores = load_scores(out / "results" / "lared-seed0.json")
    assert scores.groupby("set").size().to_dict() == {
        "ind-val": 40, "ind-test": 48, "svhn": 48, "cifar10-anomalies": 48,
    }  # fmt: skip
    inside, outside = (scores[scores.set == name].score for name in ("ind-test", "svhn"))
    wins = (outside.to_numpy()[:, None] > inside.to_numpy()).mean()
    assert run.ood[0].metrics["auroc"].value == pytest.approx(wins, abs=1e-3)


def test_every_image_is_forwarded_once(first_run):
    """Fit + validation + test + two OoD sets once, one perturbed pass for ODIN, 100 noise images for FSSD."""
    _, out, _ = first_run
    forwarded = load_result(out / "results" / "odin-seed0.json").cost.images_forwarded
    scored = 40 + 48 + 48 + 48
    assert forwarded == {
        "preparation": 100, "shared_pass": 48 + scored, "perturbed": scored, "members": scored, "from_cache": 0,
    }  # fmt: skip


def test_a_second_run_and_a_second_method_forward_nothing(first_run, monkeypatch):
    arguments, out, _ = first_run
    before = pd.read_csv(out / "leaderboard.csv")
    monkeypatch.setattr("networks.fit", lambda *a, **k: pytest.fail("trained again"))
    assert call(*arguments).exit_code == 0
    after = pd.read_csv(out / "leaderboard.csv")
    figures = [c for c in before.columns if c not in ("fit_seconds", "score_seconds")]
    pd.testing.assert_frame_equal(before[figures], after[figures])
    second = call(*arguments, "--methods", "fssd@layer2", "lared", "kde-classifier", "--out", out / "second")
    assert second.exit_code == 0, second.output
    forwarded = load_result(
        out / "second" / "results" / "kde-classifier-oracle-val-seed0.json"
    ).cost.images_forwarded
    assert forwarded == {"from_cache": 48 + 40 + 3 * 48}
    table = pd.read_csv(out / "second" / "leaderboard.csv").set_index("method")
    assert set(table.loc[["kde-classifier"]].protocol) == {"oracle-val"}
    assert table.loc["kde-classifier"].n_out.tolist() == [24, 24], "scored on the half it has not seen"


def test_a_damaged_cache_is_made_anew(first_run):
    arguments, out, _ = first_run
    cache = os.environ["LSOOD_CACHE"]
    files = sorted(Path(cache, "activations").rglob("*.safetensors"))
    for path in files:
        path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    before = pd.read_csv(out / "leaderboard.csv")
    assert call(*arguments, "--out", out / "third").exit_code == 0
    after = pd.read_csv(out / "third" / "leaderboard.csv")
    np.testing.assert_allclose(before.auroc, after.auroc, atol=1e-6)


@pytest.mark.parametrize(
    ("ind", "ood"),
    [
        ("woodscape", ["woodscape-anomalies", "woodscape-soiling"]),
        ("bdd100k-seg", ["bdd100k-seg-anomalies", "voc"]),
        ("cityscapes", ["cityscapes-anomalies", "gaussian-noise"]),
        ("camvid", ["road-anomaly-21"]),
        ("fashion-mnist", ["mnist"]),
    ],
)
def test_every_data_set_runs(tmp_path, ind, ood):
    done = call("--ind", ind, "--ood", *ood, "--out", tmp_path, *FAST)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert len(table) == (len(METHODS) + 1) * len(ood)
    assert table.auroc.notna().sum() >= len(table) - 1, table[
        ["method", "ood", "auroc", "failure"]
    ].to_string()


def test_an_object_detector_runs(tmp_path):
    """Image by image and object by object, to the tables and pictures."""
    done = call("--ind", "bdd100k", "--ood", "bdd100k-anomalies", "voc", "--out", tmp_path, "--epochs", "16",
                "--confidence", "0.05", "--ensemble-size", "2", "--batch-size", "4")  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert set(table.method) == {*DETECTION_METHODS, "naive"} and len(table) == 2 * (
        len(DETECTION_METHODS) + 1
    )
    assert table.auroc.notna().all(), table[["method", "ood", "failure"]].to_string()
    objects = pd.read_csv(tmp_path / "objects.csv")
    assert set(objects.method) == set(Detection.default_methods["object"]) and set(objects.confidence) == {
        0.05
    }
    own = objects[objects.ood == "bdd100k-anomalies"]
    assert own.auroc.between(0, 1).all() and (own.n_in > 0).all()
    assert (objects[objects.ood == "voc"].n_unknown > 0).all()
    for name in ("boxes-voc.png", "boxes-bdd100k-anomalies.png"):
        picture = imread(tmp_path / name)
        assert picture.shape[1] > 1000 and picture.std() > 0.05
        assert name in (tmp_path / "leaderboard.html").read_text()
    assert "objects: bdd100k vs voc" in " ".join(done.output.split())


def test_seeds_of_a_checkpoint_share_one_pass(first_run, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for seed, path in enumerate((first, second)):
        torch.manual_seed(seed)
        save_weights(build("resnet18-small", 10), path)
    done = call("--ind", "cifar10", "--ood", "svhn", "--checkpoint", first, second, "--seeds", "0", "1", "2",
                "--out", tmp_path / "out", *FAST)  # fmt: skip
    assert done.exit_code == 0, done.output
    runs = [load_result(tmp_path / "out" / "results" / f"lared-seed{seed}.json") for seed in (0, 1, 2)]
    assert runs[0].cost.images_forwarded["shared_pass"] == 48 + 40 + 48 + 48
    assert all("shared_pass" not in run.cost.images_forwarded for run in runs[1:])
    values = {run.ood[0].metrics["auroc"].value for run in runs}
    assert len(values) == 3, "other masks, other entropies"
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv").set_index("method")
    assert table.loc["lared"].seeds == 3 and table.loc["lared"].auroc_std > 0


def settings(**options):
    return Settings(
        ind="cifar10",
        ood=("svhn",),
        epochs=1,
        limit=48,
        ensemble_size=2,
        batch_size=16,
        miniature=True,
        **options,
    )


def test_ood_images_reach_neither_fit_nor_calibration(small_miniatures, tmp_path, monkeypatch):
    """Scores, thresholds and fitted states are the same whatever the OoD set is."""
    found = {}
    for ood in ("svhn", "uniform-noise"):
        chosen = Settings(**{**vars(settings()), "ood": (ood,)})
        data = data_module(chosen)
        torch.manual_seed(0)
        network = build("resnet18-small", 10).eval()
        model_info = ModelInfo("classification", 10, network.feature_layers, network.latent_layer, data.std)
        detectors = {n: d for n in METHODS if n != "deep-ensemble" for d in [create(n)]}
        extraction = Extraction(network, f"hash-{ood}", "p", tmp_path / ood)
        scored = evaluated(extraction, data, model_info, detectors)
        found[ood] = {
            s.method: (s.detector.state(), s.threshold, s.scores[s.scores.set == "ind-test"].score.tolist())
            for s in scored
        }
    for name, (state, threshold, scores) in found["svhn"].items():
        other_state, other_threshold, other_scores = found["uniform-noise"][name]
        assert threshold == other_threshold and scores == other_scores
        assert all(torch.equal(state[key], other_state[key]) for key in state)


class Constant(Detector):
    name, paper = "constant", "nobody"

    def score(self, x):
        return torch.zeros(x.images, dtype=torch.float64)


class Broken(Detector):
    name, paper = "broken", "nobody"

    def fit(self, train):
        raise ValueError("cannot learn\nfrom this")

    def score(self, x):
        return torch.zeros(x.images)


def test_a_failing_method_is_a_failed_cell_and_the_others_go_on(first_run, tmp_path, monkeypatch):
    arguments, *_ = first_run
    monkeypatch.setattr("sys.path", [str(Path(__file__).parent), *sys.path])
    module = __name__.rsplit(".", 1)[-1]
    done = call(*arguments, "--out", tmp_path, "--methods", "msp", f"{module}:Constant", f"{module}:Broken")
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "leaderboard.csv").set_index("method")
    assert table.loc["msp"].auroc.notna().all()
    assert table.loc[f"{module}:Constant"].auroc.isna().all()
    assert set(table.loc[f"{module}:Constant"].failure) == {"every score is the same"}
    assert set(table.loc[f"{module}:Broken"].failure) == {"cannot learn"}


def test_a_no_op_anomaly_gives_a_half(small_miniatures, tmp_path):
    """The in-distribution test images against themselves under the identity recipe: AUROC .5 for every method."""
    data = CIFAR10DataModule(
        ood=["cifar10-anomalies"],
        miniature=True,
        recipe=Recipe("none", (Entry("identity"),)),
        limit=48,
        batch_size=16,
    )
    data.setup()
    torch.manual_seed(0)
    network = build("resnet18-small", 10).eval()
    model_info = ModelInfo("classification", 10, network.feature_layers, network.latent_layer, data.std)
    names = [n for n in METHODS if n != "deep-ensemble"] + ["mahalanobis-noise", "fssd-noise"]
    detectors = {name: create(name) for name in names}
    for scored in evaluated(Extraction(network, "h", "p", tmp_path), data, model_info, detectors):
        assert scored.cells[0].metrics["auroc"].value == pytest.approx(0.5, abs=1e-9), scored.method


def test_images_forwarded_by_a_large_run_stay_below_the_peer(tmp_path, tiny):
    """1,000 fit, 500 in-distribution, 6 x 500 OoD images: pytorch-ood 0.4 as documented: 94,000."""
    data = CIFAR10DataModule(miniature=True, limit=5)
    data.setup()
    network = tiny(classes=10)
    random = np.random.default_rng(0)
    from datamodules.imagesets.arrays import ArraySet

    def images(name, n):
        pixels = random.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
        return ArraySet(name, pixels, np.arange(n) % 10, "official", f"{name}/")

    data.preprocess = type(data.preprocess)((8, 8), data.mean, data.std)
    data.image_size = (8, 8)
    data.batch_size = 250
    data.sets = {"train": images("train", 1000), "val": images("val", 100), "test": images("test", 500)}
    data.ood_sets = {f"ood{i}": images(f"ood{i}", 500) for i in range(6)}
    model_info = ModelInfo("classification", 10, network.feature_layers, network.latent_layer, data.std)
    detectors = {name: create(name) for name in METHODS if name != "deep-ensemble"}
    extraction = Extraction(network, "h", "p", tmp_path)
    evaluated(extraction, data, model_info, detectors)
    assert extraction.forwarded == {"preparation": 100, "shared_pass": 5100 - 500, "perturbed": 3600}
    assert sum(extraction.forwarded.values()) < 10_000
    again = Extraction(network, "h", "p", tmp_path)
    evaluated(again, data, model_info, {"lared": create("lared"), "larem": create("larem")})
    assert again.forwarded == {} and again.from_cache == 4600


# what users get wrong: one line, exit code 1 or 2, nothing half-written


def refuse(done, code, message):
    assert done.exit_code == code, done.output
    text = " ".join(done.output.split())
    assert message in text, text
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--ind is missing: choose one of bdd100k"),
        (("--ind", "cityscape", "--ood", "svhn"), "unknown in-distribution set 'cityscape'; did you mean"),
        (("--ind", "cifar10"), "--ood needs at least one OoD set"),
        (("--ind", "cifar10", "--ood", "svnh"), "unknown OoD set 'svnh'; did you mean 'svhn'? OoD sets:"),
        (("--ind", "cifar10", "--ood", "svhn", "--methods", "odn"), "unknown method 'odn'; did you mean 'odin'?"),
        (("--ind", "cifar10", "--ood", "svhn", "--network", "alexnet"), "unknown network 'alexnet'; did you mean"),
        (("--ind", "cifar10", "--ood", "svhn", "--mc-samples", "1"), "--mc-samples must be at least 2"),
        (("--ind", "cifar10", "--ood", "svhn", "--device", "tpu"), "--device must be auto, cpu, cuda or mps"),
        (("--ind", "cifar10", "--ood", "svhn", "--precision", "int8"), "--precision must be one of float32, bfloat16"),
        (("--ind", "cifar10", "--ood", "svhn", "--data-root", "/no/where"), "--data-root /no/where does not exist"),
        (("--ind", "cifar10", "--ood", "svhn", "--checkpoint", "none.pt"), "--checkpoint none.pt does not exist"),
        (("--ind", "cifar10", "--ood", "svhn", "--batch-size", "0"), "--batch-size must be at least 1"),
        (("--ind", "cifar10", "--ood", "svhn", "--seeds", "1", "1"), "each once"),
        (("--ind", "cifar10", "--ood", "svhn", "--reduction", "max"), "unknown reduction 'max'; known: fullmean"),
        (["--ind", "bdd100k", "--ood", "voc", "--confidence", "1"], "--confidence must lie in 0 to below 1, got 1.0"),
    ],
)  # fmt: skip
def test_bad_usage(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    refuse(call(*arguments), 2, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--ood", "isun"), "isun has no generated miniature"),
        (
            ("--ood", "svhn", "--network", "unet"),
            "network 'unet' is for segmentation, cifar10 needs classification",
        ),
        (("--ood", "cifar10"), "cifar10 is the in-distribution set"),
    ],
)
def test_bad_combinations(tmp_path, extra, message):
    refuse(call("--ind", "cifar10", *extra, "--out", tmp_path / "o", *FAST), 1, message)
    assert not (tmp_path / "o" / "results").exists()


def test_an_empty_ood_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    done = call("--ind", "cifar10", "--ood", f"folder:{tmp_path / 'empty'}", "--out", tmp_path / "o", *FAST)
    refuse(done, 1, "no images in")


def test_checkpoints_that_cannot_be_used(tmp_path):
    class Code:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    (tmp_path / "code.pt").write_bytes(pickle.dumps({"a": Code()}))
    save_weights(build("lenet", 10), tmp_path / "lenet.safetensors")
    for name, message in (
        ("code.pt", "code.pt"),
        ("lenet.safetensors", "is not of this ResNet: 122 missing: "),
    ):
        done = call(
            "--ind",
            "cifar10",
            "--ood",
            "svhn",
            "--checkpoint",
            tmp_path / name,
            "--out",
            tmp_path / "o",
            *FAST,
        )
        refuse(done, 1, message)
    assert not (tmp_path / "owned").exists() and not (tmp_path / "o" / "results").exists()


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        (torch.nan, 1, "holds NaN or infinity, first in fc.weight"),
        (3e38, 0, "logits is not finite (NaN or infinity) for image"),  # what needs no logits is measured
    ],
)
def test_weights_that_give_nan_are_named(tmp_path, value, code, message):
    network = build("resnet18-small", 10)
    torch.nn.init.constant_(network.fc.weight, value)
    save_weights(network, tmp_path / "nan.safetensors")
    done = call("--ind", "cifar10", "--ood", "svhn", "--checkpoint", tmp_path / "nan.safetensors",
                "--out", tmp_path / "o", *FAST)  # fmt: skip
    assert done.exit_code == code and message in " ".join(done.output.split())


def test_debug_shows_the_traceback(tmp_path):
    done = call("--ind", "cifar10", "--ood", "isun", "--out", tmp_path / "o", "--debug", *FAST)
    assert isinstance(done.exception, FileNotFoundError)


def test_list_shows_everything(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    done = call("--list")
    assert done.exit_code == 0
    for name in (
        *DATAMODULES,
        "cityscapes-anomalies",
        "tiny-imagenet-r",
        "resnet18-sn",
        "mahalanobis-noise",
        "oracle-val",
    ):
        assert name in done.output


def test_help_has_an_example():
    assert "Example: python -m benchmarks.run --ind cityscapes --ood cityscapes-anomalies" in " ".join(
        call("--help").output.split()
    )


def test_spread():
    assert spread(["--ood", "a", "b", "--ind", "c", "--seeds", "1", "2"]) == [
        "--ood", "a", "--ood", "b", "--ind", "c", "--seeds", "1", "--seeds", "2",
    ]  # fmt: skip
    assert spread(["--ood=a", "--list"]) == ["--ood=a", "--list"]


def test_ensemble_members_have_their_own_seeds(small_miniatures):
    chosen = settings(methods=("deep-ensemble",))
    data = data_module(chosen)
    detector = image_methods(chosen.methods, chosen, data, train(chosen, data, 0), 0).detectors[
        "deep-ensemble"
    ]
    assert len(detector.probes()[0].members) == 1
    assert json.dumps(detector.get_params())
    assert MEMBER_SEED > 0


@pytest.mark.slow
def test_the_readme_command_repeats_bit_for_bit(tmp_path):
    """Trained twice from nothing: the same weights, scores, thresholds and metrics."""
    found = []
    for name in ("a", "b"):
        words = ["--ind", "cityscapes", "--ood", "cityscapes-anomalies", "--out", str(tmp_path / name)]
        environment = {**os.environ, "LSOOD_CACHE": str(tmp_path / f"cache-{name}"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.run", *words]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        results = {path.name: load_result(path) for path in (tmp_path / name / "results").rglob("*.json")}
        scores = {p.name: pd.read_parquet(p) for p in (tmp_path / name / "results").rglob("*.parquet")}
        found.append((results, scores))
    (results, scores), (again, same) = found
    assert results.keys() == again.keys() and len(results) >= 8
    for name, result in results.items():
        assert (result.ood, result.threshold) == (again[name].ood, again[name].threshold)
        assert result.network.checkpoint == again[name].network.checkpoint
    assert all(frame.equals(same[name]) for name, frame in scores.items())
