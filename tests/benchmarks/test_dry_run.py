"""``--dry-run``: what is planned is what the run then does, and nothing is trained or written."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.console import spread
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.plan import SeedPlan, plan
from benchmarks.run import app
from benchmarks.under_test.cached import Planned
from datamodules import cache_dir

SMALL = ["--ind", "mnist", "--ood", "uniform-noise", "--limit", "40", "--epochs", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    entry = miniature.MINIATURES["mnist"]
    sizes = {"train": 200, "test": 60}
    monkeypatch.setitem(
        miniature.MINIATURES, "mnist", miniature.Miniature(entry.folder, entry.write, sizes, entry.revision)
    )


def call(*arguments):
    done = CliRunner().invoke(app, spread([*SMALL, *arguments]))
    assert done.exit_code == 0, done.output
    return done.output


def contents(folder):
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in Path(folder).rglob("*") if p.is_file()
    }


def settings(**options):
    given = {"ood": ("uniform-noise",), "methods": ("msp", "odin"), "limit": 40, "epochs": 1}
    return Settings(ind="mnist", naive=False, **{**given, **options})


def test_it_shows_everything_and_does_nothing():
    output = call("--methods", "msp", "deep-ensemble", "--ensemble-size", "2", "--dry-run")
    for words in (
        "mnist, train",
        "uniform-noise",
        "needed",
        "together",
        "activations",
        "nothing was trained",
    ):
        assert words in output
    assert not (cache_dir() / "networks").exists() and not (cache_dir() / "activations").exists()
    assert not Path("runs").exists()
    before = contents(cache_dir())
    call("--methods", "msp", "--dry-run")
    assert contents(cache_dir()) == before


def test_what_is_planned_is_what_is_done():
    found = plan(settings(methods=("msp", "odin", "deep-ensemble"), ensemble_size=2))
    (seed,) = found.seeds
    assert [(one.name, one.seed, one.epochs, one.cached) for one in seed.trainings] == [
        ("lenet", 0, 1, False), ("lenet", 1000, 1, False)
    ]  # fmt: skip
    assert {one.title: (one.images, one.forwards) for one in seed.passes} == {
        "fit": (40, 1), "ind-val": (20, 3), "ind-test": (40, 3), "uniform-noise": (40, 3)
    }  # fmt: skip
    call("--methods", "msp", "odin", "deep-ensemble", "--ensemble-size", "2", "--no-naive", "--out", "out")
    result = json.loads(Path("out/results/msp-seed0.json").read_text())
    forwarded = {k: n for k, n in result["cost"]["images_forwarded"].items() if k != "from_cache"}
    assert sum(one.images * one.forwards for one in seed.passes) == sum(forwarded.values())


def test_what_the_cache_has_is_not_planned():
    call("--methods", "msp", "odin", "--no-naive", "--out", "out")
    (seed,) = plan(settings()).seeds
    assert [one.cached for one in seed.trainings] == [True] and seed.step is None
    assert [one.forwards for one in seed.passes] == [0, 0, 0, 0]
    (seed,) = plan(settings(methods=("msp", "odin", "knn"))).seeds
    assert [one.forwards for one in seed.passes] == [1, 1, 1, 1]
    assert "0: in the cache" in call("--methods", "msp", "odin", "--no-naive", "--dry-run")


def test_missing_sets_are_listed_and_the_rest_is_planned():
    output = call("--ood", "places365", "folder:nowhere", "--methods", "msp", "--dry-run")
    assert "missing: places365: places365 has no generated miniature" in output
    assert "missing: folder:nowhere" in output and "uniform-noise" in output


def test_a_missing_in_distribution_set_ends_it(tmp_path):
    (tmp_path / "data").mkdir()
    done = CliRunner().invoke(app, spread([*SMALL, "--data-root", str(tmp_path / "data"), "--dry-run"]))
    assert done.exit_code == 1 and "mnist is not in" in " ".join(done.output.split())


def test_nothing_is_downloaded(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    asked = []
    monkeypatch.setattr("datamodules.locate._download", lambda *found: asked.append(found))
    arguments = ["--data-root", str(tmp_path / "data"), "--download", "--dry-run"]
    CliRunner().invoke(app, spread([*SMALL, *arguments]))
    assert not asked


def test_methods_that_cannot_run_and_steps_that_are_not_known_are_said():
    output = call("--methods", "msp", "mc-dropout-net", "mahalanobis-noise", "--ind", "cifar10", "--dry-run")
    assert "mahalanobis-noise: its input steps, further passes, are known once it is fitted" in output
    assert "mc-dropout-net will fail: there is no dropout variant" in output


def test_a_given_checkpoint_needs_no_training(tmp_path):
    call("--methods", "msp", "--out", "out")
    (weights,) = (cache_dir() / "networks").glob("*/weights.safetensors")
    assert "none: the weights are given" in call(
        "--checkpoint", str(weights), "--methods", "msp", "--dry-run"
    )


@pytest.mark.parametrize("size", [("bdd100k", "knn"), ("camvid", "latent-neighbour")])
def test_boxes_and_pixels_are_planned(size, monkeypatch):
    ind, method = size
    for name, sizes in (
        ("camvid", {"train": 8, "val": 4, "test": 4}),
        ("bdd100k", {"10k/train": 4, "10k/val": 4, "100k/train": 8, "100k/val": 4}),
    ):
        entry = miniature.MINIATURES[name]
        own = miniature.Miniature(entry.folder, entry.write, sizes, entry.revision)
        monkeypatch.setitem(miniature.MINIATURES, name, own)
    found = plan(
        Settings(ind=ind, ood=(f"{ind}-anomalies",), methods=("msp", method), epochs=1, batch_size=2)
    )
    (seed,) = found.seeds
    assert all(one.forwards == 1 and one.seconds and one.size for one in seed.passes), seed.passes
    assert seed.step and len(seed.methods) == 2


def test_estimates_are_sums():
    own = SeedPlan(
        0, [Planned("a", 0, 3, False), Planned("a", 1, 3, True), Planned("a", 0, 1, False, 3)], 100, 0.5
    )
    assert [own.training_seconds(one) for one in own.trainings] == [150, 0, 150]
    own.step = None
    assert own.training_seconds(own.trainings[0]) is None
