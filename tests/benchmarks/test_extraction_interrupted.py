"""Images, pixels and objects of a set come from one pass, also where an interruption fell between their files."""

import pytest
import torch

from benchmarks.pipeline.extraction import Extraction
from lsood.metrics.pixel.pixel_set import PixelSet
from lsood.probes.image import Logits
from lsood.probes.pixels import PixelMaps


def test_no_images_are_known_before_their_pixels(tiny, tmp_path, monkeypatch):
    batch = {
        "image": torch.rand(2, 3, 16, 16),
        "key": ["a", "b"],
        "target": torch.zeros(2, dtype=torch.int64),
        "anomaly": torch.zeros(2, 16, 16, dtype=torch.uint8),
    }
    probes = [Logits(), PixelMaps(("msp",))]

    def measure():
        extraction = Extraction(tiny(dense=True), "h", "p", tmp_path)
        extraction.measure("set", [batch], "f", probes)
        return extraction.forwarded

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PixelSet, "save", die)
        with pytest.raises(KeyboardInterrupt):
            measure()
    assert not list(tmp_path.rglob("activations.json"))
    assert measure() == {"shared_pass": 2} and measure() == {}
