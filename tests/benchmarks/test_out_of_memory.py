"""Passes that run out of memory go on with half the batch: every image once, the same rows."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from baselines import MSP
from benchmarks.pipeline.batch_limit import BatchLimit
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.tuning import Adversarial
from lsood import ModelInfo, OnePass
from lsood.probes.pixels import PixelMaps

STD = (0.25, 0.25, 0.25)


class Full(nn.Module):
    """A network whose device holds a few images at a time."""

    def __init__(self, network, most):
        super().__init__()
        self.network, self.most, self.seen = network, most, []

    def forward(self, x):
        z = self.network(x)
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.seen.append(len(x))
        return z


def loader(sizes, **further):
    generator = torch.Generator().manual_seed(0)
    start = 0
    for n in sizes:
        keys = [f"{i:03d}" for i in range(start, start + n)]
        start += n
        rows = {name: value[start - n : start] for name, value in further.items()}
        yield {
            "image": torch.randn(n, 3, 8, 8, generator=generator),
            "key": keys,
            "target": torch.arange(n) % 4,
            **rows,
        }


def measure(network, folder, **further):
    extraction = Extraction(network, "hash", "plain", folder)
    probes = MSP().attach(ModelInfo("classification", 4, ("relu1",), "drop", STD)).probes()
    probes = [PixelMaps()] if "anomaly" in further else probes
    found = extraction.measure("set", list(loader((8, 8, 5), **further)), "set", probes)
    return found, extraction


def test_rows_are_the_same_and_none_comes_twice(tiny, tmp_path, caplog):
    expected, whole = measure(tiny(), tmp_path / "a")
    network = Full(tiny(), 3)
    found, extraction = measure(network, tmp_path / "b")
    assert found.images.ids == expected.images.ids == [f"{i:03d}" for i in range(21)]
    assert torch.equal(found.images["labels"], expected.images["labels"])
    for name in expected.images:
        torch.testing.assert_close(found.images[name], expected.images[name], rtol=0, atol=1e-6)
    assert (whole.limit.size, extraction.limit.size) == (None, 2) and max(network.seen) == 2
    lines = [r.getMessage() for r in caplog.records if "memory" in r.getMessage()]
    assert [line[-1] for line in lines] == ["4", "2"]  # once each: later batches start small


def test_masks_kinds_and_sources_stay_with_their_images(tiny, tmp_path):
    n = 21
    further = {
        "anomaly": torch.from_numpy(np.random.default_rng(0).integers(0, 2, (n, 8, 8), dtype=np.uint8)),
        "kind": [f"kind{i}" for i in range(n)],
        "severity": torch.arange(n),
        "source": [f"source{i}" for i in range(n)],
    }
    expected, _ = measure(tiny(dense=True), tmp_path / "a", **further)
    found, _ = measure(Full(tiny(dense=True), 3), tmp_path / "b", **further)
    assert found.images.metadata["anomaly_info"] == expected.images.metadata["anomaly_info"]
    assert found.pixels.keys == expected.pixels.keys
    assert np.array_equal(found.pixels.images, expected.pixels.images)


def test_a_single_image_that_does_not_fit_ends_the_pass(tiny, tmp_path):
    with pytest.raises(torch.OutOfMemoryError):
        measure(Full(tiny(), 0), tmp_path)


def test_adversarial_batches_are_halved_too(tiny):
    limit = BatchLimit()
    mean = (0.5, 0.5, 0.5)
    plain = list(Adversarial(list(loader((8, 3))), tiny(), mean, STD))
    halved = list(Adversarial(list(loader((8, 3))), Full(tiny(), 4), mean, STD, limit=limit))
    assert [len(batch["key"]) for batch in halved] == [4, 4, 3] and limit.size == 4
    assert [k for b in halved for k in b["key"]] == [k for b in plain for k in b["key"]]
    images = [torch.cat([batch["image"] for batch in batches]) for batches in (plain, halved)]
    torch.testing.assert_close(*images, rtol=0, atol=1e-5)


def test_a_run_tells_the_batch_it_came_down_to(tmp_path, monkeypatch):
    from benchmarks.run import app

    real = OnePass.__call__

    def call(self, images, keys, targets=None):
        if len(images) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, images, keys, targets)

    monkeypatch.setattr(OnePass, "__call__", call)
    monkeypatch.setenv("LSOOD_CACHE", str(tmp_path / "cache"))
    words = (
        "--miniature --ind mnist --ood fashion-mnist --epochs 1 --limit 60 --methods msp --device cpu".split()
    )
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "going on with 16" in done.output.replace("\n", " ")
    result = json.loads((tmp_path / "out/results/msp-seed0.json").read_text())
    assert result["settings"]["batch_size"] == 16
    assert [cell["failure"] for cell in result["ood"]] == [None] and result["ood"][0]["n_out"] == 60
