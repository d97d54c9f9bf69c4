"""docs/guide.md runs as it stands: every Python block, in order, on a small miniature."""

import re
import sys
from pathlib import Path

import pytest

import datamodules.miniature as miniature

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "guide.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.S)


@pytest.fixture
def guide(monkeypatch, tmp_path):
    entry = miniature.MINIATURES["cityscapes"]
    small = miniature.Miniature(entry.folder, entry.write, {"train": 40, "val": 16})
    monkeypatch.setitem(miniature.MINIATURES, "cityscapes", small)
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    code = blocks()
    assert len(code) >= 7
    names = {}
    for block in code:
        if "pacmap" in block:
            continue  # an extra, see test_the_pacmap_plot
        exec(compile(block, str(GUIDE), "exec"), names)
    return names


def test_the_guide_runs_to_its_tables(guide, tmp_path):
    results = guide["results"]
    assert list(results.columns) == ["fpr", "tpr", "auroc", "acc", "mcc", "f1", "fpr@95"]
    assert 0 <= results.auroc.iloc[0] <= 1  # four validation images do not make a detector
    table = guide["table"]
    assert list(table.index) == [
        "cityscapes-anomalies LaRED", "gaussian-noise LaRED", "cityscapes-anomalies LaREM", "gaussian-noise LaREM",
    ]  # fmt: skip
    assert {"auroc", "fpr@95", "aupr", "threshold"} <= set(table.columns)
    assert table.auroc.between(0, 1).all()
    samples, h_z = guide["test_samples"], guide["test_h_z"]
    assert samples.shape == (16 * 10, 576) and h_z.shape == (16, 576)
    assert (tmp_path / "roc.png").stat().st_size > 5000


def test_samplers_agree_with_the_core_and_say_what_is_wrong(tiny):
    import torch

    from lsood import Hook, get_dl_h_z, get_latent_representation_mcd_samples, sample_latents

    network, x = tiny(), torch.rand(5, 3, 16, 16)
    batches = [{"image": x[:2], "key": ["a", "b"]}, {"image": x[2:], "key": ["c", "d", "e"]}]
    with Hook(network.drop) as hook:
        found = get_latent_representation_mcd_samples(network, batches, 7, hook, "Conv")
        with pytest.raises(ValueError, match="does not fit the hooked layer"):
            get_latent_representation_mcd_samples(network, batches, 7, hook, "FC")
        with pytest.raises(ValueError, match="layer_type must be"):
            get_latent_representation_mcd_samples(network, batches, 7, hook, "RPN")
        with pytest.raises(ValueError, match="data loader is empty"):
            get_latent_representation_mcd_samples(network, [], 7, hook)
        expected = sample_latents(network.relu1(network.conv1(x)), network.drop, 7, list("abcde"))
    torch.testing.assert_close(found, expected.flatten(0, 1))
    joint, each = get_dl_h_z(found, mcd_samples_nro=7)
    assert joint.shape == (5,) and each.shape == (5, 8)
    with pytest.raises(ValueError, match="not a multiple"):
        get_dl_h_z(found, mcd_samples_nro=8)


def test_density_scores_and_extension_of_the_evaluation():
    import numpy as np

    from lsood import log_evaluate_lared_larem

    random = np.random.default_rng(0)
    table, inside, outside = log_evaluate_lared_larem(
        random.normal(size=(80, 6)),
        random.normal(size=(40, 6)),
        {"far": random.normal(4, 1, (30, 6))},
        experiment_name_extension=" PCA 4",
        return_density_scores=True,
        pca=4,
    )
    assert list(table.index) == ["far LaRED PCA 4", "far LaREM PCA 4"]
    assert inside.shape == (40,) and outside["far"].shape == (30,)
    assert inside.mean() > outside["far"].mean(), "log densities: higher = more in-distribution"
    assert ((inside > table.threshold.iloc[0]).mean()) > 0.7
    assert (table.auroc > 0.95).all()


def test_the_pacmap_plot(tmp_path):
    pytest.importorskip("pacmap", reason="the extra pacmap is not installed")
    import numpy as np

    from lsood import plot_samples_pacmap

    random = np.random.default_rng(0)
    figure = plot_samples_pacmap(random.normal(size=(60, 8)), random.normal(3, 1, (60, 8)), neighbors=5)
    figure.savefig(tmp_path / "pacmap.png")
    assert (tmp_path / "pacmap.png").stat().st_size > 5000


def test_the_pacmap_plot_without_the_extra(monkeypatch):
    import numpy as np

    from lsood import plot_samples_pacmap

    monkeypatch.setitem(sys.modules, "pacmap", None)
    with pytest.raises(ImportError, match=r"pip install 'lsood-bench\[pacmap\]'"):
        plot_samples_pacmap(np.zeros((5, 2)), np.zeros((5, 2)))
