"""A leading ~ stands for the home folder in every path that a user states: no shell replaces it after "folder:"."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.pipeline.config import Settings
from datamodules import FashionMNISTDataModule, outliers_for
from datamodules.locate import cache_dir
from datamodules.miniature import write
from datamodules.miniature.files import save_image
from leaderboards.build import app as build
from leaderboards.store import load_results
from networks import build as network
from networks import load_weights, save_weights

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "~").exists()


def test_options_of_runs(home):
    save_weights(network("lenet", 3, 1, image_size=(16, 16)), "~/w.safetensors")
    load_weights(network("lenet", 3, 1, image_size=(16, 16)), "~/w.safetensors")
    (home / "data").mkdir()
    found = Settings(
        "mnist", ("svhn",), data_root=Path("~/data"), out=Path("~/o"), checkpoints=(Path("~/w.safetensors"),)
    )
    assert (found.data_root, found.out, found.checkpoints) == (
        home / "data",
        home / "o",
        (home / "w.safetensors",),
    )


def test_thresholds_never_come_from_a_folder_under_test(home):
    for name in ("folder:~/x", f"folder:{home}/x/", f"folder:{home}/x/y", f"generated:{home}"):
        with pytest.raises(ValueError, match="this set is under test"):
            Settings("mnist", (f"folder:{home}/x",), calibrate_on=name)
    Settings("mnist", (f"folder:{home}/x",), calibrate_on="folder:~/z")


def test_data_sets(home, monkeypatch):
    write("fashion-mnist", home / "data", sizes={"train": 50, "test": 10})
    for i in range(2):
        save_image(home / "frames" / f"{i}.png", np.full((20, 20, 3), i, np.uint8))
    data = FashionMNISTDataModule("~/data", ["folder:~/frames"], limit=4)
    data.setup()
    assert (
        len(data.ood_sets["folder:frames"]) == len(outliers_for("cifar10", None, name="folder:~/frames")) == 2
    )
    monkeypatch.setenv("LSOOD_CACHE", "~/cache")
    assert cache_dir() == home / "cache"


def test_pages(home):
    path = next(iter(load_results(ROOT / "leaderboards" / "results" / "fashion-mnist" / "results")))
    (home / "results").mkdir()
    shutil.copy(path, home / "results")
    done = CliRunner().invoke(build, ["--results=~/results", "--out=~/page"])
    assert done.exit_code == 0, done.output
    assert (home / "page" / "leaderboard.md").is_file()
