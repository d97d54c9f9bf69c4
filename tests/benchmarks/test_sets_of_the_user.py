"""Folders and methods of the user on a page: short names that stay apart, full paths in the command alone."""

import re

import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.console import spread
from benchmarks.run import app
from leaderboards.store import load_results
from networks import build, save_weights

MINE = '''
from baselines import MSP


class Mine(MSP):
    """Another name for it."""

    name = "mine"
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two folders with one last name, a method in a file, anomalies, noise; ``--miniature`` beside a data root."""
    folder, random = tmp_path_factory.mktemp("user"), np.random.default_rng(0)
    (folder / "mine.py").write_text(MINE)
    for place in ("day/odd", "night/odd"):
        (folder / place).mkdir(parents=True)
        for i in range(12):
            cv2.imwrite(
                str(folder / place / f"{i}.png"), random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSOOD_CACHE", str(folder / "cache"))
        entry = miniature.MINIATURES["cifar10"]
        small = miniature.Miniature(entry.folder, entry.write, {"train": 40, "test": 20})
        patch.setitem(miniature.MINIATURES, "cifar10", small)
        save_weights(build("resnet18-small", 10), folder / "weights.safetensors")
        sets = [
            f"folder:{folder}/day/odd",
            f"folder:{folder}/night/odd",
            "gaussian-noise",
            "cifar10-anomalies",
        ]
        arguments = ["--ind", "cifar10", "--ood", *sets, "--data-root", folder, "--miniature", "--device", "cpu",
                     "--checkpoint", folder / "weights.safetensors", "--methods", f"{folder}/mine.py:Mine", "energy",
                     "knn", "--out", folder / "out"]  # fmt: skip
        spelled = spread([str(one) for one in arguments])
        patch.setattr("sys.argv", ["run", *spelled])
        return folder, CliRunner().invoke(app, spelled)


def test_short_names_that_stay_apart(run):
    folder, done = run
    assert done.exit_code == 0, done.output
    out = folder / "out"
    table = pd.read_csv(out / "leaderboard.csv")
    assert set(table["ood"]) == {"folder:day/odd", "folder:night/odd", "gaussian-noise", "cifar10-anomalies"}
    assert set(table["method"]) == {"mine.py:Mine", "energy", "knn", "naive"}
    for name in ("leaderboard.md", "leaderboard.html"):
        text = (out / name).read_text()
        (command,) = [line for line in text.splitlines() if str(folder) in line]
        assert "benchmarks.run" in command and command.count(f"{folder}/day/odd") == 1
        assert "cifar10 vs folder:day/odd" in text and "cifar10 vs folder:night/odd" in text
    for path in [*out.glob("*.csv"), *out.glob("results/*.parquet")]:
        assert str(folder).encode() not in path.read_bytes(), path
    assert len(list(out.glob("roc-*.png"))) == 4
    tables = done.stdout[done.stdout.index("cifar10 vs ") :]
    assert str(folder) not in tables.replace("\n", "").split("MINIATURE")[0]


def test_what_the_sets_are(run):
    folder, _ = run
    runs = load_results(folder / "out" / "results")
    cells = {cell.name: (cell.origin, cell.synthetic) for one in runs.values() for cell in one.ood}
    assert cells == {
        "folder:day/odd": ("own", ""), "folder:night/odd": ("own", ""),
        "gaussian-noise": ("generated", "noise"), "cifar10-anomalies": ("miniature", "anomalies"),
    }  # fmt: skip
    assert not list((folder / "out").glob("critical-difference*")), "two blocks are too few"


def test_why_miniatures_are_used(run):
    _, done = run
    said = " ".join(done.output.split())
    assert "--miniature is given: the data sets are generated miniatures" in said
    assert "no data root" not in said and "no --data-root" not in said


def test_forwarded_images_stand_once_for_the_run(run):
    folder, _ = run
    html = (folder / "out" / "leaderboard.html").read_text()
    lines = re.findall(r"<li>(seed 0, [^<]*)</li>", html)
    told = r"forwarded: sanity check \d+, shared pass 124; read from the cache: 0; passes: "
    assert len(lines) == 1 and re.search(told, lines[0])
    assert html.count("shared pass") == 1 and "shared_pass" not in html
