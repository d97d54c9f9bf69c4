"""A quantity that cannot be measured costs the rows of the methods that need it, at every level, not the pass."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from baselines import MSP
from benchmarks.levels.object import object_model_info
from benchmarks.levels.pixel import PixelLevel
from benchmarks.pipeline.extraction import Extraction
from benchmarks.pipeline.failures import Failures
from benchmarks.pipeline.level_methods import LevelMethods
from benchmarks.pipeline.scoring import Scoring
from lsood import Activations, Detector, ModelInfo, OnePass
from lsood.extraction.measurement import Measurement
from lsood.probes.base import Probe
from lsood.probes.image import SingularityDistances
from lsood.probes.objects import object_probes
from lsood.probes.perturbation import Perturbation
from lsood.probes.pixels import PixelMaps, PixelProbe

STD = (0.25, 0.25, 0.25)


class Odd(Probe):
    """Does what its function does with the logits."""

    name = ""

    def __init__(self, name, function, layers=(), preparation=None):
        self.name, self.function, self.layers, self.preparation = name, function, layers, preparation

    def prepare(self, run, image_shape):
        return self.preparation and self.preparation()

    def __call__(self, forward, prepared):
        return self.function(forward.logits)


def raising(error):
    def function(*_):
        raise error

    return function


def second_batch():
    calls = []

    def function(logits):
        calls.append(0)
        if len(calls) > 1:
            raise RuntimeError("singular matrix")
        return logits

    return function


def batches(n=2, size=3, shape=(3, 8, 8), **further):
    torch.manual_seed(0)
    return [
        {
            "image": torch.randn(size, *shape),
            "key": [f"{b}{i}" for i in range(size)],
            "target": torch.arange(size) % 4,
            **further,
        }
        for b in range(n)
    ]


BROKEN = [
    (Odd("late", second_batch()), "RuntimeError: singular matrix"),
    (Odd("unknown", lambda z: z, ("relu9",)), "the network has no layer 'relu9'; it has: conv1"),
    (Odd("unused", lambda z: z, ("spare",)), "layer 'spare' was not reached by the forward pass"),
    (Odd("infinite", lambda z: z / 0), "infinite is not finite .* image '00'"),
    (Odd("short", lambda z: z[:1]), "short has 1 rows for 3 rows of the batch"),
    (Odd("nothing", lambda z: None), "TypeError: object of type 'NoneType' has no len"),
    (Odd("unprepared", lambda z: z, (), raising(KeyError("state"))), "KeyError: 'state'"),
]


def step(name, direction, confidence, read=lambda forward, prepared: forward.logits):
    return Perturbation(name, direction, (), confidence, read, 0.01, STD)


def test_image_level(tiny, tmp_path):
    network = tiny()
    network.spare = nn.ReLU()
    plain = MSP().attach(ModelInfo("classification", 4, ("relu1", "relu2"), "drop", STD)).probes()
    largest = lambda forward, prepared: forward.logits.amax(1)  # noqa: E731
    steps = [
        step("flat", "none", raising(RuntimeError("no gradient"))),
        step("flat too", "none", largest),
        step("good", "largest", largest),
        step("unread", "largest", largest, raising(IndexError("4"))),
    ]
    expected = Extraction(network, "hash", "plain", tmp_path / "alone").measure(
        "test", batches(), "set", plain, [steps[2]]
    )
    extraction = Extraction(network, "hash", "plain", tmp_path / "all")
    for _ in range(2):  # the second time the cache holds what could be measured
        probes = [probe for probe, _ in BROKEN]
        found = extraction.measure("test", batches(), "set", [*probes, *plain], steps).images
        for name in expected.images:
            assert torch.equal(found[name], expected.images[name])
        for probe, message in BROKEN:
            with pytest.raises(ValueError, match=message):
                found[probe.name]
        for name, message in {
            "flat": "no gradient",
            "flat too": "no gradient",
            "unread": "IndexError: 4",
        }.items():
            with pytest.raises(ValueError, match=message):
                found[name]


@pytest.mark.parametrize(
    "probe", [probe for probe, _ in BROKEN if probe.name not in ("late",)], ids=lambda p: p.name
)
def test_where_failures_are_not_taken_they_raise(tiny, probe):
    network = tiny()
    network.spare = nn.ReLU()
    with pytest.raises((ValueError, TypeError, KeyError)), OnePass(network, [probe]) as run:
        run(batches()[0]["image"], ["a", "b", "c"])


def test_out_of_memory_is_no_fault_of_a_quantity(tiny):
    probe = Odd("large", raising(torch.OutOfMemoryError("CUDA out of memory")))
    failed = {}
    with OnePass(tiny(), [probe], failed=failed) as run, pytest.raises(torch.OutOfMemoryError):
        run(batches()[0]["image"], ["a", "b", "c"])
    assert not failed


@dataclass(frozen=True)
class OddMaps(PixelProbe):
    scores: tuple = ("odd",)

    @property
    def name(self):
        return "odd maps"

    def __call__(self, forward, prepared):
        raise RuntimeError("no maps")


class Maps(Detector):
    paper = "none"

    def __init__(self, probe=None):
        self.probe = probe

    def probes(self):
        return []

    def score(self, x):
        raise NotImplementedError

    def pixel_probe(self):
        return self.probe


def test_pixel_level(tiny, tmp_path):
    masks = (torch.arange(64).reshape(8, 8) % 2).byte().expand(3, 8, 8)
    loader = batches(anomaly=masks)
    network = tiny(dense=True)
    expected = Extraction(network, "hash", "plain", tmp_path / "a").measure("x", loader, "set", [PixelMaps()])
    found = Extraction(network, "hash", "plain", tmp_path / "b").measure(
        "x", loader, "set", [OddMaps(), PixelMaps()]
    )
    assert found.pixels.keys == expected.pixels.keys and set(found.pixels.scores) == set(PixelMaps().scores)
    for name, score in expected.pixels.scores.items():
        other = found.pixels.scores[name]
        assert all(
            np.array_equal(value, getattr(other, field))
            for field, value in vars(score).items()
            if field[0] != "_"
        )

    class Images:
        origin, fingerprint, left_out, masked, synthetic = "own", "f", (), True, ""

    class Data:
        name, spec, ood_sets, ood, calibrated_on = "ind", "ind", {"x": Images()}, ("x",), None
        sequence_of = staticmethod(lambda key: None)

    info = ModelInfo("segmentation", 4, ("relu2",), "drop", STD)
    level = PixelLevel(Data(), info)
    sets = {"ind-test": found, "x": found, "ind-val": found}
    for probe, message in ((OddMaps(), "RuntimeError: no maps"), (PixelMaps(), None)):
        scoring = Scoring(level, sets, 0.05, "cpu", Failures())
        (cell,) = scoring.of(("maps", "no-ood"), Maps(probe), {"": Maps(probe)}).cells
        assert cell.failure == message and bool(cell.metrics) == (message is None)


class OwnDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = 0.5

    def forward(self, x):
        return x * (torch.rand_like(x) > self.p) if self.training else x


def test_object_level(detector, tmp_path):
    """The dropout of the regions cannot be sampled: latent entropies of objects are missing, all else is there."""
    network = detector()
    info = object_model_info(
        network, ModelInfo("detection", 3, network.feature_layers[-2:], network.latent_layer, STD, 4)
    )
    boxes = {"boxes": torch.tensor([[1.0, 2.0, 30.0, 40.0]]), "labels": torch.tensor([1])}
    loader = [{**batch, "target": [boxes] * 2} for batch in batches(2, 2, (3, 64, 80))]
    probes = object_probes(info)
    expected = (
        Extraction(network, "hash", "plain", tmp_path / "a").measure("x", loader, "set", probes).objects
    )
    entropy = next(probe.name for probe in probes if probe.name.startswith("entropy."))
    assert expected.found.images > 4 and entropy in expected.found
    parent, _, last = info.latent_layer.rpartition(".")
    setattr(network.get_submodule(parent), last, OwnDropout())
    for _ in range(2):
        found = (
            Extraction(network, "hash", "plain", tmp_path / "b").measure("x", loader, "set", probes).objects
        )
        assert set(found.found) == set(expected.found) - {entropy} and found.found.ids == expected.found.ids
        for name in found.found:
            assert torch.equal(found.found[name], expected.found[name])
        with pytest.raises(ValueError, match="OwnDropout"):
            found.found[entropy]
        assert torch.equal(found.truth["box"], expected.truth["box"])


class Fails(Detector):
    name, paper = "fails", "none"

    def __init__(self, where=""):
        self.where = where

    def probes(self):
        if self.where == "probes":
            raise RuntimeError("probes")
        return []

    def fit_probes(self):
        if self.where == "fit_probes":
            raise RuntimeError("fit_probes")
        return []

    def param_grid(self):
        if self.where == "param_grid":
            raise RuntimeError("param_grid")
        return super().param_grid()

    def fit(self, x):
        return self

    def score(self, x):
        return torch.zeros(x.images)


@pytest.mark.parametrize("where", ["probes", "fit_probes", "param_grid"])
def test_what_a_detector_asks_for_may_raise(where):
    from benchmarks.levels.image import ImageLevel

    level = ImageLevel(None, ModelInfo("classification", 4, ("relu1",), "drop", STD))
    methods = LevelMethods(level, {"fails": Fails(where), "works": Fails()})
    cases = methods.cases(["no-ood"])
    methods.attach(cases)
    methods.fit(methods.failures.alive(cases), Measurement(Activations({"x": torch.zeros(3, 1)}, "abc")))
    assert methods.failures.reasons == {("fails", "no-ood"): f"RuntimeError: {where}"}


def test_a_cell_that_cannot_be_computed_has_the_reason():
    class Level(PixelLevel):
        def cell(self, ood, known, other, method):
            if method.failure is None:
                raise MemoryError("too many pixels")
            return method.failure

        def ood_sets(self):
            return ["x"]

    level = Level(None, ModelInfo("segmentation", 4, ("relu2",), "drop", STD))
    scoring = Scoring(level, {"ind-test": None, "x": None}, 0.05, "cpu", Failures())
    assert scoring.of(("maps", "no-ood"), Maps(), {"": Maps()}).cells == ["MemoryError: too many pixels"]


@pytest.mark.parametrize("sets", [("known", "strange"), ("strange",)])
def test_the_reference_of_fssd_is_of_the_training_images_size_whatever_the_cache_holds(tiny, tmp_path, sets):
    """In a run that reads all in-distribution sets from the cache, a set of another size fails as in the first run."""
    shapes, probe = {"known": (3, 8, 8), "strange": (3, 4, 8)}, SingularityDistances(("relu1",), noise=4)
    extraction = Extraction(tiny(), "hash", "plain", tmp_path, image_shape=lambda: shapes["known"])
    for name in sets:
        found = extraction.measure(name, batches(shape=shapes[name]), name, [probe]).images
    with pytest.raises(ValueError, match="FSSD compares whole feature maps"):
        found[probe.name]
