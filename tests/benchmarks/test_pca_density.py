"""The sweep of LaRED's PCA size: its figures against other code, and the command end to end on a miniature."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KernelDensity
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.console import spread
from benchmarks.sweeps.pca_density import app, sweep
from lsood.density.pca import PCA


def call(*arguments):
    return CliRunner().invoke(app, spread([str(a) for a in arguments]))


@pytest.fixture
def few_images(monkeypatch):
    for name, counts in (("fashion-mnist", {"train": 400, "test": 60}), ("mnist", {"train": 2, "test": 60})):
        entry = miniature.MINIATURES[name]
        small = miniature.Miniature(entry.folder, entry.write, counts)
        monkeypatch.setitem(miniature.MINIATURES, name, small)


def test_every_column_is_what_scikit_learn_makes_of_it():
    random = np.random.default_rng(0)
    scales = np.linspace(3, 0.3, 40)
    fit, held, test = (random.normal(size=(n, 40)) * scales for n in (300, 60, 80))
    oods = {"wide": random.normal(size=(50, 40)) * scales * 1.3, "far": random.normal(size=(30, 40)) + 1}
    tensors = {name: torch.from_numpy(x) for name, x in oods.items()}
    table, picked = sweep(*map(torch.from_numpy, (fit, held, test)), tensors, (4, 32, 48))
    assert list(zip(table["ood"], table["components"], strict=True)) == [
        ("wide", 4), ("far", 4), ("wide", 32), ("far", 32)
    ]  # fmt: skip
    means = {n: SklearnPCA(n, svd_solver="full").fit(fit).score(held) for n in (2, 4, 8, 12, 16, 24, 32)}
    assert picked == max(means, key=means.get)
    for row in table.to_dict("records"):
        pca = SklearnPCA(row["components"], whiten=True, svd_solver="full").fit(fit)
        x = np.concatenate([test, oods[row["ood"]]])
        own = PCA(row["components"]).fit(torch.from_numpy(fit))  # its error depends on the signs of the axes
        centres, points = (own.transform(torch.from_numpy(v)).numpy() for v in (fit, x))
        errors = KernelDensity().fit(centres).score_samples(points)
        errors -= KernelDensity(leaf_size=len(fit)).fit(centres).score_samples(points)
        z, x = pca.transform(fit), pca.transform(x)
        labels = np.arange(len(x)) >= len(test)
        exact = KernelDensity(leaf_size=len(z)).fit(z).score_samples(x)
        assert row["lared"] == pytest.approx(roc_auc_score(labels, -exact), abs=1e-12)
        assert row["sklearn_brute"] == pytest.approx(row["lared"], abs=1e-12)
        assert row["sklearn_worst"] == pytest.approx(np.abs(errors).max(), rel=1e-6, abs=1e-9)
        assert row["sklearn_brute_worst"] < 1e-9
        assert row["larem"] == pytest.approx(roc_auc_score(labels, (x**2).sum(1)), abs=1e-12)
        assert row["picked"] == (row["components"] == picked)


def test_the_command_writes_table_figure_and_how_they_were_made(few_images, tmp_path):
    arguments = (
        "--ind",
        "fashion-mnist",
        "--ood",
        "mnist",
        "uniform-noise",
        "--epochs",
        "1",
        "--limit",
        "40",
    )
    result = call(*arguments, "--reduction", "avgpool", "--device", "cpu", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "pca-density.csv")
    assert set(table["ood"]) == {"mnist", "uniform-noise"} and list(table["components"].unique()) == [
        4,
        8,
        16,
        32,
    ]
    assert np.allclose(table["lared"], table["sklearn_brute"])
    how = json.loads((tmp_path / "pca-density.json").read_text())
    assert how["dimensions"] == 1024 and how["sets"]["fit"] == {
        "origin": "miniature", "fingerprint": how["sets"]["fit"]["fingerprint"], "images": 40, "left_out": [],
    }  # fmt: skip
    assert how["network"]["name"] == "lenet" and how["network"]["options"]["epochs"] == 1
    assert (tmp_path / "pca-density.png").read_bytes()[:4] == b"\x89PNG"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ind", "cifra10", "--ood", "svhn"), "did you mean 'cifar10'?"),
        (("--ind", "cifar10", "--ood", "svnh"), "svhn"),
        (("--ind", "cifar10", "--ood", "svhn", "--network", "lenett"), "unknown network"),
        (("--ind", "cifar10", "--ood", "svhn", "--limit", "0"), "--limit must be at least 1"),
    ],
)
def test_bad_input_is_one_line_and_bad_usage(arguments, said):
    result = call(*arguments)
    assert result.exit_code == 2 and said in result.output and "Traceback" not in result.output
