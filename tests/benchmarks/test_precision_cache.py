"""What was measured in one precision is never read back in another."""

import torch

from benchmarks.pipeline.extraction import Extraction
from lsood.probes.image import Logits


def test_precision_is_part_of_the_address(tiny, tmp_path):
    batch = {
        "image": torch.rand(6, 3, 16, 16),
        "key": list("abcdef"),
        "target": torch.zeros(6, dtype=torch.int64),
    }
    found = {}
    for precision in ("float32", "bfloat16", "bfloat16"):
        extraction = Extraction(tiny(), "h", "p", tmp_path, precision=precision)
        found[precision] = extraction.measure("set", [batch], "f", [Logits()]).images
        assert found[precision].metadata["precision"] == precision
    assert extraction.from_cache == 6
    assert not torch.equal(found["float32"]["logits"], found["bfloat16"]["logits"])
