"""A stated false-alarm rate is the realised one, or the run says that it is not."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.console import spread
from benchmarks.pipeline.alarm_rates import check_rate, check_realised
from benchmarks.pipeline.calibration import with_calibration_share
from benchmarks.pipeline.failures import Failures
from benchmarks.pipeline.out_of_fold import calibrates, out_of_fold_scores
from benchmarks.pipeline.scored import Scored
from benchmarks.run import app
from datamodules import DATAMODULES, CIFAR10DataModule
from leaderboards.store import load_result, load_scores
from lsood import Activations, threshold_at
from lsood.methods import METHODS, create

FAST = ["--epochs", "1", "--limit", "60", "--batch-size", "30", "--device", "cpu"]


@pytest.fixture(scope="module", autouse=True)
def small_miniatures():
    before = dict(miniature.MINIATURES)
    for name, counts in {"cifar10": {"train": 400, "test": 60}, "svhn": {"test": 40}}.items():
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


def scored(name, alarms, n=1000):
    values = np.r_[np.ones(alarms), np.zeros(n - alarms)]
    frame = pd.DataFrame({"set": "ind-test", "key": [str(i) for i in range(n)], "score": values})
    return Scored("image", name, "no-ood", create("msp"), [], frame, 0.5, 100, 100, 0.0, 0.0, 0.0)


def test_other_rates_on_test_images_are_said():
    lines = check_realised([scored("good", 52), scored("bad", 131), scored("low", 12)], 0.05)
    assert len(lines) == 1 and "bad 13.1 %, low 1.2 %" in lines[0] and "good" not in lines[0]
    assert check_realised([scored("good", 52)], 0.05) == []


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
    assert "false_alarm_rate" in pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    done = CliRunner().invoke(app, spread([*words[:-1], str(tmp_path / "no"), "--false-alarm-rate", "0.001"]))
    assert done.exit_code == 1 and "needs 999 validation images, there are 30" in " ".join(
        done.output.split()
    )
