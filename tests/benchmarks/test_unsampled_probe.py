"""Dropout that cannot be sampled costs the rows of the methods that need it, not the pass."""

import pytest
import torch
from torch import nn

from baselines import MSP, MCDropout
from benchmarks.pipeline.extraction import Extraction
from lsood import ModelInfo


class OwnDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = 0.5

    def forward(self, x):
        return x * (torch.rand_like(x) > self.p) if self.training else x


def test_the_other_methods_are_measured_and_the_reason_is_kept(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 8), OwnDropout(), nn.Flatten()).eval()
    info = ModelInfo("classification", 4, ("0",), "1", (1.0, 1.0, 1.0))
    plain, sampled = MSP().attach(info), MCDropout(4).attach(info)
    loader = [
        {"image": torch.rand(3, 3, 8, 8), "key": [f"{b}{i}" for i in range(3)], "target": torch.arange(3)}
        for b in "ab"
    ]
    extraction = Extraction(network, "hash", "plain", tmp_path)
    for _ in range(2):  # the second time the cache holds what could be measured
        found = extraction.measure("test", loader, "set", [*plain.probes(), *sampled.probes()]).images
        assert plain.score(found).shape == (6,)
        with pytest.raises(ValueError, match="cannot sample the dropout of '1': OwnDropout"):
            sampled.score(found)
