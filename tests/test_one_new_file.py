"""What it costs to add a thing: one new file, nothing else edited; a task: one file a package.

Everything is added to a copy of the packages and used in one run of the benchmark.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("anomalies", "baselines", "benchmarks", "datamodules", "leaderboards", "lsood", "networks")

METHOD = '''
"""score = |f|_1 of the penultimate features f (nobody, 2026)."""

from baselines.features.base import PenultimateDetector


class FeatureNorm(PenultimateDetector):
    """The L1 norm of the features."""

    name = "feature-norm"
    paper = "nobody, 2026"

    def _learn(self, x, labels):
        pass

    def _anomaly(self, x):
        return x.abs().sum(1)
'''
DATA_SET = '''
"""Grey images with bright or dark stripes."""

import numpy as np

from datamodules.base import BenchmarkDataModule
from datamodules.imagesets.arrays import ArraySet


class StripesDataModule(BenchmarkDataModule):
    """stripes/{train,val,test}.npz with images (N, 16, 16, 3) uint8 and labels (N,)."""

    name, task, class_names = "stripes", "sorting", ("dark", "bright")
    mean, std, image_size = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (16, 16)
    folders, layout, source = ("stripes",), "stripes/{train,val,test}.npz", "nowhere"
    default_network = "tiny-net"

    @classmethod
    def is_there(cls, folder):
        return (folder / "train.npz").is_file()

    def split(self, folder):
        parts = {part: np.load(folder / f"{part}.npz") for part in ("train", "val", "test")}
        return {
            part: ArraySet(self.name, content["images"], content["labels"], "official", f"{part}/")
            for part, content in parts.items()
        }
'''
OOD_SET = """
from datamodules.ood.base import OODSet

CHECKS = OODSet(name="checks", description="checkerboards", folders=("checks",), source="nowhere")
"""
NETWORK = '''
"""Two convolutions."""

from dropblock import DropBlock2D
from torch import nn

from networks.spec import NetworkSpec


class TinyNet(nn.Module):
    feature_layers, latent_layer, head_layer = ("last",), "drop", "head"

    def __init__(self, num_classes, channels=3):
        super().__init__()
        self.first, self.drop = nn.Conv2d(channels, 8, 3, padding=1), DropBlock2D(0.1, 3)
        self.second, self.last, self.head = nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.last(self.second(self.drop(self.first(x).relu()))).mean(dim=(2, 3)))


NETWORKS = (NetworkSpec("tiny-net", "sorting", "two convolutions", TinyNet),)
'''
KIND = '''
from dataclasses import dataclass

from anomalies.base import Anomaly, Rendered


@dataclass(frozen=True)
class Inverted(Anomaly):
    """Every colour inverted, the more the severer."""

    kind = "inverted"
    family = "lighting"
    level = "image"

    def draw(self, image, rng, scene):
        share = self.severity / 5
        return Rendered((share * (255 - image.astype(float)) + (1 - share) * image).astype("uint8"), None)
'''
METRIC = '''
"""FPR at a true-positive rate of 50 %."""

from lsood.metrics.metric import Metric

FPR50 = Metric(
    "fpr50", "FPR50", "lower", 99, "share flagged when half is caught", lambda c, t: c.fpr_at_tpr(0.5, "out")
)
'''
TASK = {
    "lsood/tasks/sorting.py": """
from lsood.tasks.classification import Classification

class Sorting(Classification):
    task = "sorting"
""",
    "datamodules/tasks/sorting.py": """
from datamodules.tasks.classification import Classification

class Sorting(Classification):
    task = "sorting"
""",
    "networks/training/tasks/sorting.py": """
from networks.training.tasks.classification import ClassificationModule

class SortingModule(ClassificationModule):
    task = "sorting"
""",
    "benchmarks/tasks/sorting.py": """
from benchmarks.tasks.classification import Classification

class Sorting(Classification):
    task = "sorting"
    default_methods = {"image": ("msp",)}
    training_config = {"epochs": 2, "batch_size": 16, "optimizer": "adam", "lr": 1e-2}
""",
}
FILES = {
    "baselines/features/feature_norm.py": METHOD,
    "datamodules/ind/stripes.py": DATA_SET,
    "datamodules/ood/checks.py": OOD_SET,
    "networks/models/tiny_net.py": NETWORK,
    "anomalies/kinds/lighting/inverted.py": KIND,
    "lsood/metrics/rows/fpr50.py": METRIC,
    **TASK,
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The packages with the new files, data for the new sets, and how to run a command there."""
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        left_out = shutil.ignore_patterns("__pycache__", "results")
        shutil.copytree(ROOT / package, folder / package, ignore=left_out)
    for name, text in FILES.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    random = np.random.default_rng(0)
    data = folder / "data"
    (data / "stripes").mkdir(parents=True)
    (data / "checks").mkdir()
    for part, n in (("train", 64), ("val", 32), ("test", 32)):
        labels = np.arange(n) % 2
        images = (
            np.where(np.arange(16)[:, None] % 4 < 2, 40, 90)[None, ..., None]
            + 110 * labels[:, None, None, None]
        )
        noise = random.integers(0, 40, (n, 16, 16, 3))
        np.savez(data / "stripes" / f"{part}.npz", images=(images + noise).astype(np.uint8), labels=labels)
    for i in range(12):
        board = 255 * (np.indices((16, 16)).sum(0) // 4 % 2)[..., None].repeat(3, 2)
        image = np.clip(board - random.integers(0, 60, (16, 16, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(data / "checks" / f"{i}.png"), image)
    (folder / "inverted.yaml").write_text("- kind: inverted\n")

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(folder), "LSOOD_CACHE": str(folder / "cache")}
        command = [sys.executable, "-m", "benchmarks.run", *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    return folder, run


def test_lists_know_the_new_things(copy):
    _, run = copy
    done = run("--list")
    assert done.returncode == 0, done.stderr
    for word in ("feature-norm", "stripes", "checks", "tiny-net", "sorting", "stripes-anomalies"):
        assert word in done.stdout


def test_one_run_uses_all_of_them(copy):
    folder, run = copy
    done = run(
        "--ind", "stripes", "--ood", "checks", "stripes-anomalies", "--recipe", "inverted.yaml",
        "--methods", "feature-norm", "msp", "--data-root", "data", "--out", "out", "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    table = pd.read_csv(folder / "out" / "leaderboard.csv")
    assert set(table.method) == {"feature-norm", "msp", "naive"} and set(table.network) == {"tiny-net"}
    assert table.failure.isna().all() and table.fpr50.between(0, 1).all()
    assert set(table.ood) == {"checks", "stripes-anomalies"} and set(table.ind) == {"stripes"}
    assert "FPR50" in (folder / "out" / "leaderboard.html").read_text()
    result = json.loads((folder / "out" / "results" / "feature-norm-seed0.json").read_text())
    assert result["ind"]["task"] == "sorting" and result["network"]["options"]["epochs"] == 2
    assert set(pd.read_csv(folder / "out" / "kinds.csv").kind) == {"inverted", "all"}
