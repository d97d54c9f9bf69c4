"""Shared by all tests: one thread, a cache of its own, small networks."""

import logging
import os
import signal

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")

import pytest
import torch
from dropblock import DropBlock2D
from torch import nn

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # under "command &", children would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Nothing a test makes lands in the user's cache, nothing there helps a test pass."""
    if "LSOOD_TEST_CACHE" not in os.environ:
        os.environ["LSOOD_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("LSOOD_DATA", None)


@pytest.fixture(autouse=True)
def _fresh_log():
    """The runner redirects the project's log lines; no test sees what another one redirected."""
    log = logging.getLogger("lsood-bench")
    log.handlers, log.propagate = [], True


@pytest.fixture(autouse=True)
def _no_open_source():
    """A data set that one test opened to make a generated set from is not the next one's (size, place)."""
    from anomalies.sets.source import _data_set

    _data_set.cache_clear()


class TinyNet(nn.Module):
    """Two convolutions, DropBlock between them, a linear head: enough for every probe."""

    feature_layers = ("relu1", "relu2")
    latent_layer = "drop"

    def __init__(self, channels: int = 3, classes: int = 4, dense: bool = False) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU()
        self.drop = DropBlock2D(0.3, 3)
        self.conv2, self.relu2 = nn.Conv2d(8, 12, 3, padding=1), nn.ReLU()
        self.dense = dense
        self.head = nn.Conv2d(12, classes, 1)

    def forward(self, x):
        x = self.relu2(self.conv2(self.drop(self.relu1(self.conv1(x)))))
        z = self.head(x)
        return z if self.dense else z.mean(dim=(2, 3))


@pytest.fixture(scope="session")
def detector():
    """A small Faster R-CNN with seeded random weights: ``detector()``; ``detector(least=2.0)`` keeps nothing."""
    from networks.models.detection.faster_rcnn import SmallFasterRCNN

    def make(classes=3, least=0.2, seed=0):
        torch.manual_seed(seed)
        network = SmallFasterRCNN(classes)
        torch.nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=0.3)
        network.roi_heads.score_thresh = least
        network.roi_heads.detections_per_img = 12
        return network.eval()

    return make


@pytest.fixture
def tiny():
    """TinyNet with seeded weights: ``tiny()`` classifies, ``tiny(dense=True)`` segments."""

    def make(**options):
        torch.manual_seed(0)
        return TinyNet(**options).eval()

    return make
