"""A network that does not do its own task is noticed before anything is measured, and the usual causes are named."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.under_test.sanity import IMAGENET, Input, check_network, inputs
from datamodules import ArraySet, BenchmarkDataModule
from lsood.io import log

COLOURS = np.array([[r, g, b] for r in (107, 149) for g in (97, 139) for b in (87, 129)], dtype=np.uint8)
CLASSES = tuple("abcdefgh")


class Coloured(BenchmarkDataModule):
    """Eight classes, each a colour; the colours are so close that any wrong pre-processing confuses them."""

    name, task, class_names = "coloured", "classification", CLASSES
    mean, std, image_size = (0.3, 0.7, 0.2), (0.2, 0.25, 0.3), (4, 4)
    layout = source = ""

    @classmethod
    def is_there(cls, folder):
        return True

    def prepare_data(self):
        self._folder = "."

    def split(self, folder):
        labels = np.arange(400) % 8
        images = np.broadcast_to(COLOURS[labels][:, None, None], (400, 4, 4, 3)).copy()
        return {part: ArraySet("coloured", images, labels, "own", part) for part in ("train", "val", "test")}


class ByColour(nn.Module):
    """Knows the colours behind one normalisation, channel order and order of outputs."""

    def __init__(self, mean, std, flipped=False, order=range(8), maps=False):
        super().__init__()
        self.mean, self.std = (torch.tensor(v)[:, None, None] for v in (mean, std))
        self.flipped, self.maps = flipped, maps
        self.colours = torch.tensor(COLOURS / 255.0, dtype=torch.float32)[list(order)]
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        pixels = (x.flip(1) if self.flipped else x) * self.std + self.mean
        near = -(pixels[:, None] - self.colours[:, :, None, None]).square().sum(2) * self.scale
        return near if self.maps else near.mean((2, 3))


class Constant(nn.Module):
    """The same logits for every image."""

    def forward(self, x):
        return torch.arange(8.0).expand(len(x), 8)


class Maps(Coloured):
    name, task = "coloured-maps", "segmentation"

    def split(self, folder):
        random = np.random.default_rng(0)
        ids = random.integers(0, 8, (40, 4, 4)).astype(np.uint8)
        found = {}
        for part in ("train", "val", "test"):
            found[part] = ArraySet("coloured-maps", COLOURS[ids], None, "own", part)
            found[part].read = lambda i, s=found[part]: ArraySet.read(s, i)._replace(target=ids[i])
        return found


def data_of(kind=Coloured, **options):
    data = kind(None, batch_size=64, **options)
    data.setup()
    return data


def lines(caplog, *arguments, **options):
    caplog.clear()
    with caplog.at_level(logging.INFO, logger=log.name):
        figure, _ = check_network(*arguments, **options)
    return figure, [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def heard(caplog):
    before = log.propagate
    log.propagate = True
    yield
    log.propagate = before


def test_a_network_that_fits_gets_one_line(caplog):
    figure, said = lines(caplog, ByColour(Coloured.mean, Coloured.std), data_of())
    assert (figure.name, figure.value, figure.images, figure.near_chance) == ("accuracy", 1.0, 256, False)
    assert said == ["accuracy on 256 validation images: 1.000"]


IMAGENET_TEXT = "--mean 0.485 0.456 0.406 --std 0.229 0.224 0.225"
WRONG = {
    "normalisation": (ByColour(*IMAGENET), f"with {IMAGENET_TEXT} it would be 1.000"),
    "channel order": (
        ByColour(*IMAGENET, flipped=True),
        "with --mean 0.406 0.456 0.485 --std 0.225 0.224 0.229 --channel-order bgr it would be 1.000",
    ),
    "no normalisation": (
        ByColour((0.0,) * 3, (1.0,) * 3), "with --input-range 1 it would be 1.000"
    ),
    "range": (ByColour((0.0,) * 3, (1 / 255,) * 3), "with --input-range 255 it would be 1.000"),
    "bytes": (
        ByColour(IMAGENET[0], (1 / 255,) * 3),
        "with --mean 123.7 116.3 103.5 --std 1 1 1 --input-range 255 it would be 1.000",
    ),
    "class order": (
        ByColour(Coloured.mean, Coloured.std, order=[1, 2, 3, 4, 5, 6, 7, 0]),
        "with another order of classes it would be 1.000: --classes FILE, one name per output: b, c, d, e, f, g, h, a",
    ),
    "random": (
        Constant(),
        "none of the usual causes (normalisation, pixel range, channel order, class order) explains it: the weights "
        "may be random or those of another data set",
    ),
}  # fmt: skip


@pytest.mark.parametrize("cause", WRONG)
def test_the_cause_is_named(cause, caplog):
    network, expected = WRONG[cause]
    figure, said = lines(caplog, network, data_of())
    assert figure.near_chance
    assert said[1].startswith(f"accuracy {figure.value:.3f} on 256 validation images is near chance (0.148)")
    assert said[2:] == [expected]


def test_the_options_it_names_work(caplog):
    """Each alternative, given to the data module as its options say, is what the trial forwarded."""
    data = data_of()
    pixels = torch.rand(2, 3, 4, 4)
    for one in inputs(data):
        words = one.options("rgb").split()
        largest = float(words[words.index("--input-range") + 1]) if "--input-range" in words else 1.0
        flipped = "bgr" in words
        mean, std = (
            [float(v) for v in words[words.index(name) + 1 : words.index(name) + 4]]
            if name in words
            else None
            for name in ("--mean", "--std")
        )
        if mean is None:
            mean, std = (
                ([0.0] * 3, [1.0] * 3) if "--input-range" in words else (list(data.mean), list(data.std))
            )
        network_order = pixels.flip(1) if flipped else pixels
        mean, std = (torch.tensor(v)[:, None, None] for v in (mean, std))
        torch.testing.assert_close(
            one.of(pixels), (network_order * largest - mean) / std, rtol=2e-3, atol=0.06
        )


def test_when_the_run_has_bgr_the_other_order_is_rgb():
    flipped = [one for one in inputs(data_of()) if one.flipped and one.now]
    assert flipped[0].options("bgr") == "--mean 0.3 0.7 0.2 --std 0.2 0.25 0.3 --channel-order rgb"


def test_options_undo_an_input_range_that_the_run_has():
    own = Input((0.3, 0.7, 0.2), (0.2, 0.25, 0.3))
    assert own.options("rgb", 255) == "--mean 0.3 0.7 0.2 --std 0.2 0.25 0.3 --input-range 1"
    assert "--input-range" not in own.options("rgb")


def test_segmentation(caplog):
    data = data_of(Maps)
    figure, said = lines(caplog, ByColour(Maps.mean, Maps.std, maps=True), data)
    assert (figure.name, figure.value, figure.images) == ("miou", 1.0, 32)
    figure, said = lines(caplog, ByColour(*IMAGENET, maps=True), data)
    assert figure.near_chance and said[2] == f"with {IMAGENET_TEXT} it would be 1.000"


def test_without_labels_nothing_is_claimed(caplog):
    data = data_of()
    data.sets["val"].labels = None
    figure, said = lines(caplog, ByColour(Coloured.mean, Coloured.std), data)
    assert figure is None
    assert said == ["no validation image has a label: the network's accuracy is not checked"]


def test_the_network_is_left_as_it_was():
    network = ByColour(Coloured.mean, Coloured.std).train()
    check_network(network, data_of())
    assert network.training and network.scale.requires_grad


def test_images_of_unknown_normalisation_are_only_reversed():
    data = data_of()
    assert [one.options("rgb") for one in inputs(data, pixels=False)] == [
        "", "--mean 0.2 0.7 0.3 --std 0.3 0.25 0.2 --channel-order bgr"
    ]  # fmt: skip


def test_nothing_is_claimed_from_few_images(caplog):
    """The best of many alternatives looks good on twelve images by luck."""
    for seed in range(6):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8)
        )
        _, said = lines(caplog, network, data_of(limit=12))
        assert not [line for line in said if "it would be" in line]
    _, said = lines(caplog, Constant(), data_of(limit=12))
    assert said[2:] == ["12 labelled images are too few to tell which of the usual causes would explain it"]


class HalfByColour(ByColour):
    """Every other image is recognised whatever the channel order."""

    def forward(self, x):
        found = super().forward(x)
        return torch.where((torch.arange(len(x)) % 2 == 0)[:, None], super().forward(self.right(x)), found)

    def right(self, x):
        """The images with their channels as the network wants them, told by the colours that there are."""
        turned = x.flip(1)
        nearest = [super(HalfByColour, self).forward(one).amax(1) for one in (x, turned)]
        return torch.where((nearest[0] >= nearest[1])[:, None, None, None], x, turned)


def test_reversed_channels_are_told_where_the_network_is_above_chance(caplog):
    network = HalfByColour(Coloured.mean, Coloured.std, flipped=True)
    data = data_of()
    caplog.clear()
    figure, cautions = check_network(network, data)
    assert not figure.near_chance and 0.4 < figure.value < 0.9
    told = f"accuracy is {figure.value:.3f} on 256 validation images and would be 1.000 with the channels reversed: --channel-order may be wrong"  # noqa: E501
    assert cautions == [told] and told in caplog.text
    assert check_network(HalfByColour(Coloured.mean, Coloured.std), data)[1] == []
