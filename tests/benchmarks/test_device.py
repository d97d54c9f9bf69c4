"""``--device mps`` without an Apple GPU: which device is taken, and passes on a device that has no float64.

The device is `fake_device`: it computes on the CPU, refuses float64 and tensors of both devices in one operation.
"""

import copy

import pytest
import torch
from conftest import TinyNet
from fake_device import FAKE, FakeDevice, OnDevice
from torch import nn

from benchmarks.levels.object import object_model_info
from benchmarks.pipeline.batch_limit import BatchLimit
from benchmarks.pipeline.config import resolve_device
from lsood import Activations, Head, ModelInfo, OnePass
from lsood.extraction import devices
from lsood.extraction.devices import double, generator_device
from lsood.methods import METHODS, create
from lsood.probes.image import standard_probes
from lsood.probes.objects import object_probes
from lsood.probes.pixels import PixelMaps
from networks.training.config import TrainingConfig, resolve_precision
from networks.training.trainer import device_of, trainer_of
from networks.training.vmdls.losses import metric_margin_loss

AUXILIARY = {name for name in METHODS if METHODS.about(name, "auxiliary_networks")}


class HeadedNet(TinyNet):
    """TinyNet with a linear head."""

    head_layer = "head"

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        return self.head(self.relu2(self.conv2(self.drop(self.relu1(self.conv1(x))))).mean(dim=(2, 3)))


@pytest.fixture
def available(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.fixture
def device(monkeypatch):
    """The device, which has no float64."""
    monkeypatch.setattr(devices, "WITHOUT_FLOAT64", (FAKE,))
    with FakeDevice() as fake:
        yield fake


def test_mps_is_taken_where_it_is_asked_for_and_there(available):
    assert resolve_device("mps") == "mps"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("mps").type == "mps"


def test_mps_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="PyTorch sees no Apple GPU here; use --device cpu"):
        resolve_device("mps")
    with pytest.raises(ValueError, match="no device 'mps' here; \"cpu\" works"):
        device_of("mps")
    with pytest.raises(ValueError, match="auto, cpu, cuda or mps, got 'gpu'"):
        resolve_device("gpu")


def test_training_on_mps_is_in_float32(available, tmp_path, monkeypatch):
    config = TrainingConfig(1, 4)
    monkeypatch.setattr("networks.training.config._cpu_multiplies_bf16", lambda: False)
    assert resolve_precision(config, "mps") == "32-true"
    asked = {}
    monkeypatch.setattr("networks.training.trainer.pl.Trainer", lambda **options: asked.update(options))
    trainer_of(config, tmp_path, device_of("mps"), 0, progress=False)
    assert (asked["accelerator"], asked["devices"], asked["precision"]) == ("mps", 1, "32-true")


def test_the_fake_device_refuses_what_mps_refuses(device):
    there = torch.ones(2).to(FAKE)
    assert isinstance(there, OnDevice) and there.device.type == FAKE
    with pytest.raises(TypeError, match="no float64"):
        there.double()
    with pytest.raises(RuntimeError, match="two devices"):
        there + torch.ones(2)
    assert double(there).dtype == torch.float64 and double(there).device.type == "cpu"
    assert (there + torch.tensor(1.0)).cpu().tolist() == [2, 2]


def test_random_numbers_for_other_devices_are_drawn_on_the_cpu():
    assert [generator_device(name).type for name in ("cpu", "cuda", "mps")] == ["cpu", "cuda", "cpu"]


def measured(network, probes, steps, images, targets, where, prepared=None):
    keys = [f"image{i}" for i in range(len(images))]
    with OnePass(copy.deepcopy(network), probes, steps, where, prepared) as run:
        found = run(images, keys, targets)
        return {**found, **run.objects}


def fitted(names, info, found, labels):
    """Detectors by name, fitted on what was measured on the CPU."""
    from lsood import Activations

    activations = Activations({**found, "labels": labels}, [f"image{i}" for i in range(len(labels))])
    return [create(name).attach(info).fit(activations) for name in names]


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].device.type == "cpu" and found[name].dtype == value.dtype, name
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)


def test_every_method_on_images_measures_on_a_device_without_float64(device):
    torch.manual_seed(0)
    network = HeadedNet().eval()
    info = ModelInfo(
        "classification", 4, ("relu1", "relu2"), "drop", (0.25,) * 3,
        mean=(0.5,) * 3, head=Head.of(network), head_layer="head",
    )  # fmt: skip
    images, labels = torch.randn(24, 3, 16, 16), torch.arange(24) % 4
    names = [name for name in METHODS if name not in AUXILIARY and "image" in METHODS.about(name, "levels")]
    names = [name for name in names if METHODS.about(name, "protocols")[0] == "no-ood" and name != "naive"]
    probes = [*standard_probes(info), *(p for n in names for p in create(n).attach(info).fit_probes())]
    probes = list({probe.name: probe for probe in probes}.values())
    on_cpu = measured(network, probes, [], images, labels, "cpu")
    detectors = fitted(names, info, on_cpu, labels)
    members = copy.deepcopy(network)
    detectors += [create("deep-ensemble").__class__((members,), "m").attach(info)]
    detectors += [create("mc-dropout-net").__class__((members,), "m").attach(info)]
    probes = list({p.name: p for p in [*probes, *(p for d in detectors for p in d.probes())]}.values())
    steps = list({s.name: s for d in detectors for s in d.perturbations()}.values())
    assert len(steps) >= 3 and len(probes) >= 8
    expected = measured(network, probes, steps, images[:4], labels[:4], "cpu")
    before = device.calls
    same(measured(network, probes, steps, images[:4], labels[:4], FAKE), expected)
    assert device.calls > before + 100


