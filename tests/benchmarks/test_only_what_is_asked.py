"""With `--methods msp` only what msp needs is measured: no Monte-Carlo samples, no noise images, no pooled layers."""

import pytest
from typer.testing import CliRunner

import datamodules.miniature as miniature
from benchmarks.console import spread
from benchmarks.pipeline.extraction import Extraction
from benchmarks.run import app
from datamodules import DATAMODULES
from leaderboards.store import load_results
from lsood.probes.image import LatentEntropy, Pooled, SingularityDistances
from lsood.probes.objects import ObjectEntropy, ObjectMeans
from networks import build, save_weights

COUNTS = {
    "cifar10": {"train": 40, "test": 20}, "svhn": {"test": 12}, "cityscapes": {"train": 8, "val": 4},
    "bdd100k": {"10k/train": 8, "10k/val": 4, "100k/train": 8, "100k/val": 4}, "voc": {"val": 6},
}  # fmt: skip
DETECTIONS = {"box", "score", "predicted", "labels", "place"}
CASES = [
    ("cifar10", "svhn", "resnet18-small", {"logits"}, set()),
    ("cityscapes", "cityscapes-anomalies", "deeplabv3plus-small", {"pixel_scores", "confusion"}, {"pixel_maps.msp"}),
    ("bdd100k", "voc", "faster-rcnn-small", {"detection_scores"} | DETECTIONS, {"logits"}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_miniatures(monkeypatch, tmp_path):
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    for name, counts in COUNTS.items():
        entry = miniature.MINIATURES[name]
        monkeypatch.setitem(
            miniature.MINIATURES, name, miniature.Miniature(entry.folder, entry.write, counts)
        )


@pytest.mark.parametrize(("ind", "ood", "network", "everywhere", "further"), CASES)
def test_msp_alone(ind, ood, network, everywhere, further, tmp_path, monkeypatch):
    for other in (LatentEntropy, SingularityDistances, Pooled):
        monkeypatch.setattr(other, "__call__", lambda *_: pytest.fail("nobody asked for this"))
    for other in (ObjectEntropy, ObjectMeans):
        monkeypatch.setattr(other, "of", lambda *_: pytest.fail("nobody asked for this"))
    asked, plain = {}, Extraction.measure

    def measure(self, title, loader, fingerprint, probes, perturbations=(), smallest=None):
        asked[title] = [probe.name for probe in probes]
        assert not perturbations and len(set(asked[title])) == len(probes)
        return plain(self, title, loader, fingerprint, probes, perturbations, smallest)

    monkeypatch.setattr(Extraction, "measure", measure)
    weights = tmp_path / "weights.safetensors"
    save_weights(build(network, len(DATAMODULES.about(ind, "class_names"))), weights)
    arguments = ["--ind", ind, "--ood", ood, "--network", network, "--checkpoint", str(weights), "--methods", "msp",
                 "--no-naive", "--device", "cpu", "--batch-size", "8", "--out", str(tmp_path / "out")]  # fmt: skip
    done = CliRunner().invoke(app, spread(arguments))
    assert done.exit_code == 0, done.output
    assert set(asked) == {"fit", "ind-val", "ind-test", ood}
    for title, names in asked.items():
        assert everywhere <= set(names) <= everywhere | further, title
    runs = list(load_results(tmp_path / "out" / "results").values())
    images = runs[0].ind.n_fit + runs[0].ind.n_val + runs[0].ind.n_test + runs[0].ood[0].n_images
    checked = {"cifar10": 256, "cityscapes": 32}.get(ind, 0)
    for run in runs:
        forwarded = dict(run.cost.images_forwarded)
        assert forwarded.pop("sanity_check", 0) >= min(checked, run.ind.n_val)
        assert forwarded == {"shared_pass": images, "from_cache": 0}
