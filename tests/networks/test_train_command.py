"""``python -m networks.train``: trains alone, resumes, and the benchmark finds what it trained."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks import train as command
from benchmarks.console import spread
from benchmarks.pipeline.config import Settings
from benchmarks.pipeline.job import data_module
from benchmarks.run import app as run_app
from benchmarks.under_test.asked import under_test
from benchmarks.under_test.cached import IDENTITY, WEIGHTS, planning
from benchmarks.under_test.training import train
from datamodules import cache_dir
from lsood.io import read_index
from networks import build, save_weights
from networks.training.curve import read_curve

SMALL = ["--ind", "mnist", "--limit", "48", "--device", "cpu"]
FOCAL = ["--epochs", "2", "--batch-size", "16", "--loss", "focal", "--lr", "0.002"]
MINE = """
from torch import nn
def build(num_classes, width=4):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 2), nn.ReLU(), nn.Dropout2d(.2), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(16 * width, num_classes),
    )
"""


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    entry = miniature.MINIATURES["mnist"]
    sizes = {"train": 200, "test": 60}
    monkeypatch.setitem(
        miniature.MINIATURES, "mnist", miniature.Miniature(entry.folder, entry.write, sizes, entry.revision)
    )


def call(*arguments, app=command.app):
    return CliRunner().invoke(app, spread([str(a) for a in arguments]))


def trained_folders():
    return sorted(file.parent for file in (cache_dir() / "networks").glob(f"*/{WEIGHTS}"))


def settings_like(**options):
    defaults = {"ood": ("uniform-noise",), "methods": ("msp",), "limit": 48, "device": "cpu"}
    return Settings(ind="mnist", **{**defaults, **options})


def test_it_trains_and_says_how_well_where_and_how_to_go_on():
    done = call(*SMALL, *FOCAL, "--seed", "0", "1")
    assert done.exit_code == 0, done.output
    assert "seed 0: validation accuracy" in done.output and "seed 1: validation accuracy" in done.output
    folders = trained_folders()
    assert len(folders) == 2 and all(str(folder) in done.output for folder in folders)
    assert [row["epoch"] for row in read_curve(folders[0])] == [1, 2]
    assert not (folders[0] / "last.ckpt").exists()
    options = read_index(folders[0] / IDENTITY)["options"]
    assert (options["epochs"], options["batch_size"], options["loss"], options["lr"]) == (
        2,
        16,
        "focal",
        0.002,
    )
    line = next(line for line in done.output.splitlines() if line.startswith("benchmark: "))
    words = shlex.split(line.removeprefix("benchmark: "))
    assert words[:3] == ["python", "-m", "benchmarks.run"]
    measured = call(*words[3:], "--methods", "msp", "--out", "out", app=run_app)
    assert measured.exit_code == 0, measured.output
    assert trained_folders() == folders  # no second training
    log = Path("out/run.log").read_text()
    assert log.count("network: lenet as networks.train trained it last, 2 epochs, focal, lr 0.002") == 2
    results = [json.loads(Path(f"out/results/msp-seed{seed}.json").read_text()) for seed in (0, 1)]
    assert [r["network"]["options"]["loss"] for r in results] == ["focal"] * 2
    assert results[0]["run_id"] == results[1]["run_id"]


def test_frames_that_keep_their_ratio_are_trained_as_they_are_measured():
    command_line = (
        "--ind",
        "cityscapes",
        "--miniature",
        "--image-size",
        "32",
        "64",
        "--limit",
        "8",
        "--epochs",
        "1",
    )
    done = call(*command_line, "--keep-ratio")
    assert done.exit_code == 0, done.output
    (folder,) = trained_folders()
    line = next(line for line in done.output.splitlines() if line.startswith("benchmark: "))
    words = shlex.split(line.removeprefix("benchmark: "))
    assert "--keep-ratio" in words
    measured = call(*words[3:], "--methods", "msp", "--out", "out", app=run_app)
    assert measured.exit_code == 0, measured.output
    assert trained_folders() == [folder]


def test_a_second_call_reads_what_the_first_trained_and_copies_it():
    call(*SMALL, *FOCAL)
    (folder,) = trained_folders()
    before = (folder / WEIGHTS).read_bytes()
    done = call(*SMALL, *FOCAL, "--out", "copy")
    assert done.exit_code == 0 and "training lenet" not in Path("copy/training.log").read_text()
    assert Path("copy/lenet-mnist-seed0.safetensors").read_bytes() == before
    assert Path("copy/lenet-mnist-seed0.curve.csv").read_text() == (folder / "curve.csv").read_text()
    assert json.loads(Path("copy/lenet-mnist-seed0.json").read_text())["training"]["loss"] == "focal"


def test_the_runner_trains_the_same_network_under_the_same_address():
    trained = train(settings_like(epochs=1), data_module(settings_like()), 0, progress=False)
    assert call(*SMALL, "--epochs", "1").exit_code == 0
    assert trained_folders() == [trained.folder]
    _, found = under_test(settings_like(), data_module(settings_like()), 0)
    assert found.weights == trained.weights and found.options == trained.options


def test_the_last_one_asked_for_counts_unless_the_run_says_how_to_train():
    call(*SMALL, "--epochs", "1", "--lr", "0.001")
    call(*SMALL, "--epochs", "1", "--lr", "0.002")
    data = data_module(settings_like())

    def lr(**options):
        return under_test(settings_like(**options), data, 0)[1].options["lr"]

    assert lr() == 0.002
    call(*SMALL, "--epochs", "1", "--lr", "0.001")  # is there; asking for it again makes it the last
    assert lr() == 0.001
    assert lr(epochs=1) not in (0.001, 0.002)
    assert lr(preset="fast-lenet", epochs=1) not in (0.001, 0.002)
    other = data_module(settings_like(limit=40))
    with planning() as plan:
        under_test(settings_like(limit=40), other, 0)
    assert [one.cached for one in plan] == [False]  # other data


def test_further_seeds_and_members_are_trained_the_same_way():
    call(*SMALL, *FOCAL)
    settings = settings_like(seeds=(0, 1))
    data = data_module(settings)
    first, second = (under_test(settings, data, seed)[1].options for seed in (0, 1))
    assert second["loss"] == "focal" and second == {**first, "seed": 1}
    own, _ = under_test(settings, data, 0)
    assert train(own, data, 1000).options == {**first, "seed": 1000}


def test_it_starts_from_a_checkpoint_and_the_run_uses_it_without_the_file(tmp_path):
    data = data_module(settings_like())
    save_weights(build("lenet", 10, 1, image_size=data.image_size), tmp_path / "start.safetensors")
    done = call(*SMALL, *FOCAL, "--checkpoint", tmp_path / "start.safetensors")
    assert done.exit_code == 0, done.output
    (tmp_path / "start.safetensors").unlink()
    _, found = under_test(settings_like(), data, 0)
    assert found.folder == trained_folders()[0] and "start" in found.options
    with pytest.raises(
        ValueError, match="trained lenet from a checkpoint, but not seed 1: train that seed too"
    ):
        under_test(settings_like(seeds=(0, 1)), data, 1)


def test_a_network_of_the_user_is_trained_and_found(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    own = ["--network", "mine.py:build", "--network-arg", "width=3", "--mean", "0.5", "--std", "0.3"]
    done = call(*SMALL, *own, *FOCAL)
    assert done.exit_code == 0, done.output
    options = {"network": "mine.py:build", "network_args": ("width=3",), "mean": (0.5,), "std": (0.3,)}
    settings = settings_like(**options)
    _, found = under_test(settings, data_module(settings), 0)
    assert found.folder == trained_folders()[0] and found.options["loss"] == "focal"
    other = settings_like(**{**options, "network_args": ("width=4",)})
    assert under_test(other, data_module(other), 0)[1].options["checkpoint"] == "as built"


def test_presets_with_options_of_the_network_have_an_address_of_their_own(monkeypatch):
    """The same training of another architecture was taken for it, and only its shapes gave it away."""
    from networks.presets import PRESETS, Preset

    config = PRESETS["fast-lenet"].config
    for name, options in (("wide", {"dropout": 0.5}), ("plain", {})):
        monkeypatch.setitem(PRESETS, name, Preset("resnet18", config, "a test", options))
    data = data_module(settings_like())
    with planning() as plan:
        for preset in ("wide", "plain"):
            train(settings_like(preset=preset, epochs=1), data, 0)
    identities = []
    monkeypatch.setattr(
        "benchmarks.under_test.training.cached", lambda identity, *_: identities.append(identity)
    )
    for preset in ("wide", "plain"):
        train(settings_like(preset=preset, epochs=1), data, 0)
    assert len(plan) == 2 and identities[0]["build"] == {"dropout": 0.5} and "build" not in identities[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--loss", "focus"], "--loss must be one of cross-entropy, focal, got 'focus'"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--network", "lenett"], "did you mean 'lenet'?"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--checkpoint", "no.pth"], "--checkpoint no.pth does not exist"),
        (["--track", "wandb"], "--track: unknown 'wandb'; known: mlflow, tensorboard"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(arguments, said):
    done = CliRunner().invoke(command.app, spread(["--ind", "mnist", *arguments]))
    assert done.exit_code == 2 and said in " ".join(done.output.split())
    assert not trained_folders()


def test_a_schedule_with_milestones_gives_way_to_one_without():
    done = call(
        *SMALL, "--network", "resnet18", "--preset", "fssd-resnet34", "--schedule", "cosine", "--epochs", "1"
    )
    assert done.exit_code == 0, done.output


def test_ctrl_c_ends_with_130_and_leaves_what_the_same_command_resumes_from(tmp_path):
    words = [
        sys.executable,
        "-m",
        "networks.train",
        *SMALL,
        "--epochs",
        "400",
        "--batch-size",
        "8",
        "--out",
        "out",
    ]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 300
    while time.time() < deadline and not list((tmp_path / "cache" / "networks").glob("*/last.ckpt")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130 and "interrupted; run the same command to resume" in said
    (folder,) = {file.parent for file in (tmp_path / "cache" / "networks").glob("*/last.ckpt")}
    rows = read_curve(folder)
    assert rows and not (folder / WEIGHTS).exists() and not list(folder.glob(".*"))
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
