"""A stated false-alarm rate is the realised one, or the run says that it is not."""

import logging

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.console import spread
from benchmarks.pipeline.alarm_rates import check_rate
from benchmarks.pipeline.calibration import calibration_images, measured_data, with_calibration_share
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.failures import Failures
from benchmarks.pipeline.job import data_module
from benchmarks.run import app
from datamodules import DATAMODULES, CIFAR10DataModule
from leaderboards.store import load_result, load_results, load_scores
from lsood import Activations, threshold_at
from lsood.methods import METHODS, create
from lsood.out_of_fold import calibrates, out_of_fold_scores

SMALL = {"cifar10": {"train": 400, "test": 60}, "svhn": {"test": 40}, "cifar100": {"train": 40, "test": 40}}
FAST = ["--epochs", "1", "--limit", "60", "--batch-size", "30", "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    before = dict(miniature.MINIATURES)
    for name, counts in SMALL.items():
        entry = before[name]
        miniature.MINIATURES[name] = miniature.Miniature(entry.folder, entry.write, counts)
    yield
    miniature.MINIATURES.update(before)


def logits(random, classes, n):
    labels, found = random.integers(0, classes, n), random.normal(size=(n, classes)) * 1.5
    found[np.arange(n), labels] += random.gamma(3, 2, n)
    return torch.tensor(found)


@pytest.mark.parametrize(("classes", "n", "naive"), [(10, 100, 0.1), (100, 500, 0.4)])
def test_kl_matching_alarms_as_often_as_it_says(classes, n, naive):
    """Its class distributions come from the validation images: a threshold from their own scores alarms 15 and 53 %."""
    random, alarms, before = np.random.default_rng(0), [], []
    for _ in range(20):
        held_out, fresh = logits(random, classes, n), logits(random, classes, 3000)
        ids = [str(i) for i in range(n)]
        validation = Activations({"logits": held_out}, ids)
        fitted = create("kl-matching")
        scores = out_of_fold_scores(fitted, validation, ids)
        assert torch.equal(out_of_fold_scores(fitted, held_out), scores)
        assert not hasattr(fitted, "log_distributions_"), "the prototype is left as it was"
        detector = create("kl-matching").calibrate(validation)
        test = detector.score(fresh).numpy()
        alarms.append((test > threshold_at(scores.numpy())).mean())
        before.append((test > threshold_at(detector.score(held_out).numpy())).mean())
    assert np.mean(before) > naive
    assert np.mean(alarms) < 0.08


def test_which_methods_learn_from_validation_images():
    found = {name for name in METHODS if calibrates(create(name))}
    assert {"kl-matching", "temp-scale", "react", "lared", "larem", "mahalanobis", "fssd"} <= found
    assert not found & {"msp", "energy", "knn", "naive"}


def test_folds_keep_the_detections_of_an_image_together():
    class Seen:
        name = "seen"

        def calibrate(self, x):
            self.keys = {i.partition("#")[0] for i in x.ids}
            return self

        def score(self, x):
            assert not self.keys & {i.partition("#")[0] for i in x.ids}
            return torch.arange(len(x.ids), dtype=torch.float64)

    ids = [f"{image}#{i}" for image in "abcdefg" for i in range(3)]
    groups = [i.partition("#")[0] for i in ids]
    x = Activations({"v": torch.zeros(len(ids))}, ids)
    assert out_of_fold_scores(Seen(), x, groups).shape == (21,)
    with pytest.raises(ValueError, match="at least two validation images, got 1"):
        out_of_fold_scores(Seen(), x.select(torch.arange(3)), ["a"] * 3)


def test_a_rate_that_so_few_images_cannot_give(caplog):
    assert check_rate(0.05, 0.05, 19) == 0.05 and check_rate(None, 0.05, 1000) == 0.05
    with pytest.raises(
        ValueError, match=r"0.001 needs 999 validation images, there are 500; the smallest .* 0.002"
    ):
        check_rate(0.001, 0.05, 500)
    with caplog.at_level(logging.WARNING, "lsood-bench"):
        assert check_rate(None, 0.05, 9) == pytest.approx(0.1)
    assert "the smallest that 9 validation images can give" in caplog.text


def test_thresholds_from_a_half_of_the_test_set():
    data = CIFAR10DataModule(miniature=True, ood=["cifar10-anomalies"], limit=60, batch_size=30)
    data.setup()
    other = with_calibration_share(data, 0.5)
    held, rest = set(other.sets["val"].keys), set(other.sets["test"].keys)
    assert not held & rest and held | rest == set(data.sets["test"].keys) and len(held) == 30
    assert set(other.ood_sets["cifar10-anomalies"].keys) == rest
    assert data.sets["val"].keys != other.sets["val"].keys and len(data.sets["test"]) == 60
    assert other.fingerprint != data.fingerprint
    with pytest.raises(ValueError, match="leaves one side empty"):
        with_calibration_share(data, 0.001)


def test_sequences_are_not_torn(monkeypatch):
    data = DATAMODULES["camvid"](miniature=True, limit=30)
    data.setup()
    keys = data.sets["test"].keys
    drives = {key: "ab"[i * 3 // len(keys) > 0] for i, key in enumerate(keys)}
    monkeypatch.setattr(type(data), "sequence_of", classmethod(lambda cls, key: drives[key]))
    other = with_calibration_share(data, 0.5)
    for part in ("val", "test"):
        assert len({drives[key] for key in other.sets[part].keys}) == 1


def test_any_error_of_a_method_costs_one_row():
    failures = Failures()
    for case, error in (
        (("a", ""), RuntimeError("out of memory")),
        (("b", ""), KeyError("x")),
        (("c", ""), MemoryError()),
    ):

        def step(error=error):
            raise error

        assert failures.run(case, step) is None
    assert failures.reasons == {
        ("a", ""): "RuntimeError: out of memory", ("b", ""): "KeyError: 'x'", ("c", ""): "MemoryError",
    }  # fmt: skip

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failures.run(("d", ""), interrupted)


def test_a_fit_limit_leaves_training_and_test_images_alone():
    settings = Settings(ind="cifar10", ood=("svhn",), fit_limit=17, calibrate_share=0.5)
    whole = data_module(settings)
    measured = measured_data(whole, settings)
    assert len(measured.sets["train"]) == 17 < len(whole.sets["train"])
    assert set(measured.sets["train"].keys) < set(whole.sets["train"].keys)
    both = set(measured.sets["val"].keys) | set(measured.sets["test"].keys)
    assert both == set(whole.sets["test"].keys)
    assert measured_data(whole, settings).sets["train"].keys == measured.sets["train"].keys, "seeded"
    with pytest.raises(ValueError, match="--fit-limit must be at least 1, got 0"):
        Settings(ind="cifar10", ood=("svhn",), fit_limit=0)
    with pytest.raises(ValueError, match="give --limit, not --fit-limit"):
        Settings(ind="cityscapes", ood=("anomalies",), fit_limit=3, levels=("pixel",), leave_one_out=True)


def test_the_command(tmp_path):
    words = ["--ind", "cifar10", "--ood", "svhn", "--methods", "kl-matching", "msp", "lared", *FAST]
    words += ["--false-alarm-rate", "0.1", "--calibrate-share", "0.5", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, spread(words))
    assert done.exit_code == 0, done.output
    for name in ("kl-matching", "msp", "lared"):
        path = tmp_path / "out" / "results" / f"{name}-seed0.json"
        result, scores = load_result(path), load_scores(path)
        assert result.threshold.false_alarm_rate == 0.1 and result.threshold.n_calibration == 30
        assert result.settings["calibrate_share"] == 0.5 and result.ood[0].n_in == 30
        held_out = scores.loc[scores.set == "ind-val", "score"]
        assert result.threshold.value == threshold_at(held_out, 0.1), "the stored scores give the threshold"
        test = scores.loc[scores.set == "ind-test", "score"]
        rate = result.ood[0].metrics["false_alarm_rate"]
        assert rate.value == pytest.approx((test > result.threshold.value).mean())
        assert set(result.ind.validation_metrics) == {"accuracy"}
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert "false_alarm_rate" in table and (table["stated_rate"] == 0.1).all()
    for name in ("leaderboard.md", "leaderboard.html"):
        assert (
            "set for 10 % false alarms, on 50 % of the test images, which are not scored."
            in (tmp_path / "out" / name).read_text()
        )
    assert "FAR" in done.output
    done = CliRunner().invoke(app, spread([*words[:-1], str(tmp_path / "no"), "--false-alarm-rate", "0.001"]))
    assert done.exit_code == 1 and "needs 999 validation images, there are 30" in " ".join(
        done.output.split()
    )


def test_thresholds_from_another_set(tmp_path):
    """Its images give thresholds and calibration; its labels, of other classes, are never read."""
    images = DATAMODULES["cifar100"](None, [], miniature=True, limit=40)
    images.setup()
    folder = tmp_path / "site b"
    folder.mkdir()
    for i in range(40):
        PIL.Image.fromarray(images.sets["test"].read(i).image).save(folder / f"{i:02}.png")
    words = ["--ind", "cifar10", "--ood", "svhn", "--methods", "kl-matching", "msp", "temp-scale", *FAST]
    found = {}
    for name in ("cifar100", f"folder:{folder}"):
        out = tmp_path / str(len(found))
        done = CliRunner().invoke(app, spread([*words, "--calibrate-on", name, "--out", str(out)]))
        assert done.exit_code == 0, done.output
        results = {run.method: run for run in load_results(out / "results").values()}
        msp = found[name] = results["msp"]
        short = name.replace(str(folder), folder.name)
        assert msp.settings["calibrate_on"] == short and msp.ind.validation_metrics == {}
        assert "needs a label" in results["temp-scale"].ood[0].failure
        scores = load_scores(out / "results" / "msp-seed0.json")
        held_out = scores.loc[scores.set == "ind-val", "score"]
        assert len(held_out) == msp.threshold.n_calibration == msp.ind.n_val == 40
        assert msp.threshold.value == threshold_at(held_out, 0.05)
        assert f"5 % false alarms, on {short}." in (out / "leaderboard.md").read_text()
    one, other = found.values()
    assert one.threshold == other.threshold and one.run_id != other.run_id, (
        "the same images in the order of a folder"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--calibrate-on", "svhn"], "unknown calibration set 'svhn'"),
        (["--calibrate-on", "cifar10"], "is under test"),
        (["--calibrate-on", "generated:x"], "unknown calibration set 'generated:x'"),
        (["--calibrate-on", "folder:nowhere"], "nowhere is no folder"),
        (["--calibrate-on", "cifar100", "--calibrate-share", "0.5"], "exclude each other"),
    ],
)
def test_calibration_sets_that_cannot_be_used(options, message, tmp_path):
    words = ["--ind", "cifar10", "--ood", "svhn", "--methods", "msp", *FAST, "--out", str(tmp_path)]
    done = CliRunner().invoke(app, spread([*words, *options]))
    assert done.exit_code in (1, 2) and message in " ".join(done.output.split()), done.output
    assert not list(tmp_path.rglob("*.json"))


def test_images_of_an_ood_set_give_no_threshold(tmp_path):
    random = np.random.default_rng(0)
    for i in range(4):
        PIL.Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / f"{i}.png")
    data = DATAMODULES["cifar10"](None, [f"folder:{tmp_path}"], miniature=True, limit=40)
    data.setup()
    with pytest.raises(ValueError, match="the same images as the OoD set"):
        calibration_images(data, f"folder:{tmp_path}/")