def test_pixels_are_measured_on_a_device_without_float64(device):
    torch.manual_seed(0)
    network = TinyNet(dense=True).eval()
    info = ModelInfo("segmentation", 4, ("relu1", "relu2"), "drop", (0.25,) * 3, mean=(0.5,) * 3)
    images, targets = torch.randn(4, 3, 16, 16), torch.randint(0, 5, (4, 16, 16))
    names = ("msp", "odin", "mc-dropout", "rankfeat", "knn", "latent-neighbour")
    detectors = [create(name).attach(info) for name in names]
    detectors.append(create("deep-ensemble").__class__((copy.deepcopy(network),), "m").attach(info))
    probes = [*standard_probes(info), PixelMaps(), *(p for d in detectors for p in d.fit_probes())]
    probes += [p for d in detectors if d.name != "latent-neighbour" for p in d.probes()]
    probes = list({p.name: p for p in probes}.values())
    steps = create("odin").attach(info).perturbations()
    expected = measured(network, probes, steps, images, targets, "cpu")
    same(measured(network, probes, steps, images, targets, FAKE), expected)


def test_fitted_score_maps_are_measured_on_a_device_without_float64(device):
    torch.manual_seed(0)
    network = TinyNet(dense=True).eval()
    info = ModelInfo("segmentation", 4, ("relu1", "relu2"), "drop", (0.25,) * 3, mean=(0.5,) * 3)
    images, targets = torch.randn(4, 3, 16, 16), torch.randint(0, 5, (4, 16, 16))
    names = ("gen", "sml", "sml@boundary=2", "knn@k=3", "mds-pp", "vim@dimension=4", "latent-neighbour")
    detectors = [create(name).attach(info) for name in names]
    found = [p for d in detectors for p in (*d.pixel_fit_probes(), *d.probes())]
    probes = list({probe.name: probe for probe in found}.values())
    train = measured(network, probes, [], images, targets, "cpu")
    same(measured(network, probes, [], images, targets, FAKE), train)
    maps = [d.fit_pixels(Activations(train, list("abcd"))).pixel_probe() for d in detectors]
    expected = measured(network, maps, [], images, targets, "cpu")
    same(measured(network, maps, [], images, targets, FAKE), expected)


def test_boxes_are_measured_on_a_device_without_float64(device, detector):
    network = detector()
    info = ModelInfo(
        "detection", 3, network.feature_layers, network.latent_layer, (0.25,) * 3, mean=(0.5,) * 3
    )
    images = torch.randn(2, 3, 64, 96)
    targets = [{"boxes": torch.tensor([[4.0, 4, 40, 40]]), "labels": torch.tensor([1])}] * 2
    probes = [*standard_probes(info), *create("mc-dropout").attach(info).probes()]
    probes += object_probes(object_model_info(network, info))
    probes += create("deep-ensemble").__class__((detector(seed=1),), "m").attach(info).probes()
    expected = measured(network, probes, [], images, targets, "cpu")
    same(measured(network, probes, [], images, targets, FAKE), expected)


def test_the_metric_loss_of_vmdls_trains_on_a_device_without_float64(device):
    torch.manual_seed(0)
    z, target = torch.randn(12, 4), torch.arange(12) % 3

    def gradient(where):
        there = z.to(where).requires_grad_()
        metric_margin_loss(there, target.to(where), 4.0, 0.1).backward()
        return there.grad.cpu()

    torch.testing.assert_close(gradient(FAKE), gradient("cpu"))


def test_batches_that_do_not_fit_on_mps_are_halved():
    limit, sizes = BatchLimit(), []

    def step(batch):
        sizes.append(len(batch["key"]))
        if len(batch["key"]) > 2:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 5 GB, other allocations: 1 GB)")
        return len(batch["key"])

    assert sum(found for _, found in limit.run(step, {"key": list("abcdef")})) == 6
    assert limit.size == 1 and sizes[:2] == [6, 3]


def test_other_errors_of_a_step_are_no_lack_of_memory():
    with pytest.raises(RuntimeError, match="another"):
        list(
            BatchLimit().run(
                lambda batch: (_ for _ in ()).throw(RuntimeError("another")), {"key": ["a", "b"]}
            )
        )
